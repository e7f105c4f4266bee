"""A real model on real pictures: ncnn here is as right as torch; what is known is not redone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.cli.board_requests import EvaluateRequest
from piyard.cli.trials import evaluate_model
from piyard.convert import conversions
from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.evaluate.evaluation import require_real_weights
from piyard.models.definition import load_model
from piyard.results import accuracies
from piyard.results.accuracies import find_accuracy, stored_evaluations
from tests.conversion.conftest import Subject

pytestmark = pytest.mark.usefixtures("shelf")
LIMIT = "12"


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Evaluations of the test's own."""
    monkeypatch.setattr(accuracies, "evaluations_folder", lambda: tmp_path / "evaluations")
    return tmp_path / "evaluations"


def run(data: Path, model: str = "squeezenet1_1", **more: Any) -> None:
    lists: dict[str, Any] = {"host": [], "precision": ["fp32"]}
    typed = (
        {"data": str(data), "data_format": "", "split": "", "desktop": False, "format": "json"}
        | lists
        | more
    )
    evaluate_model(EvaluateRequest.parse(typed | {"model": model, "limit": LIMIT}))


def test_ncnn_is_as_right_as_torch(
    real: Conversion, mirror: Path, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(mirror / "data" / "imagenet500", precision=["fp32", "fp16"])
    rows = json.loads(capsys.readouterr().out)
    assert [(r["Computed by"], r["Data type"]) for r in rows[::2]] == [
        ("torch", "fp32"),
        ("ncnn, desktop", "fp32"),
        ("ncnn, desktop", "fp16 (imitated)"),
    ]
    assert {r["Data"] for r in rows} == {"imagenet500, 12 pictures"}
    # Trained on the classes of these pictures: chance would be 0.1 %.
    assert rows[0]["Percent"] > 25
    assert [r["Points off"] for r in rows[2:4]] == [0, 0]
    accuracy = find_accuracy(real.key, "fp32")
    assert accuracy
    assert accuracy.endswith("% top-1 (imagenet500, 12 pictures)")
    low, high = rows[0]["95 % interval"]
    assert f"({low:.1f} to {high:.1f})" in accuracy
    assert high - low > 20
    assert len(list(shelf.glob("squeezenet1_1-*.json"))) == 3


def test_the_original_is_asked_once(subject: Subject, capsys: pytest.CaptureFixture[str]) -> None:
    run(subject.data, subject.model)
    capsys.readouterr()
    run(subject.data, subject.model)
    out, err = capsys.readouterr()
    assert f"evaluated on {subject.data.name}, 12 pictures before" in err
    rows = json.loads(out)[::2]
    assert [row["Computed by"] for row in rows] == ["torch", "ncnn, desktop"]
    assert rows[0]["Percent"] == rows[1]["Percent"]


def test_a_dry_run_computes_nothing(
    subject: Subject, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(subject.data, subject.model, dry_run=True)
    assert (
        f"{subject.model} fp32 on {subject.data.name}, 12 pictures, on this desktop"
    ) in capsys.readouterr().out
    assert not shelf.exists()


def test_random_weights_are_refused(small: Callable[..., str]) -> None:
    conversion = convert_model(load_model(small()), random_weights=True)
    with pytest.raises(WrongInput, match="random weights, which have no accuracy"):
        require_real_weights(conversion)


def test_one_whose_proof_failed_is_refused_unless_forced(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ["fp32, noise, output out0: cosine 0.5 is below 0.9999"]
    manifest = msgspec.structs.replace(subject.conversion.manifest, failed=failed)
    broken = msgspec.structs.replace(subject.conversion, manifest=manifest)
    monkeypatch.setattr(conversions, "load_conversion", lambda *_, **__: broken)
    with pytest.raises(ConversionFailed, match="does not compute what the original computes"):
        run(subject.data, subject.model)
    run(subject.data, subject.model, force=True)
    assert stored_evaluations()

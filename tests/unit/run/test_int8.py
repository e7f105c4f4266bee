"""Only a net with quantised layers computes in int8, and such a net only so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.convert.param import count_quantised, read_param, require_precisions
from piyard.core.download import downloads_folder
from piyard.core.errors import WrongInput
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.run.plan import plan_jobs

NET = """7767517
3 3
Input data 0 1 data
Convolution conv 1 1 data a 0=8 1=3 6=216{first}
Gemm fc 1 1 a out 10=2{second}
"""
MODEL = """title: mine
task: classify
network: ncnn
weights: [{{source: mine, sha256: {sha256}, licence: own, dataset: mine, file: net.param}}]
input: [3, 8, 8]
preprocess: {{fit: crop, resize: 8, crop: 8, resample: bilinear, order: rgb, mean: [0, 0, 0],
  norm: [1, 1, 1]}}
labels: imagenet1k
"""
Pair = Callable[..., str]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A model of an ncnn pair whose .param is at hand."""

    def make(first: str = "", second: str = "") -> str:
        text = NET.format(first=first, second=second)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        kept = downloads_folder() / sha256
        kept.mkdir(parents=True)
        (kept / "net.param").write_text(text)
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "labels").symlink_to(definition.MODELS_FOLDER / "labels")
        (tmp_path / "models" / "mine.yaml").write_text(MODEL.format(sha256=sha256))
        monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
        return "mine"

    return make


@pytest.mark.parametrize(
    ("first", "second", "quantised_layers"),
    [("", "", 0), (" 8=2", "", 1), (" 8=0", " 18=1", 1), (" 8=102", " 18=1", 2), ("", " 8=1", 0)],
)
def test_layers_are_counted_as_nnrun_counts_them(
    tmp_path: Path, first: str, second: str, quantised_layers: int
) -> None:
    (tmp_path / "net.param").write_text(NET.format(first=first, second=second))
    assert count_quantised(read_param(tmp_path / "net.param")) == quantised_layers


def test_what_is_not_quantised_is_refused_in_int8(pair: Pair) -> None:
    model = load_model(pair())
    require_precisions([(model, "fp32"), (model, "fp16")])
    with pytest.raises(WrongInput, match="mine has no quantised layer"):
        require_precisions([(model, "fp32"), (model, "int8")])


def test_what_is_quantised_computes_in_int8_only(pair: Pair) -> None:
    model = load_model(pair(first=" 8=2"))
    require_precisions([(model, "int8")])
    with pytest.raises(WrongInput, match=r"mine is quantised \(1 layers\)") as caught:
        require_precisions([(model, "int8"), (model, "fp32")])
    assert caught.value.remedy == "--precision int8"


def test_without_a_precision_what_is_quantised_computes_in_int8_and_the_rest_in_the_targets(
    pair: Pair,
) -> None:
    models = [load_model("resnet18"), load_model(pair(first=" 8=2"))]
    jobs = plan_jobs([BoardConnection(select_board("pi5"), "rpi5")], models)
    planned = [(job.model.name, job.precision) for job in jobs]
    assert planned == [("resnet18", "fp32"), ("resnet18", "fp16"), ("mine", "int8")]


def test_planning_refuses_it_before_anything_is_built() -> None:
    with pytest.raises(WrongInput, match="resnet18 has no quantised layer"):
        plan_jobs(
            [BoardConnection(select_board("pi5"), "rpi5")],
            [load_model("resnet18")],
            precisions=["int8"],
        )

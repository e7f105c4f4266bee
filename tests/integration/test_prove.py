"""invoke prove on an emulated board: its own figures, and masks for what it cannot bear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from piyard.convert.conversions import Conversion
from tests.integration.conftest import Invoke

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(1200)),
    pytest.mark.usefixtures("own_results"),
]
PROVE = ("prove", "--host", "emulated:rpi5", "--model", "squeezenet1_1", "--format", "json")


def test_a_board_computes_what_the_original_does(
    invoke: Invoke, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))
    done = invoke(*PROVE, "--pictures", "1", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["Input"] for row in rows} == {"pictures", "drawn", "noise"}
    assert {row["Data type"] for row in rows} == {"fp32"}
    assert {row["Proof"] for row in rows} == {"passed"}
    assert all(float(row["Cosine"]) > 0.999999 for row in rows)


def test_what_a_board_computes_wrong_is_an_error_that_names_the_layer(
    invoke: Invoke, squeezenet: Conversion, own_results: Path
) -> None:
    """The eight bits of bfloat16 are too few for most nets."""
    done = invoke(*PROVE, "--random-weights", "--precision", "bf16")
    assert done.returncode == 6, done.stderr
    assert "DIFFERS" in {row["Proof"] for row in json.loads(done.stdout)}
    assert "Traceback" not in done.stderr
    assert "1 of 1 do not compute what the original computes" in done.stderr
    assert "first diverging layer: " in done.stderr
    assert "--precision fp32" in done.stderr
    assert "--mask" not in done.stderr  # masks spare layers fp16, not bf16


def test_a_tracker_follows_on_the_board_as_by_the_original(
    invoke: Invoke, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))
    request = ("--host", "emulated:rpi5", "--model", "nanotrack", "--precision", "fp32")
    done = invoke("prove", *request, "--pictures", "1", "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = (row for row in json.loads(done.stdout) if row["Input"] == "clip")
    assert (row["Output"], row["Count"], row["Proof"]) == ("tracks", 8, "passed")
    assert "8 objects expected, 8 found, 8 matched; lowest box IoU 1.0000" in done.stderr


def test_a_language_models_logits_are_the_originals_at_once_and_step_by_step(
    invoke: Invoke,
) -> None:
    request = ("--host", "emulated:rpi5", "--model", "stories260k", "--precision", "int8")
    done = invoke("prove", *request, "--random-weights", "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["Tokens"], row["Data type"], row["Proof"]) == (256, "int8", "passed")
    assert row["KL (nats)"] < 2 * row["KL here"] + 0.01
    assert row["Steps (nats)"] < 0.001
    assert row["Perplexity"] is None  # of tokens drawn by chance

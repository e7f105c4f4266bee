"""nnrun bench layers: a time for each layer, in the order in which they compute."""

from __future__ import annotations

from pathlib import Path

from tests.runner.nets import small
from tests.runner.outcome import Run, assert_refused

SHAPE = ["--shape", "3,12,10", "--threads", "1"]


def test_each_layer_has_a_time(nnrun: Run, tmp_path: Path) -> None:
    outcome = nnrun("bench", "layers", *small().write(tmp_path), *SHAPE, "--loops", "3", "--marks")
    assert outcome.stderr == ""
    assert [line["type"] for line in outcome.lines[:2]] == ["header", "load"]
    timed = outcome.of("layer")
    assert [(line["i"], line["kind"]) for line in timed] == [
        *((1, "Convolution"), (2, "ReLU"), (3, "Pooling"), (4, "InnerProduct")),
    ]
    assert timed[0]["name"] == "conv"
    assert all(line["ms"] > 0 for line in timed)
    assert outcome.line("summary") == {"type": "summary", "layers": 4, "loops": 3}


def test_a_shape_that_does_not_fit_is_refused(nnrun: Run, tmp_path: Path) -> None:
    flags = small().write(tmp_path)
    assert_refused(nnrun("bench", "layers", *flags, "--threads", "1"), 2, "--shape")
    assert_refused(nnrun("bench", "layers", *flags, *SHAPE, "--loops", "0"), 2, "--loops")

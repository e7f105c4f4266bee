"""The two speeds of a language model: every sample, and what they were measured with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runner.nets import values_of
from tests.runner.outcome import Run, assert_refused
from tests.support.tiny_language import Decoder

pytestmark = pytest.mark.docker

MASK = (1 << 64) - 1


def made_up(seed: int, count: int, vocabulary: int) -> list[int]:
    """splitmix64, as nnrun's help says."""
    tokens = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        tokens.append(int(((z ^ (z >> 31)) >> 11) * 2.0**-53 * vocabulary))
    return tokens


@pytest.mark.parametrize(
    ("verb", "more"), [("prefill", ["--tokens", "40"]), ("decode", ["--tokens", "9", "--past=31"])]
)
def test_samples_and_logits(nnrun: Run, tmp_path: Path, verb: str, more: list[str]):
    line = [*Decoder().write(tmp_path), *more, "--cache", "fp32", "--chunk", 16, "--threads", 1]
    done = nnrun("bench", verb, *line, "--loops", 25, "--warmup", 3, "--save-outputs", tmp_path)
    assert len(done.of("sample")) == 25
    assert len(done.of("warmup")) == 3
    assert all(sample["ms"] > 0 for sample in done.of("sample"))
    summary = done.line("summary")
    assert (summary["samples"], summary["stopped"], summary["warmup"]) == (25, "loops", "fixed")
    assert summary["weight_bytes"] > 0
    header = done.line("header")
    assert (header["task"], header["threads"]) == (f"bench {verb}", 1)
    assert header["precision"]["label"] == "fp32"
    expected = Decoder().logits(made_up(1, 40, 96))[-1]
    assert np.allclose(values_of(tmp_path / "logits.f32"), expected, atol=2e-4)


def test_the_label_is_what_the_weights_are(nnrun: Run, tmp_path: Path):
    line = [*Decoder(bits=16).write(tmp_path), "--loops", 1, "--tokens", 4]
    precision = nnrun("bench", "prefill", *line).line("header")["precision"]
    assert (precision["label"], precision["arithmetic"]) == ("fp16", "fp32")


def test_wrong_flags_are_refused(nnrun: Run, tmp_path: Path):
    line = Decoder().write(tmp_path)
    assert_refused(nnrun("bench", "decode", *line), 2, "exactly one of --loops and --budget")
    assert_refused(nnrun("bench", "prefill", *line, "--loops", 1, "--past", 3), 2, "--past")
    assert_refused(nnrun("bench", "decode", *line, "--loops", 1, "--context", 9), 2, "--context")

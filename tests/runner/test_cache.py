"""The cache of keys and values in its formats: nnrun's score beside the net in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runner.outcome import Run
from tests.support.tiny_language import Decoder

pytestmark = pytest.mark.docker

TOKENS = np.random.default_rng(1).integers(0, 96, 40)


@pytest.mark.parametrize(("kind", "most"), [("fp32", 1e-4), ("fp16", 2e-3), ("int8", 2e-2)])
@pytest.mark.parametrize("steps", [1, 40])
def test_a_smaller_cache_rounds(
    nnrun: Run, tmp_path: Path, kind: str, most: float, steps: int
) -> None:
    decoder = Decoder()
    np.save(tmp_path / "tokens.npy", TOKENS.astype("<i4"))
    saved = tmp_path / "logits.npy"
    line = [*decoder.write(tmp_path), "--tokens", tmp_path / "tokens.npy", "--save-logits", saved]
    nnrun("score", *line, "--cache", kind, "--steps", steps).line("summary")
    expected = decoder.logits(TOKENS)
    error = np.abs(np.load(saved) - expected).max() / np.abs(expected).max()
    assert error < most
    # It does what its name says: a wider format is nearer.
    assert kind == "fp32" or error > most / 1000

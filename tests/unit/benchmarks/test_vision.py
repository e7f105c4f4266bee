"""benchmarks/vision_overhead.py: how counts of runs become shares of an inference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import vision_overhead
from benchmarks.vision_overhead import Counter, Stages

STAGES = Stages(pre=9_000_000, infer=450_000_000, post=2_250_000)


def test_the_share_is_of_the_inference() -> None:
    assert STAGES.percent == pytest.approx(2.5)
    assert STAGES.row("yolov8_n") == ["yolov8_n", "9.00 M", "450.00 M", "2.25 M", "2.50 %"]


def test_what_happens_once_drops_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(_: Counter, words: Sequence[str]) -> int:
        assert (words[0], words[1], words[3]) == ("pre", "a.jpg", "--threads")
        return 1_000_000 + 70 * int(words[2])

    monkeypatch.setattr(Counter, "count", count)
    result = Counter(Path("/nowhere")).steady("pre", Path("a.jpg"), ["--threads", "1"], 4)
    assert result == 70


def test_a_picture_is_needed() -> None:
    request = vision_overhead.arguments(["a.jpg", "--model", "yolox_s"])
    assert (request.picture, request.model, request.bar) == (Path("a.jpg"), ["yolox_s"], 3.0)
    with pytest.raises(SystemExit):
        vision_overhead.arguments([])

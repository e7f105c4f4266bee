"""benchmarks/language: what prompt lookup saves and what memory a model takes, as nnrun tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.language import lookup, memory
from benchmarks.language.desktop import read_summary
from benchmarks.language.memory import Row
from piyard.core.errors import UnreadableLog


def lines(steps: list[int]) -> list[str]:
    """What nnrun prints of an answer in so many steps, after the first token."""
    tokens = [{"type": "token", "id": place, "text": "ab"[place % 2]} for place in range(5)]
    summary = {"type": "summary", "tokens": 5, "step_tokens": steps, "weight_bytes": 100}
    summary |= {"drafted": 9, "accepted": 4 - len(steps), "peak_rss_kb": 7, "cache_bytes": 3}
    return [json.dumps(each, separators=(",", ":")) for each in [*tokens, summary]]


def test_bytes_a_token_are_those_of_its_share_of_a_step() -> None:
    plain, drafted = (lookup.read_answer(lines(steps)) for steps in ([1, 1, 1, 1], [3, 1]))
    assert plain.tokens == drafted.tokens == [0, 1, 2, 3, 4]
    assert drafted.text == "ababa"
    assert (plain.bytes_a_token, drafted.bytes_a_token) == (100, 50)
    assert lookup.saving(plain, drafted) == 2
    table = lookup.shown("Tiny", plain, drafted, "plain")
    assert "2.00 times fewer bytes a token" in table
    assert "differs" not in table
    assert json.loads(lookup.shown("Tiny", plain, drafted, "json"))["saving"] == 2
    for broken in ([], ["{}"], lines([1])[:-1]):
        with pytest.raises(UnreadableLog, match="no summary"):
            lookup.read_answer(broken)


def test_memory_is_set_beside_weights_and_cache() -> None:
    summary = read_summary(lines([1]), memory.Summary)
    assert (summary.cache_bytes, summary.peak_rss_kb) == (3, 7)
    row = Row(model="Tiny", precision="int4", file=90, cache=10, peak=110, read=90)
    assert row.ratio == pytest.approx(1.1)
    assert row.times_read == 1
    assert row.cells[-2:] == ["1.100", "1.00 x"]
    unknown = Row(model="Tiny", precision="int4", file=90, cache=10, peak=110, read=0)
    assert unknown.cells[-1] == "N/A"
    with pytest.raises(UnreadableLog, match="no summary"):
        read_summary([], memory.Summary)


def test_a_file_is_taken_out_of_the_page_cache(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(range(256)) * 64)
    memory.forget(file)
    assert file.read_bytes() == bytes(range(256)) * 64

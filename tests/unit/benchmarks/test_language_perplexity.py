"""benchmarks/language: perplexities, and how far they are above the original's."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.language import perplexity_rows
from benchmarks.language.perplexity import Text, arguments, require_same
from benchmarks.language.perplexity_rows import Row
from piyard.core.errors import WrongInput

ROW = Row(
    model="Tiny",
    text="its own",
    precision="int4",
    stored="int4 by 32",
    tokens=5110,
    perplexity=10.4,
    original=10,
    late=9.9,
    late_original=9,
)


def test_perplexity_is_of_all_chunks_or_of_their_ends() -> None:
    chunks = [[-1.0, -2.0], [-3.0, -4.0]]
    assert perplexity_rows.perplexity(chunks) == pytest.approx(math.exp(2.5))
    assert perplexity_rows.perplexity(chunks, 1) == pytest.approx(math.exp(3))


def test_a_rise_is_judged_by_the_bar_of_its_precision() -> None:
    assert ROW.well
    table = perplexity_rows.shown([ROW], "plain")
    assert [word in table for word in ("+4.00%", "+5.00%", "(+10.00%)", "missed")] == [
        *(True, True, True, False)
    ]
    (figures,) = json.loads(perplexity_rows.shown([ROW], "json"))
    assert figures["rise"] == pytest.approx(0.04)


def test_another_engine_is_judged_by_no_bar() -> None:
    rival = Row(
        model="Tiny",
        text="a.txt",
        engine="llama.cpp",
        precision="Q4_0",
        stored="Q4_0",
        tokens=255,
        perplexity=None,
        original=10,
        late=9.9,
        late_original=9,
    )
    assert rival.well
    assert "9.9000 (+10.00%)" in perplexity_rows.shown([rival], "plain")
    (figures,) = json.loads(perplexity_rows.shown([rival], "json"))
    assert figures["rise"] is None
    assert figures["late_rise"] == pytest.approx(0.1)


def test_a_twin_tells_its_divergence_and_nothing_of_second_halves() -> None:
    twin = Row(
        model="Tiny",
        text="a.txt",
        engine="twin",
        precision="int8",
        stored="int8 by 64",
        tokens=511,
        perplexity=10.2,
        original=10,
        divergence=0.0123,
        late_original=9,
    )
    assert not twin.well
    assert twin.cells[-2:] == ["0.0123", "N/A"]


def test_a_rival_must_read_the_same_tokens() -> None:
    text = Text("a.txt", [[5, 6], [7, 8]], [])
    require_same([5, 6, 7, 8, 9], text)
    for tokens, place in (([1, 5, 6, 7], 0), ([5, 6, 7, 9], 3), ([5, 6, 7], 3)):
        with pytest.raises(WrongInput, match=rf"other tokens in a\.txt, from place {place} on"):
            require_same(tokens, text)


def test_a_rival_needs_a_text() -> None:
    with pytest.raises(SystemExit):
        arguments(["--rival"])
    assert arguments(["--rival", "--text", "a.txt"]).rival

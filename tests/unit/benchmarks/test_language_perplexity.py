"""benchmarks/language: perplexities, and how far they are above the original's."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.language import perplexity
from benchmarks.language.perplexity import Row

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
    assert perplexity.perplexity(chunks) == pytest.approx(math.exp(2.5))
    assert perplexity.perplexity(chunks, 1) == pytest.approx(math.exp(3))


def test_a_rise_is_judged_by_the_bar_of_its_precision() -> None:
    assert ROW.well
    table = perplexity.shown([ROW], "plain")
    assert [word in table for word in ("+4.00%", "+5.00%", "(+10.00%)", "missed")] == [
        *(True, True, True, False)
    ]
    (figures,) = json.loads(perplexity.shown([ROW], "json"))
    assert figures["rise"] == pytest.approx(0.04)

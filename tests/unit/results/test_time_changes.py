"""Changes of a time in words, and cells that are numbers to programs."""

from __future__ import annotations

import json

import pytest

from piyard.core.tables import Cell, number_cell, render_table
from piyard.core.text import format_change
from piyard.results.comparison import effect_text
from piyard.results.significance import compare_samples


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (357.0, 63.0, "from 357 to 63 ms"),
        (63.04, 357.2, "from 63 to 357 ms"),
        (0.01234, 1234.5, "from 0.0123 to 1234 ms"),
        (99.96, 9.996, "from 100 to 10 ms"),
    ],
)
def test_a_change_in_times(before: float, after: float, text: str) -> None:
    assert format_change(before, after) == text


@pytest.mark.parametrize(
    ("after", "text"), [(63.0, "+5.0 %"), (213.0, "from 60 to 213 ms"), (12.0, "from 60 to 12 ms")]
)
def test_an_effect_in_percent_as_long_as_that_says_something(after: float, text: str) -> None:
    a, b = ([base + 0.001 * i for i in range(20)] for base in (60.0, after))
    assert effect_text(compare_samples(a, b)) == text


def test_numbers_are_numbers_in_json_and_texts_elsewhere() -> None:
    row = [Cell("12.50", 12.5), number_cell(3), Cell("N/A", None), "x", Cell("inf", float("inf"))]
    columns = ["a", "b", "c", "d", "e"]
    assert json.loads(render_table(columns, [row], "json")) == [
        {"a": 12.5, "b": 3, "c": None, "d": "x", "e": None}
    ]
    assert render_table(columns, [row], "csv").splitlines()[1] == "12.50,3,N/A,x,inf"
    assert "12.50" in render_table(columns, [row], "plain")

"""Changes of a time in words, and cells that are numbers to programs."""

from __future__ import annotations

import json

import pytest

from piyard import tables, times
from piyard.comparison.compared import effect_text
from piyard.stats import compare
from piyard.tables import Value, number


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
    assert times.change(before, after) == text


@pytest.mark.parametrize(
    ("after", "text"), [(63.0, "+5.0 %"), (213.0, "from 60 to 213 ms"), (12.0, "from 60 to 12 ms")]
)
def test_an_effect_in_percent_as_long_as_that_says_something(after: float, text: str) -> None:
    a, b = ([base + 0.001 * i for i in range(20)] for base in (60.0, after))
    assert effect_text(compare.compare(a, b)) == text


def test_numbers_are_numbers_in_json_and_texts_elsewhere() -> None:
    row = [Value("12.50", 12.5), number(3), Value("N/A", None), "x", Value("inf", float("inf"))]
    columns = ["a", "b", "c", "d", "e"]
    assert json.loads(tables.render(columns, [row], "json")) == [
        {"a": 12.5, "b": 3, "c": None, "d": "x", "e": None}
    ]
    assert tables.render(columns, [row], "csv").splitlines()[1] == "12.50,3,N/A,x,inf"
    assert "12.50" in tables.render(columns, [row], "plain")

"""Evaluations as rows for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piyard.evaluate.kept import Evaluation
from piyard.tables import Value
from piyard.tables.layout import NOT_KNOWN

COLUMNS = (
    "Model",
    "Computed by",
    "Data type",
    "Board",
    "Data",
    "Figure",
    "Percent",
    "95 % interval",
    "Points off",
    "Published",
    "Notes",
)
HERE = "this desktop"


def rows(made: Sequence[Evaluation], published: Mapping[str, float]) -> list[list[str]]:
    """A row a figure; the original's own come first, and the others tell how far off they are.

    ``published`` has the figures that the publisher gives, on the publisher's data.
    """
    first = next((one for one in made if one.by == "original"), None)
    return [
        [
            *(one.model, one.computed, _precision(one), one.host or HERE, one.data, name),
            *(_figure(value), _interval(one, name)),
            *(_apart(one, first, name), _figure(published.get(name))),
            "; ".join(notes(one)),
        ]
        for one in made
        for name, value in one.figures.items()
    ]


def notes(one: Evaluation) -> list[str]:
    """What must be known before its figures are believed."""
    assumed = ", ".join(one.assumed)
    return [*([f"assumed, not said by its file: {assumed}"] if assumed else []), *one.notes]


def _precision(one: Evaluation) -> str:
    return f"{one.precision} (imitated)" if one.imitated else one.precision


def _figure(value: float | None) -> Value:
    return Value(NOT_KNOWN if value is None else f"{value:.2f}", value)


def _apart(one: Evaluation, first: Evaluation | None, name: str) -> Value:
    if first is None or one is first:
        return Value("", None)
    a, b = first.figures.get(name), one.figures[name]
    if a is None or b is None:
        return Value(NOT_KNOWN, None)
    points = round(b - a, 2) + 0.0  # never -0.00
    return Value(f"{points:+.2f}", points)


def _interval(one: Evaluation, name: str) -> Value:
    ends = one.intervals.get(name)
    if ends is None:
        return Value(NOT_KNOWN, None)
    return Value(f"{ends[0]:.2f} to {ends[1]:.2f}", list(ends))

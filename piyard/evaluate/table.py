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


def rows(evaluations: Sequence[Evaluation], published: Mapping[str, float]) -> list[list[str]]:
    """A row a figure; the original's own come first, and the others tell how far off they are.

    ``published`` has the figures that the publisher gives, on the publisher's data.
    """
    original = next((each for each in evaluations if each.by == "original"), None)
    return [
        [
            *(each.model, each.computed, _precision(each), each.host or HERE, each.data, name),
            *(_figure(value), _interval(each, name)),
            *(_apart(each, original, name), _figure(published.get(name))),
            "; ".join(notes(each)),
        ]
        for each in evaluations
        for name, value in each.figures.items()
    ]


def notes(evaluation: Evaluation) -> list[str]:
    """What must be known before its figures are believed."""
    assumed = ", ".join(evaluation.assumed)
    return [*([f"assumed, not said by its file: {assumed}"] if assumed else []), *evaluation.notes]


def _precision(evaluation: Evaluation) -> str:
    return f"{evaluation.precision} (imitated)" if evaluation.imitated else evaluation.precision


def _figure(value: float | None) -> Value:
    return Value(NOT_KNOWN if value is None else f"{value:.2f}", value)


def _apart(evaluation: Evaluation, original: Evaluation | None, name: str) -> Value:
    if original is None or evaluation is original:
        return Value("", None)
    a, b = original.figures.get(name), evaluation.figures[name]
    if a is None or b is None:
        return Value(NOT_KNOWN, None)
    points = round(b - a, 2) + 0.0  # never -0.00
    return Value(f"{points:+.2f}", points)


def _interval(evaluation: Evaluation, name: str) -> Value:
    ends = evaluation.intervals.get(name)
    if ends is None:
        return Value(NOT_KNOWN, None)
    return Value(f"{ends[0]:.2f} to {ends[1]:.2f}", list(ends))

"""Evaluations as rows for people and programs."""

from __future__ import annotations

from collections.abc import Sequence

from piyard.evaluate.kept import Evaluation

COLUMNS = (
    "Model",
    "Computed by",
    "Data type",
    "Data",
    "Figure",
    "Percent",
    "Points off",
    "Published",
)


def rows(made: Sequence[Evaluation], published: dict[str, float]) -> list[list[str]]:
    """A row a figure; the original's own come first, and the others tell how far off they are.

    ``published`` has the figures that the publisher gives, on the publisher's data.
    """
    first = next((one for one in made if one.by == "original"), None)
    return [
        [
            *(one.model, one.computed, _precision(one), one.data),
            *(name, f"{value:.2f}", _apart(one, first, name), _told(published, name)),
        ]
        for one in made
        for name, value in one.figures.items()
    ]


def _precision(one: Evaluation) -> str:
    return f"{one.precision} (imitated)" if one.imitated else one.precision


def _apart(one: Evaluation, first: Evaluation | None, name: str) -> str:
    if first is None or one is first:
        return ""
    return f"{round(one.figures[name] - first.figures[name], 2) + 0.0:+.2f}"  # never -0.00


def _told(published: dict[str, float], name: str) -> str:
    return f"{published[name]:.2f}" if name in published else "N/A"

"""Evaluations as files: ``artifacts/evaluations/<key>.json``, versioned, written by one rename.

One file for each conversion, who computed it, precision and data: a later evaluation of the same
replaces it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from piyard.core import console, paths
from piyard.core.files import atomic_write, sha256_of_value
from piyard.core.tables import Cell
from piyard.core.text import NOT_KNOWN

EVALUATIONS_SHELF = "evaluations"
EVALUATION_SCHEMA = 1
EvaluatedBy = Literal["original", "desktop", "board"]
SMALL_DATASET = 1000
"""Pictures below which a figure in a table carries its interval."""
TRUST_ORDER: dict[str, int] = {"board": 1, "desktop": 0}
"""What a board computes says more about boards than what the desktop does."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How right one way to compute a conversion was on one data set."""

    schema: int = EVALUATION_SCHEMA
    model: str
    conversion: str
    """Its key."""
    by: EvaluatedBy
    computed: str
    """For people: torch, ncnn on the desktop, nnrun on a board and which."""
    precision: str
    """What was really computed."""
    imitated: bool = False
    """Whether the precision was imitated on the desktop."""
    data: str
    """``COCO val2017, 79 pictures``"""
    digest: str
    """Of pictures and truth."""
    count: int
    """Pictures or frames."""
    figures: dict[str, float | None]
    """Percent; the first one is the one that tables show. None where nothing could be judged."""
    intervals: dict[str, tuple[float, float]] = {}
    """95 % intervals in percent, of figures whose pictures stand for others."""
    host: str = ""
    """The board, by its name here."""
    thresholds: dict[str, float] = {}
    """Of the head, where they are not the model's own."""
    assumed: list[str] = []
    """Facts of the model's preparation that nobody said (see ``Model.assumed``)."""
    notes: list[str] = []
    """What else must be known before the figures are believed, a line each."""
    build: str = ""
    """Of nnrun."""
    when: str
    """UTC, ISO 8601."""

    @property
    def accuracy(self) -> str:
        """The Accuracy column: ``71.40 (67.3 to 75.2) % top-1 (imagenet500, 500 pictures)``.

        The interval is there where pictures are few; nothing where nothing could be judged.
        """
        name, value = next(iter(self.figures.items()))
        if value is None or self.is_spoilt:
            return ""
        ends = self.intervals.get(name)
        around = f" ({ends[0]:.1f} to {ends[1]:.1f})" if ends and self.count < SMALL_DATASET else ""
        is_share = name.startswith("top")
        figure = f"{value:.2f}{around} % {name}" if is_share else f"{name} {value:.1f}{around}"
        how = f"; {self.precision} imitated" if self.imitated else ""
        unsure = "; preparation assumed" if self.assumed else ""
        return f"{figure} ({self.data}{how}{unsure})"

    @property
    def is_spoilt(self) -> bool:
        """Whether it is of before, when the mean of nothing was kept as -100 %."""
        return any((self.figures.get(name) or 0) < 0 for name in ("mAP", "mAP50"))


def evaluations_folder() -> Path:
    """Where evaluations are kept."""
    return paths.artifacts() / EVALUATIONS_SHELF


def save_evaluation(evaluation: Evaluation) -> Path:
    """Keep it, in the place of an earlier one of the same."""
    final = evaluations_folder() / f"{evaluation.model}-{_evaluation_key(evaluation)}.json"
    with atomic_write(final) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
    return final


def stored_evaluations() -> list[Evaluation]:
    """All of them; what cannot be read is said and left out."""
    evaluations = []
    for file in sorted(evaluations_folder().glob("*.json")):
        try:
            evaluations.append(_read_evaluation(file, file.stat().st_mtime_ns))
        except (OSError, msgspec.DecodeError) as error:
            console.info(f"left out: {file}: {error}")
    return [each for each in evaluations if each.schema == EVALUATION_SCHEMA]


def find_evaluation(
    conversion: str, by: EvaluatedBy, precision: str, data_digest: str
) -> Evaluation | None:
    """The one that was made before, if it was."""
    identity = (conversion, by, precision, data_digest)
    matches = (
        each
        for each in stored_evaluations()
        if _evaluation_identity(each) == identity and not each.is_spoilt
    )
    return max(matches, key=lambda each: each.when, default=None)


def find_accuracy(conversion: str, precision: str) -> str | None:
    """What the Accuracy column says of that conversion computed in that precision.

    The largest data set counts, of the same the one evaluated on a board, then the newest one.
    """
    return best_accuracy(stored_evaluations(), conversion, precision)


def best_accuracy(evaluations: Iterable[Evaluation], conversion: str, precision: str) -> str | None:
    """The same, of those that are given."""
    matches = [
        each
        for each in evaluations
        if each.conversion == conversion
        and each.precision == precision
        and each.by in TRUST_ORDER
        and each.accuracy
    ]
    chosen = max(
        matches, key=lambda each: (each.count, TRUST_ORDER[each.by], each.when), default=None
    )
    return (chosen.accuracy or None) if chosen else None


@functools.lru_cache(maxsize=512)
def _read_evaluation(file: Path, stamp: int) -> Evaluation:
    """A report asks for each of its rows."""
    del stamp
    return msgspec.json.decode(file.read_bytes(), type=Evaluation)


def _evaluation_identity(evaluation: Evaluation) -> tuple[str, str, str, str]:
    return (evaluation.conversion, evaluation.by, evaluation.precision, evaluation.digest)


def _evaluation_key(evaluation: Evaluation) -> str:
    parts = [
        *_evaluation_identity(evaluation),
        evaluation.computed,
        *([evaluation.host] if evaluation.host else []),
    ]
    return sha256_of_value(parts)[:16]


EVALUATION_COLUMNS = (
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
THIS_DESKTOP = "this desktop"


def evaluation_rows(
    evaluations: Sequence[Evaluation], published: Mapping[str, float]
) -> list[list[str]]:
    """A row a figure; the original's own come first, and the others tell how far off they are.

    ``published`` has the figures that the publisher gives, on the publisher's data.
    """
    original = next((each for each in evaluations if each.by == "original"), None)
    return [
        [
            *(
                each.model,
                each.computed,
                _precision_text(each),
                each.host or THIS_DESKTOP,
                each.data,
                name,
            ),
            *(_figure_value(value), _interval_value(each, name)),
            *(_points_off(each, original, name), _figure_value(published.get(name))),
            "; ".join(evaluation_notes(each)),
        ]
        for each in evaluations
        for name, value in each.figures.items()
    ]


def evaluation_notes(evaluation: Evaluation) -> list[str]:
    """What must be known before its figures are believed."""
    assumed = ", ".join(evaluation.assumed)
    return [*([f"assumed, not said by its file: {assumed}"] if assumed else []), *evaluation.notes]


def _precision_text(evaluation: Evaluation) -> str:
    return f"{evaluation.precision} (imitated)" if evaluation.imitated else evaluation.precision


def _figure_value(value: float | None) -> Cell:
    return Cell(NOT_KNOWN if value is None else f"{value:.2f}", value)


def _points_off(evaluation: Evaluation, original: Evaluation | None, name: str) -> Cell:
    if original is None or evaluation is original:
        return Cell("", None)
    a, b = original.figures.get(name), evaluation.figures[name]
    if a is None or b is None:
        return Cell(NOT_KNOWN, None)
    points = round(b - a, 2) + 0.0  # never -0.00
    return Cell(f"{points:+.2f}", points)


def _interval_value(evaluation: Evaluation, name: str) -> Cell:
    ends = evaluation.intervals.get(name)
    if ends is None:
        return Cell(NOT_KNOWN, None)
    return Cell(f"{ends[0]:.2f} to {ends[1]:.2f}", list(ends))

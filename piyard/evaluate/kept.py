"""Evaluations as files: ``artifacts/evaluations/<key>.json``, versioned, written by one rename.

One file for each conversion, who computed it, precision and data: a later evaluation of the same
takes its place.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from piyard import digest, paths, say, whole

SHELF = "evaluations"
SCHEMA = 1
By = Literal["original", "desktop", "board"]
FEW = 1000
"""Pictures below which a figure in a table carries its interval."""
TRUST: dict[str, int] = {"board": 1, "desktop": 0}
"""What a board computes says more about boards than what the desktop does."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How right one way to compute a conversion was on one data set."""

    schema: int = SCHEMA
    model: str
    conversion: str
    """Its key."""
    by: By
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
        around = f" ({ends[0]:.1f} to {ends[1]:.1f})" if ends and self.count < FEW else ""
        is_share = name.startswith("top")
        figure = f"{value:.2f}{around} % {name}" if is_share else f"{name} {value:.1f}{around}"
        how = f"; {self.precision} imitated" if self.imitated else ""
        unsure = "; preparation assumed" if self.assumed else ""
        return f"{figure} ({self.data}{how}{unsure})"

    @property
    def is_spoilt(self) -> bool:
        """Whether it is of before, when the mean of nothing was kept as -100 %."""
        return any((self.figures.get(name) or 0) < 0 for name in ("mAP", "mAP50"))


def folder() -> Path:
    """Where evaluations are kept."""
    return paths.artifacts() / SHELF


def store(evaluation: Evaluation) -> Path:
    """Keep it, in the place of an earlier one of the same."""
    final = folder() / f"{evaluation.model}-{_key(evaluation)}.json"
    with whole.draft(final) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
    return final


def stored() -> list[Evaluation]:
    """All of them; what cannot be read is said and left out."""
    evaluations = []
    for file in sorted(folder().glob("*.json")):
        try:
            evaluations.append(_read(file, file.stat().st_mtime_ns))
        except (OSError, msgspec.DecodeError) as error:
            say.note(f"left out: {file}: {error}")
    return [each for each in evaluations if each.schema == SCHEMA]


def find(conversion: str, by: By, precision: str, data_digest: str) -> Evaluation | None:
    """The one that was made before, if it was."""
    identity = (conversion, by, precision, data_digest)
    matches = (each for each in stored() if _identity(each) == identity and not each.is_spoilt)
    return max(matches, key=lambda each: each.when, default=None)


def accuracy(conversion: str, precision: str) -> str | None:
    """What the Accuracy column says of that conversion computed in that precision.

    The largest data set counts, of the same the one evaluated on a board, then the newest one.
    """
    return best(stored(), conversion, precision)


def best(evaluations: Iterable[Evaluation], conversion: str, precision: str) -> str | None:
    """The same, of those that are given."""
    matches = [
        each
        for each in evaluations
        if each.conversion == conversion
        and each.precision == precision
        and each.by in TRUST
        and each.accuracy
    ]
    chosen = max(matches, key=lambda each: (each.count, TRUST[each.by], each.when), default=None)
    return (chosen.accuracy or None) if chosen else None


@functools.lru_cache(maxsize=512)
def _read(file: Path, stamp: int) -> Evaluation:
    """A report asks for each of its rows."""
    del stamp
    return msgspec.json.decode(file.read_bytes(), type=Evaluation)


def _identity(evaluation: Evaluation) -> tuple[str, str, str, str]:
    return (evaluation.conversion, evaluation.by, evaluation.precision, evaluation.digest)


def _key(evaluation: Evaluation) -> str:
    parts = [
        *_identity(evaluation),
        evaluation.computed,
        *([evaluation.host] if evaluation.host else []),
    ]
    return digest.of_value(parts)[:16]

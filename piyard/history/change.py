"""The change since a job was last measured, by the same rule as ``compare``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import msgspec

from piyard import times
from piyard.comparison import alike, conditions
from piyard.errors import UnreadableLog
from piyard.history import shelf
from piyard.result import Result
from piyard.row import Row
from piyard.stats import compare as statistics

FIRST = "first"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a job's time since it was last measured."""

    percent: float | None = None
    """Of the former median, above 0 when slower; None where the two cannot be compared."""
    text: str
    """For people."""


def since(former: Row | None, row: Row, load: Callable[[str], Result] = shelf.load) -> Change:
    """The change from a former row of the same job; ``load`` reads the samples of a run.

    Samples are read only where the medians differ by enough to be significant at all.
    """
    if former is None:
        return Change(text=FIRST)
    if unlike := ", ".join(_unlike(former, row)):
        return Change(text=f"not comparable: {unlike}")
    ratio = row.summary.median / former.summary.median
    percent = 100 * (ratio - 1)
    if abs(math.log(ratio)) < math.log1p(statistics.SMALLEST):
        return Change(percent=percent, text=_insignificant(percent))
    try:
        a, b = load(former.run), load(row.run)
    except UnreadableLog:
        return Change(text="not comparable: the samples cannot be read")
    return Change(percent=percent, text=_text(a, b, percent))


def _unlike(former: Row, row: Row) -> Iterator[str]:
    if row.emulated:
        yield "times of an emulator"
    if row.verdict.state == "INVALID":
        yield "INVALID"
    if former.data_type != row.data_type:
        yield f"was {former.data_type}"
    if former.model_key != row.model_key or list(former.input) != list(row.input):
        yield "another conversion"


def _text(a: Result, b: Result, percent: float) -> str:
    compared = statistics.compare(a.samples_ms, b.samples_ms)
    if compared.verdict == "not significant":
        return _insignificant(percent)
    arrow = "↑" if percent > 0 else "↓"
    differ = conditions.roots(alike.names_of(alike.differences(a, b)))
    also = f" (other {', '.join(sorted(differ))})" if differ else ""
    if times.is_multiple(compared.median_a, compared.median_b):
        change = times.change(compared.median_a, compared.median_b)
        return f"{arrow} {compared.verdict}: {change}{also}"
    return f"{arrow} {abs(percent):.1f} % {compared.verdict}{also}"


def _insignificant(percent: float) -> str:
    return f"→ {percent:+.1f} %"

"""How a row stands to the row of the same job before it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from piyard.row import Row

FIRST = "first"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job since it was last measured."""

    percent: float | None = None
    """Of the former median, above 0 when slower; None where the two cannot be compared."""
    text: str
    """For people."""


def since(former: Row | None, row: Row) -> Change:
    """The change from a former row of the same job; it is a hint, ``invoke compare`` decides.

    Where the intervals of the two medians overlap, nothing is seen to have changed.
    """
    if former is None:
        return Change(text=FIRST)
    if unlike := ", ".join(_unlike(former, row)):
        return Change(text=f"not comparable: {unlike}")
    percent = 100 * (row.summary.median / former.summary.median - 1)
    return Change(percent=percent, text=_text(former, row, percent))


def _unlike(former: Row, row: Row) -> Iterator[str]:
    if row.emulated:
        yield "times of an emulator"
    if row.verdict.state == "INVALID":
        yield "INVALID"
    if former.data_type != row.data_type:
        yield f"was {former.data_type}"
    if former.model_key != row.model_key or list(former.input) != list(row.input):
        yield "another conversion"


def _text(former: Row, row: Row, percent: float) -> str:
    a, b = former.summary, row.summary
    if a.low <= b.high and b.low <= a.high:
        return f"→ {percent:+.1f} %"
    return f"↑ {percent:.1f} % slower" if percent > 0 else f"↓ {-percent:.1f} % faster"

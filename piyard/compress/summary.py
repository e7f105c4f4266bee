"""A compression as a table: the model, its variants, and which of them nothing beats.

Pure: values in, texts out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from piyard.core.tables import Column, render_items
from piyard.core.text import NOT_KNOWN
from piyard.models.variants import MARK

TimeSource = Literal["measured", "counted", "macs"]
"""On a board; estimated of what an emulated one computes; or only what a network multiplies."""
WIDE_POINTS = 4.0
"""An interval that wide says nothing by its tenths."""
ORIGINAL = "original"
"""The method of the model that no compression made."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A model as one row: the original, or a variant of it."""

    model: str
    method: str
    """Or ``ORIGINAL``."""
    precision: str
    """In which it is computed on the board."""
    data_type: str
    """What the board then calls it: ``int8+fp16 (17/53)`` where 17 of 53 layers are int8."""
    metric: str = ""
    """``top-1`` or ``mAP``; empty where no truth is known."""
    accuracy: float | None = None
    """Percent."""
    interval: tuple[float, float] | None = None
    """Of 95 %, percent."""
    data: str = ""
    time_ms: float | None = None
    """Median of one inference, or its estimate."""
    time_source: TimeSource = "macs"
    instructions: int | None = None
    """Of one inference, where they were counted."""
    macs: int
    bytes: int
    """Of its files, as a board gets them."""
    memory_kb: int | None = None
    """The most that a run on the board held, where it was measured."""

    @property
    def work(self) -> float:
        """What stands for time: milliseconds, else millions of multiply-accumulates."""
        return self.macs / 1e6 if self.time_ms is None else self.time_ms

    def is_comparable(self, other: Judged) -> bool:
        """Whether ``work`` says which is faster: int8 and fp16 multiply as often as each other."""
        return self.time_ms is not None or self.precision == other.precision


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row with what it takes of the others."""

    judged: Judged
    points_off: float | None
    speedup: float | None
    """Of the original's time; None of the original itself, and where nothing tells."""
    is_best: bool
    """Whether no other row is at least as fast and as accurate, and better in one."""


def make_rows(judged: Sequence[Judged]) -> list[Row]:
    """The original first, as it is given."""
    original = judged[0]
    best = pareto_models(judged)
    return [
        Row(
            judged=each,
            points_off=_difference(each.accuracy, original.accuracy),
            speedup=_speedup(each, original),
            is_best=each.model in best,
        )
        for each in judged
    ]


def _speedup(each: Judged, original: Judged) -> float | None:
    if each is original or not each.is_comparable(original):
        return None
    return original.work / each.work


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def pareto_models(judged: Sequence[Judged]) -> set[str]:
    """The names of those that none beats; none where an accuracy is not known."""
    if any(each.accuracy is None for each in judged):
        return set()
    return {each.model for each in judged if not any(_beats(other, each) for other in judged)}


def _beats(a: Judged, b: Judged) -> bool:
    ours, theirs = (-(a.accuracy or 0), a.work), (-(b.accuracy or 0), b.work)
    return a.is_comparable(b) and ours != theirs and ours[0] <= theirs[0] and ours[1] <= theirs[1]


TIME_TITLES: dict[TimeSource, str] = {
    "measured": "Measured",
    "counted": "Counted",
    "macs": "MACs",
}


def render_rows(rows: Sequence[Row], form: str) -> str:
    """The table, for people or for programs."""
    return render_items(_columns([row.judged for row in rows]), rows, form)


def _columns(judged: Sequence[Judged]) -> list[Column[Row]]:
    """Those that hold something; programs get all."""
    original, names = judged[0], [each.model for each in judged]
    return [
        Column(
            key="model",
            title="Model",
            value=lambda row: row.judged.model,
            text=lambda row: branch_name(row.judged.model, names),
        ),
        Column(key="method", value=lambda row: row.judged.method),
        Column(key="precision", value=lambda row: row.judged.precision),
        Column(key="data_type", title="Type", value=lambda row: row.judged.data_type),
        *_accuracy_columns(original.metric),
        *_time_columns(original.time_source),
        *SIZE_COLUMNS,
        Column(
            key="memory_kb",
            title="Memory" if original.time_source == "measured" else "",
            value=lambda row: row.judged.memory_kb,
            text=lambda row: _memory_text(row.judged),
        ),
        Column(
            key="pareto",
            title="Best",
            value=lambda row: row.is_best,
            text=lambda row: "*" if row.is_best else "",
        ),
    ]


def _accuracy_columns(metric: str) -> list[Column[Row]]:
    return [
        Column(key="metric", value=lambda row: row.judged.metric or None),
        Column(
            key="accuracy_percent",
            title=metric or "Accuracy",
            value=lambda row: row.judged.accuracy,
            text=lambda row: _accuracy_text(row.judged),
        ),
        Column(key="interval_low_percent", value=lambda row: _interval_end(row.judged, 0)),
        Column(key="interval_high_percent", value=lambda row: _interval_end(row.judged, 1)),
        Column(
            key="points_off",
            title="Points",
            value=lambda row: row.points_off,
            text=_points_off_text,
        ),
        Column(key="data", value=lambda row: row.judged.data or None),
    ]


def _time_columns(source: TimeSource) -> list[Column[Row]]:
    return [
        Column(
            key="time_ms",
            title=TIME_TITLES[source],
            value=lambda row: row.judged.time_ms,
            text=lambda row: work_text(row.judged),
        ),
        Column(key="time_source", value=lambda row: row.judged.time_source),
        Column(
            key="speedup",
            title="Faster",
            value=lambda row: row.speedup,
            text=_speedup_text,
        ),
    ]


SIZE_COLUMNS: tuple[Column[Row], ...] = (
    Column(key="instructions", value=lambda row: row.judged.instructions),
    Column(key="macs", value=lambda row: row.judged.macs),
    Column(
        key="bytes",
        title="Size",
        value=lambda row: row.judged.bytes,
        text=lambda row: f"{row.judged.bytes / 1e6:.2f} MB",
    ),
)


def short_name(model: str, original: str) -> str:
    """``@prune50@distill`` of a variant of the original; any other name as it is."""
    return model.removeprefix(original) or model


def branch_name(model: str, names: Sequence[str]) -> str:
    """``@prune50``, and below it ``…@distill``: a chain of names in full fills a terminal.

    Each … stands for a row above that the variant was made of, the original apart.
    """
    above = [name for name in names if model.startswith(name + MARK)]
    if not above:
        return model
    return "…" * (len(above) - 1) + model.removeprefix(max(above, key=len))


def _speedup_text(row: Row) -> str:
    if row.judged.method == ORIGINAL:
        return ""
    return NOT_KNOWN if row.speedup is None else f"{row.speedup:.2f} x"


def _points_off_text(row: Row) -> str:
    if row.judged.method == ORIGINAL:
        return ""
    return NOT_KNOWN if row.points_off is None else f"{row.points_off:+.1f}"


def _accuracy_text(judged: Judged) -> str:
    if judged.accuracy is None:
        return NOT_KNOWN
    ends = _interval_text(judged)
    return f"{judged.accuracy:.1f} ({ends})" if ends else f"{judged.accuracy:.1f}"


def _interval_text(judged: Judged) -> str:
    if not judged.interval:
        return ""
    low, high = judged.interval
    digits = 0 if high - low > WIDE_POINTS else 1
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _interval_end(judged: Judged, end: Literal[0, 1]) -> float | None:
    return judged.interval[end] if judged.interval else None


def _memory_text(judged: Judged) -> str:
    return NOT_KNOWN if judged.memory_kb is None else f"{judged.memory_kb / 1000:.0f} MB"


def work_text(judged: Judged) -> str:
    """``4.71 ms``, or ``300.8 M``."""
    if judged.time_ms is None:
        return f"{judged.macs / 1e6:.1f} M"
    digits = 3 if judged.time_ms < 1 else 2 if judged.time_ms < 100 else 0
    return f"{judged.time_ms:.{digits}f} ms"


def list_notes(rows: Sequence[Row], target: str, hosts: Sequence[str] = ()) -> list[str]:
    """How the figures came about, a line each; ``hosts`` measured, where any did."""
    original = rows[0].judged
    how: dict[TimeSource, str] = {
        "measured": f"time: median of one inference, measured on {', '.join(hosts)}",
        "counted": f"time: estimated of the cycles and bytes that an emulated {target} counts with "
        "four threads, not measured",
        "macs": "no time: nothing was measured or counted, multiply-accumulates stand for it",
    }
    lines = [how[original.time_source]]
    if original.metric:
        lines.append(f"{original.metric}: ncnn on this desktop, on {original.data}")
    if any(row.is_best for row in rows):
        lines.append("*: no other row is as fast and as accurate")
    return lines

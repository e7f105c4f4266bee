"""What a reader must know before believing a row; what weighs most comes first."""

from __future__ import annotations

from piyard.report.figures import count, digits
from piyard.row import Row


def comments(row: Row, *, named: bool = False) -> list[str]:
    """The parts of the Comments column; ``named`` says which board it is."""
    *identity, threads = _identity(row, named=named)
    parts = [
        _verdict(row),
        *identity,
        f"{threads}, {count(row.summary.count, 'run')}, median",
        *_other_times(row),
        *([] if row.emulated else [_published(row), _floor(row)]),
        _energy_cost(row),
        _check(row),
    ]
    return [part for part in parts if part]


def brief(row: Row, *, named: bool = False) -> list[str]:
    """What a terminal has room for: the verdict, its first reason, and what distinguishes rows."""
    more = len(row.verdict.reasons) - 1
    parts = [
        _verdict(row, reasons=1),
        f"{count(more, 'more reason')}" if more > 0 and row.verdict.state != "EMULATED" else "",
        *_identity(row, named=named),
        "" if row.check is None or row.check.ok else _check(row),
    ]
    return [part for part in parts if part]


def _identity(row: Row, *, named: bool) -> list[str]:
    """What was measured, where the other columns do not say it."""
    return [
        f"on {row.host}" if named else "",
        _weights(row),
        "" if row.data_type.startswith(row.precision) else f"{row.precision} asked for",
        count(row.threads, "thread"),
    ]


def _verdict(row: Row, reasons: int | None = None) -> str:
    """The verdict with so many of its reasons; None stands for all.

    The conditions on an emulated board do not matter: its time is not a Pi's anyway.
    """
    state = row.verdict.state
    if state == "EMULATED":
        return "EMULATED: not a Pi's time"
    texts = "; ".join(reason.text for reason in row.verdict.reasons[:reasons])
    return f"{state}: {texts}" if texts else state


def _weights(row: Row) -> str:
    return "" if row.random_seed is None else f"random weights (seed {row.random_seed})"


def _other_times(row: Row) -> list[str]:
    """End to end, and from a cold start."""
    whole = row.end_to_end
    return [
        f"end to end {digits(whole.median)} ms" if whole else "",
        "" if row.cold_ms is None else f"cold start {digits(row.cold_ms)} ms",
    ]


def _published(row: Row) -> str:
    published = row.published
    if not published:
        return ""
    why = f": {', '.join(published.likely)}" if published.likely else ""
    return f"{row.published_ratio:.2f}x the published {digits(published.ms)} ms{why}"


def _floor(row: Row) -> str:
    floor = row.floor
    if not floor or row.floor_ratio is None:
        return ""
    how = " (by Winograd)" if floor.bound == "compute" and row.floor_ratio < 1 else ""
    return f"{row.floor_ratio:.1f}x the {floor.bound} floor{how}"


def _energy_cost(row: Row) -> str:
    if row.cost is None or row.cost.per_million is None:
        return ""
    return f"${digits(row.cost.per_million)} of energy a million inferences"


def _check(row: Row) -> str:
    if row.check is None:
        return "output not checked"
    verdict = "output as the original's" if row.check.ok else "OUTPUT DIFFERS from the original's"
    if row.check.ok and row.check.empty:
        return f"output check proves nothing: {row.check.empty}"
    if row.check.blind:
        return f"{verdict} (by its difference: it is {row.check.blind})"
    return f"{verdict} (cosine {row.check.cosine:.6f})"

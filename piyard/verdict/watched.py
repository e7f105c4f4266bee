"""What the moments of a run show: when it worked, on which clock, and who else was at work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from piyard.telemetry import Moment

TICKS = 100
"""Of /proc/stat in a second (USER_HZ)."""
AT_WORK = 0.5
"""Cores that a run keeps busy at least, from one moment to the next, to be at work."""


def amid(moments: Sequence[Moment]) -> list[Moment]:
    """The moments with the run at work both before and after them.

    The others may show an idle board, whose low clock is no fault. Where the run's ticks are not
    known, nobody can tell, and there are none.
    """
    at_work = [_works(a, b) for a, b in pairwise(moments)]
    return [
        moment
        for moment, (before, after) in zip(moments[1:], pairwise(at_work), strict=False)
        if before and after
    ]


def khz_of(moment: Moment) -> float | None:
    """The real clock, or what the kernel believes where the firmware does not tell."""
    return moment.arm_hz / 1000 if moment.arm_hz else moment.khz or None


def foreign_cores(moments: Sequence[Moment]) -> float | None:
    """Cores that worked for others while the run worked, on average; None when not known."""
    told = [
        span
        for before, after in pairwise(moments)
        if _works(before, after) and (span := _foreign(before, after))
    ]
    passed = sum(passed for passed, _ in told)
    return max(0.0, sum(ticks for _, ticks in told) / TICKS / passed) if told else None


def swap_growth_kb(moments: Sequence[Moment]) -> int | None:
    """The most that swap in use was above its first value; None when not known."""
    used = [moment.swap_kb for moment in moments if moment.swap_kb is not None]
    return max(used) - used[0] if used else None


def hottest(moments: Sequence[Moment]) -> float | None:
    """Degrees Celsius; None when not known."""
    known = [m.temperature_mc for m in moments if m.temperature_mc is not None]
    return max(known) / 1000 if known else None


def seconds(moments: Sequence[Moment]) -> float:
    """From the first moment to the last."""
    return moments[-1].uptime_s - moments[0].uptime_s if moments else 0.0


def _works(before: Moment, after: Moment) -> bool:
    passed = after.uptime_s - before.uptime_s
    if before.own_ticks is None or after.own_ticks is None or passed <= 0:
        return False
    return (after.own_ticks - before.own_ticks) / TICKS / passed >= AT_WORK


def _foreign(before: Moment, after: Moment) -> tuple[float, int] | None:
    """Seconds that passed and ticks that were worked for others."""
    if before.busy_ticks is None or after.busy_ticks is None:
        return None
    own = (after.own_ticks or 0) - (before.own_ticks or 0)
    return after.uptime_s - before.uptime_s, after.busy_ticks - before.busy_ticks - own

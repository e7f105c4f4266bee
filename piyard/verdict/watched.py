"""What telemetry shows: the clock while the run sampled, and the work of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard import telemetry
from piyard.telemetry import Moment

if TYPE_CHECKING:
    from piyard.result import Result


def window(result: Result) -> tuple[float, float]:
    """From the first sample's begin to the last one's end, in seconds since boot.

    Empty, ending before it begins, where the samples' times are not known.
    """
    if not result.starts_s or not result.samples_ms:
        return 0.0, -1.0
    return result.starts_s[0], result.starts_s[-1] + result.samples_ms[-1] / 1000


def sampling(result: Result) -> list[Moment]:
    """The moments among the samples.

    Those before and after may show an idle board, whose low clock is not a fault, or nnrun starting
    other processes of its own for cold starts. So what the firmware said before the first sample
    is not carried over to those among them.
    """
    begin, end = window(result)
    return telemetry.held(telemetry.between(result.telemetry, begin, end))


def clocks_khz(moments: Sequence[Moment]) -> list[float]:
    """The real clocks; what the kernel believes only where the firmware reports none."""
    real = [moment.arm_hz / 1000 for moment in moments if moment.arm_hz]
    return real or [float(moment.khz) for moment in moments if moment.khz]


def foreign_cores(moments: Sequence[Moment]) -> float | None:
    """Cores that worked for others from the first to the last of them, on average.

    None when the ticks of fewer than two are known.
    """
    ticks = [
        (moment.uptime_s, moment.busy_ticks - moment.own_ticks)
        for moment in moments
        if moment.busy_ticks is not None and moment.own_ticks is not None
    ]
    if len(ticks) < 2 or ticks[-1][0] <= ticks[0][0]:
        return None
    (begin, before), (end, after) = ticks[0], ticks[-1]
    return max(0.0, (after - before) / telemetry.TICKS / (end - begin))


def swap_growth_kb(moments: Sequence[Moment]) -> int | None:
    """The most that swap in use was above its first value; None when not known."""
    used = [moment.swap_kb for moment in moments if moment.swap_kb is not None]
    return max(used) - used[0] if used else None


def hottest(moments: Sequence[Moment]) -> float | None:
    """Degrees Celsius; None when not known."""
    temperatures = [m.temperature_mc for m in moments if m.temperature_mc is not None]
    return max(temperatures) / 1000 if temperatures else None


def seconds(moments: Sequence[Moment]) -> float:
    """From the first moment to the last."""
    return moments[-1].uptime_s - moments[0].uptime_s if moments else 0.0

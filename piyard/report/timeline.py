"""Board state while it measured, small enough for a page: seconds, °C, MHz."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from piyard import telemetry
from piyard.result import Result
from piyard.telemetry import Moment

MOST = 600
"""Moments kept of a run; where it has more, evenly spaced ones and each change of throttling."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Equally long series over ``t``; unknown values are None."""

    t: Sequence[float]
    """Seconds since the first moment."""
    celsius: Sequence[float | None]
    mhz: Sequence[float | None]
    """The real clock, as the firmware measures it."""
    kernel_mhz: Sequence[float | None]
    """What cpufreq believes."""
    throttled: Sequence[int | None]
    """The firmware's throttle word."""


def of(result: Result) -> Timeline | None:
    """The timeline of a result; None where there is no telemetry."""
    moments = thinned(telemetry.held(result.telemetry))
    if not any(map(_tells, moments)):
        return None
    start = moments[0].uptime_s
    return Timeline(
        t=[round(m.uptime_s - start, 2) for m in moments],
        celsius=[_divided(m.temperature_mc, 1e3) for m in moments],
        mhz=[_divided(m.arm_hz, 1e6) for m in moments],
        kernel_mhz=[_divided(m.khz, 1e3) for m in moments],
        throttled=[word(m.throttled) for m in moments],
    )


def ends(result: Result) -> list[float]:
    """When each sample ended, in seconds of the timeline.

    Where the log has no times, samples are laid end to end, the last one up to the last moment.
    """
    samples, moments = result.samples_ms, result.telemetry
    if knows_times(result):
        zero = moments[0].uptime_s if moments else result.starts_s[0]
        begun = [start - zero for start in result.starts_s]
        return [round(s + ms / 1000, 3) for s, ms in zip(begun, samples, strict=True)]
    passed = [ms / 1000 for ms in accumulate(samples)]
    shift = moments[-1].uptime_s - moments[0].uptime_s - passed[-1] if moments and passed else 0.0
    return [round(shift + seconds, 3) for seconds in passed]


def knows_times(result: Result) -> bool:
    """Whether every sample's begin was logged."""
    return len(result.starts_s) == len(result.samples_ms)


def thinned(moments: Sequence[Moment], most: int = MOST) -> Sequence[Moment]:
    """At most about ``most`` moments, none lost at which the throttle word changed."""
    every = -(-len(moments) // most) if moments else 1
    return [
        moment
        for at, moment in enumerate(moments)
        if at % every == 0 or (at and moment.throttled != moments[at - 1].throttled)
    ]


def word(text: str | None) -> int | None:
    """The throttle word as a number; None where it is missing or malformed."""
    try:
        return int(text, 16) if text else None
    except ValueError:
        return None


def _tells(moment: Moment) -> bool:
    values = (moment.temperature_mc, moment.khz, moment.arm_hz)
    return any(value is not None for value in values) or bool(word(moment.throttled))


def _divided(value: float | None, unit: float) -> float | None:
    return None if value is None else round(value / unit, 1)

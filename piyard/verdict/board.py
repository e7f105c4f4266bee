"""What the board's facts and telemetry say against a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from piyard.target import Conditions
from piyard.telemetry import Moment
from piyard.verdict import firmware, watched
from piyard.verdict.nouns import Reason

if TYPE_CHECKING:
    from piyard.result import Result

NEARLY_HOT_C = 5.0
"""This close to the limit, a run is suspect."""
CLOCK_SHARE = 0.05
"""Of the moments at work: one with the wrong clock may be the governor's, more are a fault."""
LOAD_INVALID = 0.5
"""Cores kept busy by others, beyond which no median can be trusted."""
SWAP_INVALID_KB = 1024
"""Less than that may be another program's idle page."""
WATCHED_SHARE = 0.8
"""Of the time of all samples: what telemetry must cover."""
PERIOD_S = 2.0
"""A moment may be so late after the one before, so a short run is not covered to its ends."""
LEAST = 2
"""Moments among the samples that a run must have been watched in."""


def reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    """All of them; a value that is not known counts in ``telemetry`` only."""
    yield from throttled(result)
    yield from clock(result, limits)
    yield from hot(result, limits)
    yield from load(result, limits)
    yield from swap(result)
    yield from governor(result, limits)


def throttled(result: Result) -> Iterator[Reason]:
    """Slowed down or under-voltage while the run was going on.

    Under-voltage earlier since boot makes a run suspect too: dips are shorter than the telemetry's
    period, and the one bit that would keep them is on already. Throttling lasts, so clock and
    temperature tell of it; a run that cooled down after a throttled one is not blamed for it.
    """
    record = result.record
    after = record.after.throttled if record.after else None
    bits = firmware.seen(record.before.throttled, [m.throttled for m in result.telemetry], after)
    if not bits:
        return
    slowed = [text for bit, text in firmware.SLOWED.items() if bits.during & bit]
    if slowed:
        yield Reason(
            code="throttled",
            grade="INVALID",
            text=f"the firmware {' and '.join(slowed)} during the run (throttle word "
            f"{bits.word:#x}): cool the board better or give it a stronger supply",
        )
    if bits.during & firmware.UNDER_VOLTAGE:
        yield Reason(
            code="under-voltage",
            grade="INVALID",
            text=f"the supply was too low during the run (throttle word {bits.word:#x}): "
            "use a supply made for this board, and a short cable",
        )
    elif bits.earlier & firmware.UNDER_VOLTAGE:
        yield Reason(
            code="under-voltage",
            grade="SUSPECT",
            text="the supply was too low before the run, and the firmware's mark hides whether "
            "it was again: use a supply made for this board, then reboot",
        )


def clock(result: Result, limits: Conditions) -> Iterator[Reason]:
    """The clock away from the one that is expected while the run worked, or held down by a limit.

    Expected is the highest one the governor may choose, then the hardware's, then the target's.
    """
    facts = result.record.before
    expected = facts.high_khz or facts.max_khz or limits.clock_khz
    clocks = watched.clocks_khz(watched.sampling(result))
    wrong = [khz for khz in clocks if _is_off(khz, expected, limits)]
    if wrong and expected:
        yield Reason(
            code="clock",
            grade="INVALID" if len(wrong) / len(clocks) > CLOCK_SHARE else "SUSPECT",
            text=f"the clock was {_mhz(wrong)} instead of {expected / 1000:.0f} MHz in "
            f"{len(wrong)} of {len(clocks)} moments of the run: hold it with the governor "
            f"{limits.governors[0]}, and see to cooling and supply",
        )
    nominal = min((khz for khz in (facts.max_khz, limits.clock_khz) if khz), default=0)
    if facts.high_khz and facts.high_khz < (1 - limits.clock_tolerance) * nominal:
        yield Reason(
            code="clock",
            grade="SUSPECT",
            text=f"the clock is limited to {facts.high_khz / 1000:.0f} of {nominal / 1000:.0f} "
            "MHz: raise scaling_max_freq",
        )


def hot(result: Result, limits: Conditions) -> Iterator[Reason]:
    """At or close to the temperature at which the firmware lowers the clock."""
    hottest = watched.hottest(result.telemetry)
    if hottest is None or hottest < limits.hot_c - NEARLY_HOT_C:
        return
    yield Reason(
        code="hot",
        grade="INVALID" if hottest >= limits.hot_c else "SUSPECT",
        text=f"the SoC reached {hottest:.1f} °C, and from {limits.hot_c:.0f} °C on the cores are "
        "slowed down: give the board a fan or more time to cool",
    )


def load(result: Result, limits: Conditions) -> Iterator[Reason]:
    """Other processes worked during the run."""
    foreign = watched.foreign_cores(watched.sampling(result))
    if foreign is None or foreign <= limits.load:
        return
    yield Reason(
        code="load",
        grade="INVALID" if foreign > LOAD_INVALID else "SUSPECT",
        text=f"others kept {foreign:.2f} cores busy during the run, {limits.load:.2f} are allowed: "
        "stop what else runs on the board",
    )


def swap(result: Result) -> Iterator[Reason]:
    """Memory moved to swap during the run."""
    growth = watched.swap_growth_kb(result.telemetry)
    if not growth or growth < 0:
        return
    yield Reason(
        code="swap",
        grade="INVALID" if growth >= SWAP_INVALID_KB else "SUSPECT",
        text=f"{growth / 1024:.1f} MiB went to swap during the run: free memory on the board, or "
        "take a smaller model",
    )


def governor(result: Result, limits: Conditions) -> Iterator[Reason]:
    """A governor that changes the clock; how the clock really was, ``clock`` says."""
    record = result.record
    governor = record.governor.during if record.governor else record.before.governor
    if governor is None or governor in limits.governors:
        return
    yield Reason(
        code="governor",
        grade="SUSPECT",
        text=f"the governor was {governor}, which changes the clock: set {limits.governors[0]} for "
        "the run (piyard does where sudo is allowed)",
    )


def telemetry(result: Result, limits: Conditions) -> Iterator[Reason]:
    """Gaps in the telemetry: such a run cannot be shown to be good."""
    missing = list(_missing(result, limits))
    if missing:
        yield Reason(
            code="telemetry",
            grade="SUSPECT",
            text=f"not known of this run: {', '.join(missing)}",
        )


def _missing(result: Result, limits: Conditions) -> Iterator[str]:
    if not result.telemetry:
        yield "anything about the board while it ran"
        return
    moments, (begin, end) = watched.sampling(result), watched.window(result)
    if len(moments) < LEAST:
        yield f"how the board was meanwhile ({max(0.0, end - begin):.1f} s: let it run for longer)"
        return
    if watched.seconds(moments) < WATCHED_SHARE * (end - begin) - PERIOD_S:
        yield f"how the board was but for {watched.seconds(moments):.0f} of {end - begin:.0f} s"
    if watched.foreign_cores(moments) is None:
        yield "what others computed meanwhile"
    if limits.firmware:
        yield from _missing_of_a_pi(moments, result.telemetry)


def _missing_of_a_pi(moments: Sequence[Moment], every: Sequence[Moment]) -> Iterator[str]:
    """Among the samples; the throttle word keeps what was, so a word of any moment will do."""
    if watched.hottest(moments) is None:
        yield "the temperature"
    if not watched.clocks_khz(moments):
        yield "the clock"
    if not any(firmware.parse(m.throttled) is not None for m in every):
        yield "the throttle word (may the login user call vcgencmd? add it to the group video)"


def _is_off(khz: float, expected: int | None, limits: Conditions) -> bool:
    return expected is not None and abs(khz - expected) > limits.clock_tolerance * expected


def _mhz(khz: list[float]) -> str:
    low, high = min(khz) / 1000, max(khz) / 1000
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"

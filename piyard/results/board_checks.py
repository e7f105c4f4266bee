"""What the board's facts, its telemetry and its firmware's throttle word say against a run.

The throttle word holds four bits of now, and the same four since boot, 16 bits higher. Source:
``vcgencmd get_throttled`` in raspberrypi/documentation, computers/os/graphics-utilities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from piyard.core.target import Conditions
from piyard.results.result import Reason, Result
from piyard.run.telemetry import TICKS_PER_SECOND, Sample, forward_filled, samples_between

UNDER_VOLTAGE_BIT = 0x1
SLOWED_BITS = {
    0x2: "capped the Arm's clock",
    0x4: "throttled it",
    0x8: "reached the soft temperature limit",
}
SINCE_BOOT_SHIFT = 16
NOW_BITS = 0xF


class ThrottleBits(msgspec.Struct, frozen=True, kw_only=True):
    """Throttle bits of a run, all in the places of now."""

    during: int
    """On at some time of the run, or new among those since boot."""
    earlier: int
    """Since boot, but before the run: such a bit cannot tell any more whether it happened again."""
    word: int
    """Everything that was said during and after the run."""


def throttle_bits(
    before: str | None, samples: Sequence[str | None], after: str | None
) -> ThrottleBits | None:
    """The words before, during and after a run; None where none of them is known."""
    words = [
        word
        for word in (parse_throttled(text) for text in (before, *samples, after))
        if word is not None
    ]
    if not words:
        return None
    earlier = words[0] >> SINCE_BOOT_SHIFT & NOW_BITS
    during_words = [word for word in map(parse_throttled, samples) if word is not None]
    new = _union(words) >> SINCE_BOOT_SHIFT & NOW_BITS & ~earlier
    during = _union(during_words) & NOW_BITS | new
    return ThrottleBits(during=during, earlier=earlier & ~during, word=_union(words[1:]))


def parse_throttled(text: str | None) -> int | None:
    """``0x50005`` as a number; None for anything else."""
    match = re.fullmatch(r"0x([0-9a-fA-F]{1,8})", text or "")
    return int(match[1], 16) if match else None


def _union(words: Sequence[int]) -> int:
    every = 0
    for word in words:
        every |= word
    return every


def sampling_window(result: Result) -> tuple[float, float]:
    """From the first sample's begin to the last one's end, in seconds since boot.

    Empty, ending before it begins, where the samples' times are not known.
    """
    if not result.starts_s or not result.samples_ms:
        return 0.0, -1.0
    return result.starts_s[0], result.starts_s[-1] + result.samples_ms[-1] / 1000


def samples_at_work(result: Result) -> list[Sample]:
    """The telemetry between the first and the last inference that was timed.

    Those before and after may show an idle board, whose low clock is not a fault, or nnrun starting
    other processes of its own for cold starts. So what the firmware said before the first
    inference is not carried over to these samples.
    """
    begin, end = sampling_window(result)
    return forward_filled(samples_between(result.telemetry, begin, end))


def clocks_khz(samples: Sequence[Sample]) -> list[float]:
    """The real clocks; what the kernel believes only where the firmware reports none."""
    real = [sample.arm_hz / 1000 for sample in samples if sample.arm_hz]
    return real or [float(sample.khz) for sample in samples if sample.khz]


def foreign_cores(samples: Sequence[Sample]) -> float | None:
    """Cores that worked for others from the first to the last of them, on average.

    None when the ticks of fewer than two are known.
    """
    ticks = [
        (sample.uptime_s, sample.busy_ticks - sample.own_ticks)
        for sample in samples
        if sample.busy_ticks is not None and sample.own_ticks is not None
    ]
    if len(ticks) < 2 or ticks[-1][0] <= ticks[0][0]:
        return None
    (begin, before), (end, after) = ticks[0], ticks[-1]
    return max(0.0, (after - before) / TICKS_PER_SECOND / (end - begin))


def swap_growth_kb(samples: Sequence[Sample]) -> int | None:
    """The most that swap in use was above its first value; None when not known."""
    used = [sample.swap_kb for sample in samples if sample.swap_kb is not None]
    return max(used) - used[0] if used else None


def hottest_celsius(samples: Sequence[Sample]) -> float | None:
    """Degrees Celsius; None when not known."""
    temperatures = [s.temperature_mc for s in samples if s.temperature_mc is not None]
    return max(temperatures) / 1000 if temperatures else None


def covered_seconds(samples: Sequence[Sample]) -> float:
    """From the first sample to the last."""
    return samples[-1].uptime_s - samples[0].uptime_s if samples else 0.0


NEARLY_HOT_CELSIUS = 5.0
"""This close to the limit, a run is suspect."""
WRONG_CLOCK_SHARE = 0.05
"""Of the samples at work: one with the wrong clock may be the governor's, more are a fault."""
LOAD_INVALID = 0.5
"""Cores kept busy by others, beyond which no median can be trusted."""
SWAP_INVALID_KB = 1024
"""Less than that may be another program's idle page."""
COVERED_SHARE = 0.8
"""Of the time of all inferences: what telemetry must cover."""
MAX_SAMPLE_GAP_S = 2.0
"""A sample may come so long after the one before: a short run is not covered to its ends."""
MIN_SAMPLES = 2
"""Telemetry that a run must have while inferences are timed."""


def board_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    """All of them; a value that is not known counts in ``telemetry`` only."""
    yield from throttling_reasons(result)
    yield from clock_reasons(result, limits)
    yield from heat_reasons(result, limits)
    yield from load_reasons(result, limits)
    yield from swap_reasons(result)
    yield from governor_reasons(result, limits)


def throttling_reasons(result: Result) -> Iterator[Reason]:
    """Slowed down or under-voltage while the run was going on.

    Under-voltage earlier since boot makes a run suspect too: dips are shorter than the telemetry's
    period, and the one bit that would keep them is on already. Throttling lasts, so clock and
    temperature tell of it; a run that cooled down after a throttled one is not blamed for it.
    """
    record = result.record
    after = record.after.throttled if record.after else None
    bits = throttle_bits(record.before.throttled, [m.throttled for m in result.telemetry], after)
    if not bits:
        return
    slowed = [text for bit, text in SLOWED_BITS.items() if bits.during & bit]
    if slowed:
        yield Reason(
            code="throttled",
            grade="INVALID",
            text=f"the firmware {' and '.join(slowed)} during the run (throttle word "
            f"{bits.word:#x}): cool the board better or give it a stronger supply",
        )
    if bits.during & UNDER_VOLTAGE_BIT:
        yield Reason(
            code="under-voltage",
            grade="INVALID",
            text=f"the supply was too low during the run (throttle word {bits.word:#x}): "
            "use a supply made for this board, and a short cable",
        )
    elif bits.earlier & UNDER_VOLTAGE_BIT:
        yield Reason(
            code="under-voltage",
            grade="SUSPECT",
            text="the supply was too low before the run, and the firmware's mark hides whether "
            "it was again: use a supply made for this board, then reboot",
        )


def clock_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    """The clock away from the one that is expected while the run worked, or held down by a limit.

    Expected is the highest one the governor may choose, then the hardware's, then the target's.
    """
    facts = result.record.before
    expected = facts.high_khz or facts.max_khz or limits.clock_khz
    clocks = clocks_khz(samples_at_work(result))
    wrong = [khz for khz in clocks if _is_wrong_clock(khz, expected, limits)]
    if wrong and expected:
        yield Reason(
            code="clock",
            grade="INVALID" if len(wrong) / len(clocks) > WRONG_CLOCK_SHARE else "SUSPECT",
            text=f"the clock was {_mhz_range(wrong)} instead of {expected / 1000:.0f} MHz in "
            f"{len(wrong)} of {len(clocks)} samples of the run: hold it with the governor "
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


def heat_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    """At or close to the temperature at which the firmware lowers the clock."""
    hottest = hottest_celsius(result.telemetry)
    if hottest is None or hottest < limits.hot_c - NEARLY_HOT_CELSIUS:
        return
    yield Reason(
        code="hot",
        grade="INVALID" if hottest >= limits.hot_c else "SUSPECT",
        text=f"the SoC reached {hottest:.1f} °C, and from {limits.hot_c:.0f} °C on the cores are "
        "slowed down: give the board a fan or more time to cool",
    )


def load_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    """Other processes worked during the run."""
    foreign = foreign_cores(samples_at_work(result))
    if foreign is None or foreign <= limits.load:
        return
    yield Reason(
        code="load",
        grade="INVALID" if foreign > LOAD_INVALID else "SUSPECT",
        text=f"others kept {foreign:.2f} cores busy during the run, {limits.load:.2f} are allowed: "
        "stop what else runs on the board",
    )


def swap_reasons(result: Result) -> Iterator[Reason]:
    """Memory moved to swap during the run."""
    growth = swap_growth_kb(result.telemetry)
    if not growth or growth < 0:
        return
    yield Reason(
        code="swap",
        grade="INVALID" if growth >= SWAP_INVALID_KB else "SUSPECT",
        text=f"{growth / 1024:.1f} MiB went to swap during the run: free memory on the board, or "
        "take a smaller model",
    )


def governor_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
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


def telemetry_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    """Gaps in the telemetry: such a run cannot be shown to be good."""
    missing = list(_missing_telemetry(result, limits))
    if missing:
        yield Reason(
            code="telemetry",
            grade="SUSPECT",
            text=f"not known of this run: {', '.join(missing)}",
        )


def _missing_telemetry(result: Result, limits: Conditions) -> Iterator[str]:
    if not result.telemetry:
        yield "anything about the board while it ran"
        return
    samples, (begin, end) = samples_at_work(result), sampling_window(result)
    if len(samples) < MIN_SAMPLES:
        yield f"how the board was meanwhile ({max(0.0, end - begin):.1f} s: let it run for longer)"
        return
    if covered_seconds(samples) < COVERED_SHARE * (end - begin) - MAX_SAMPLE_GAP_S:
        yield f"how the board was but for {covered_seconds(samples):.0f} of {end - begin:.0f} s"
    if foreign_cores(samples) is None:
        yield "what others computed meanwhile"
    if limits.firmware:
        yield from _missing_on_a_pi(samples, result.telemetry)


def _missing_on_a_pi(samples: Sequence[Sample], every: Sequence[Sample]) -> Iterator[str]:
    """At work; the throttle word keeps what was, so a word of any sample will do."""
    if hottest_celsius(samples) is None:
        yield "the temperature"
    if not clocks_khz(samples):
        yield "the clock"
    if not any(parse_throttled(m.throttled) is not None for m in every):
        yield "the throttle word (may the login user call vcgencmd? add it to the group video)"


def _is_wrong_clock(khz: float, expected: int | None, limits: Conditions) -> bool:
    return expected is not None and abs(khz - expected) > limits.clock_tolerance * expected


def _mhz_range(khz: list[float]) -> str:
    low, high = min(khz) / 1000, max(khz) / 1000
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"

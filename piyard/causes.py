"""Why a board may be slower or faster than another of its kind: what its facts suggest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from piyard.facts import Facts
from piyard.verdict import Verdict

if TYPE_CHECKING:
    from piyard.result import Result

ABOUT_THE_BOARD = ("throttled", "under-voltage", "hot", "clock", "load", "swap")
"""Reasons of a verdict that make times longer."""
NONE_KNOWN = "nothing known of the board explains it"
SAME_CLOCK = 0.02
FULL_SUPPLY_MA = 5000
"""What a Pi 5 requires; with less it limits its USB ports, and a peak may pull the voltage down."""
LITTLE_KB = 200 * 1024
"""So little free memory drives weights out of the page cache."""
FASTER_MEMORY = 2025
"""The year from which the Pi 5's firmware has faster SDRAM timings and interleaved memory; they are
worth 6 to 18 % and more (Tom's Hardware; sbc-bench of October 2023 against January 2025)."""


def likely(result: Result, verdict: Verdict, their_khz: int, *, slower: bool) -> tuple[str, ...]:
    """The causes, the most telling first, each without a comma: tables list them with commas.

    ``their_khz`` is the clock of the board compared with.
    """
    causes = _of_slow(result, verdict, their_khz) if slower else _of_fast(result, their_khz)
    return tuple(causes) or (NONE_KNOWN,)


def _of_slow(result: Result, verdict: Verdict, their_khz: int) -> Iterator[str]:
    facts = result.record.before
    codes = [reason.code for reason in verdict.reasons]
    yield from (f"{code} during the run" for code in ABOUT_THE_BOARD if code in codes)
    highest = _highest_khz(facts)
    if highest and highest < (1 - SAME_CLOCK) * their_khz:
        yield f"the clock goes up to {highest / 1000:.0f} MHz instead of {their_khz / 1000:.0f}"
    governor = _governor(result)
    if governor and governor != "performance":
        yield f"governor {governor}"
    if facts.desktop and facts.desktop != "none":
        yield f"a desktop session runs ({facts.desktop})"
    if facts.available_kb is not None and facts.available_kb < LITTLE_KB:
        yield f"{facts.available_kb // 1024} MiB of free memory only"
    yield from _of_options(result)
    if result.record.target == "rpi5":
        yield from _of_a_pi_5(facts)


def _of_options(result: Result) -> Iterator[str]:
    precision, options = result.header["precision"], result.header.get("options") or {}
    if "mixed" in str(precision["arithmetic"]):
        yield "some layers compute in fp32 for accuracy"
    if options.get("use_winograd63_convolution") is False:
        yield "Winograd stops at F(4x4,3x3) for accuracy"


def _of_a_pi_5(facts: Facts) -> Iterator[str]:
    if facts.supply_ma is not None and facts.supply_ma < FULL_SUPPLY_MA:
        yield f"a supply of {facts.supply_ma / 1000:g} A instead of 5 A"
    year = re.search(r"\b(20\d\d)\b", facts.firmware or "")
    if year and int(year[1]) < FASTER_MEMORY:
        yield f"firmware of {year[1]}: newer ones drive the memory faster"
    if facts.cmdline is not None and not _interleaves(facts):
        yield "memory is not interleaved (no numa=fake= in the kernel's command line)"


def _of_fast(result: Result, their_khz: int) -> Iterator[str]:
    facts = result.record.before
    highest = _highest_khz(facts)
    if highest and highest > (1 + SAME_CLOCK) * their_khz:
        yield f"the clock goes up to {highest / 1000:.0f} MHz instead of {their_khz / 1000:.0f}"
    if _interleaves(facts):
        yield "memory is interleaved (numa=fake=) as theirs was not yet"
    version = result.header.get("ncnn")
    if version:
        yield f"ncnn {version} is newer than theirs"


def _governor(result: Result) -> str | None:
    """The one it ran under, which need not be the one that the board had before."""
    record = result.record
    return record.governor.during if record.governor else record.before.governor


def _highest_khz(facts: Facts) -> int | None:
    return min((khz for khz in (facts.high_khz, facts.max_khz) if khz), default=None)


def _interleaves(facts: Facts) -> bool:
    return "numa=fake=" in (facts.cmdline or "")

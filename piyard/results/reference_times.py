"""Is my board normal? The hardware's roofline, published times, and why a board may be off.

Compute: two operations for each multiply-accumulate, at the cores' peak. Winograd's convolution
takes up to 2.25 (F(2x2,3x3)) to 5.06 (F(6x6,3x3)) times fewer multiplications than that counts, so
a network of 3x3 convolutions may run *below* this roofline: a ratio under 1 is Winograd's, no
mistake. Memory: each weight is read once an inference, less what all caches may have kept of them
since the last one. Activations are not counted: nobody knows how many of them leave the caches.

The published times are ncnn's own table for Raspberry Pis, every row of it with its commit, in
published.csv. Theirs is the least of a few runs, and that is what is compared with: their mean is
spoilt by single hiccups (mobilenet on a Pi 5: 3.8 times the least).

Only like is compared with like: kind of board, network, input, threads, and what the CPU computed
in (their runs took fp16 on a Pi 5, and fp32 where there is no fp16 arithmetic). Their squeezenet is
version 1.1 as ours, but of 227x227 and with a padded last convolution, a fifth more work: it is not
compared, and not scaled, because time does not follow work that closely.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from piyard.board.facts import Facts
from piyard.core.paths import PACKAGE
from piyard.core.target import Peaks, Precision
from piyard.results.result import ReferenceTime, Result, Roofline, Verdict
from piyard.run.log import PrecisionInfo

BYTES_PER_WEIGHT = {"int8": 1, "fp16": 2, "bf16": 2, "fp32": 4}


def roofline(
    peaks: Peaks,
    *,
    macs: int,
    params: int,
    precision: PrecisionInfo,
    threads: int,
    khz: int,
) -> Roofline | None:
    """The floor of one inference; None where the target has no peak of what was computed.

    ``precision`` is nnrun's own account of it, in its first line; ``threads`` have a core each.
    """
    per_cycle = peaks.flops_per_cycle.get(fastest_arithmetic(precision))
    bandwidth = read_bandwidth(peaks, threads)
    if not per_cycle or not bandwidth or not khz or threads < 1:
        return None
    compute_ms = 2 * macs / (per_cycle * khz * threads)
    weights = max(0, params * BYTES_PER_WEIGHT[smallest_storage(precision)] - peaks.cache_kb * 1024)
    memory_ms = weights / (bandwidth * 1e6)
    if compute_ms >= memory_ms:
        return Roofline(ms=compute_ms, bound="compute", source=peaks.flops_source)
    return Roofline(ms=memory_ms, bound="memory", source=peaks.read_source)


def fastest_arithmetic(precision: PrecisionInfo) -> Precision:
    """The fastest arithmetic of the layers that multiply: the floor of a mixed net is lower."""
    if precision.quantized_layers:
        return "int8"
    return _fastest_format(precision.arithmetic)


def smallest_storage(precision: PrecisionInfo) -> str:
    """The smallest format that weights are kept in."""
    if precision.quantized_layers:
        return "int8"
    return "fp16" if precision.fp16_weight_layers else _fastest_format(precision.storage)


def _fastest_format(formats: str) -> Literal["fp16", "bf16", "fp32"]:
    """nnrun says ``fp16``, ``mixed-fp16-fp32`` or ``fp32``."""
    if "fp16" in formats:
        return "fp16"
    return "bf16" if "bf16" in formats else "fp32"


def read_bandwidth(peaks: Peaks, threads: int) -> float | None:
    """Of reading memory, 10^9 bytes a second, by that many threads.

    Or by the nearest smaller number of them that was measured.
    """
    measured = [count for count in peaks.read_gb_s if count <= threads]
    return peaks.read_gb_s[max(measured)] if measured else None


BOARD_CODES = ("throttled", "under-voltage", "hot", "clock", "load", "swap")
"""Reasons of a verdict that make times longer."""
NO_CAUSE_KNOWN = "nothing known of the board explains it"
CLOCK_TOLERANCE = 0.02
FULL_SUPPLY_MA = 5000
"""What a Pi 5 requires; with less it limits its USB ports, and a peak may pull the voltage down."""
LOW_MEMORY_KB = 200 * 1024
"""So little free memory drives weights out of the page cache."""
FASTER_MEMORY_YEAR = 2025
"""The year from which the Pi 5's firmware has faster SDRAM timings and interleaved memory; they are
worth 6 to 18 % and more (Tom's Hardware; sbc-bench of October 2023 against January 2025)."""


def likely_causes(
    result: Result, verdict: Verdict, their_khz: int, *, slower: bool
) -> tuple[str, ...]:
    """The causes, the most telling first, each without a comma: tables list them with commas.

    ``their_khz`` is the clock of the board compared with.
    """
    causes = _slow_causes(result, verdict, their_khz) if slower else _fast_causes(result, their_khz)
    return tuple(causes) or (NO_CAUSE_KNOWN,)


def _slow_causes(result: Result, verdict: Verdict, their_khz: int) -> Iterator[str]:
    facts = result.record.before
    codes = [reason.code for reason in verdict.reasons]
    yield from (f"{code} during the run" for code in BOARD_CODES if code in codes)
    highest = _highest_khz(facts)
    if highest and highest < (1 - CLOCK_TOLERANCE) * their_khz:
        yield f"the clock goes up to {highest / 1000:.0f} MHz instead of {their_khz / 1000:.0f}"
    governor = _run_governor(result)
    if governor and governor != "performance":
        yield f"governor {governor}"
    if facts.desktop and facts.desktop != "none":
        yield f"a desktop session runs ({facts.desktop})"
    if facts.available_kb is not None and facts.available_kb < LOW_MEMORY_KB:
        yield f"{facts.available_kb // 1024} MiB of free memory only"
    yield from _option_causes(result)
    if result.record.target == "rpi5":
        yield from _pi5_causes(facts)


def _option_causes(result: Result) -> Iterator[str]:
    precision, options = result.header.precision, result.header.options or {}
    if "mixed" in precision.arithmetic:
        yield "some layers compute in fp32 for accuracy"
    if options.get("use_winograd63_convolution") is False:
        yield "Winograd stops at F(4x4,3x3) for accuracy"


def _pi5_causes(facts: Facts) -> Iterator[str]:
    if facts.supply_ma is not None and facts.supply_ma < FULL_SUPPLY_MA:
        yield f"a supply of {facts.supply_ma / 1000:g} A instead of 5 A"
    year = re.search(r"\b(20\d\d)\b", facts.firmware or "")
    if year and int(year[1]) < FASTER_MEMORY_YEAR:
        yield f"firmware of {year[1]}: newer ones drive the memory faster"
    if facts.cmdline is not None and not _interleaves(facts):
        yield "memory is not interleaved (no numa=fake= in the kernel's command line)"


def _fast_causes(result: Result, their_khz: int) -> Iterator[str]:
    facts = result.record.before
    highest = _highest_khz(facts)
    if highest and highest > (1 + CLOCK_TOLERANCE) * their_khz:
        yield f"the clock goes up to {highest / 1000:.0f} MHz instead of {their_khz / 1000:.0f}"
    if _interleaves(facts):
        yield "memory is interleaved (numa=fake=) as theirs was not yet"
    version = result.header.ncnn
    if version:
        yield f"ncnn {version} is newer than theirs"


def _run_governor(result: Result) -> str | None:
    """The one it ran under, which need not be the one that the board had before."""
    record = result.record
    return record.governor.during if record.governor else record.before.governor


def _highest_khz(facts: Facts) -> int | None:
    return min((khz for khz in (facts.high_khz, facts.max_khz) if khz), default=None)


def _interleaves(facts: Facts) -> bool:
    return "numa=fake=" in (facts.cmdline or "")


PUBLISHED_FILE = PACKAGE / "results" / "published.csv"
CPU_DEVICE = -1
NORMAL_DEVIATION = 0.15
"""A board whose time is off by no more is normal."""
SAME_WORK = 0.05
"""How far the work of our network may be from theirs, in multiply-accumulates."""


class PublishedTime(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the file: one network on one board, in milliseconds."""

    target: str
    khz: int
    """The clock of their board."""
    precision: str
    """What was computed in."""
    device: str
    threads: int
    powersave: int
    gpu_device: int
    """-1 is the CPU."""
    loops: int
    model: str
    min_ms: float
    max_ms: float
    avg_ms: float
    source: str


class PublishedNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of theirs that is one of ours."""

    name: str
    input: tuple[int, int, int]
    macs: int
    """Counted from their .param file."""


PUBLISHED_NETWORKS = {
    # Theirs has one more convolution of 1x1, in the first block.
    "resnet18": PublishedNetwork(name="resnet18", input=(3, 224, 224), macs=1_826_918_400),
    # Theirs has one more convolution of 1x1, before the first depthwise one.
    "mobilenet_v2": PublishedNetwork(name="mobilenet_v2", input=(3, 224, 224), macs=313_619_328),
}
"""By piyard's name of the model."""


def find_reference(result: Result, verdict: Verdict, median_ms: float) -> ReferenceTime | None:
    """What was published for that row, and why it may be off; None where nothing is comparable."""
    figure = _nearest_clock(result)
    if figure is None:
        return None
    ratio = median_ms / figure.min_ms
    off = abs(ratio - 1) > NORMAL_DEVIATION
    return ReferenceTime(
        ms=figure.min_ms,
        source=f"{figure.source}: {figure.device}, the least of {figure.loops}",
        likely=likely_causes(result, verdict, figure.khz, slower=ratio > 1) if off else (),
    )


@functools.cache
def published_times() -> tuple[PublishedTime, ...]:
    """Everything in the file."""
    with PUBLISHED_FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            msgspec.convert(row, PublishedTime, strict=False) for row in csv.DictReader(file)
        )


def _nearest_clock(result: Result) -> PublishedTime | None:
    """Of their boards of that kind, the one with the clock nearest to ours."""
    facts = result.record.before
    return min(
        _comparable_times(result),
        key=lambda figure: abs(figure.khz - (facts.max_khz or figure.khz)),
        default=None,
    )


def _comparable_times(result: Result) -> Iterator[PublishedTime]:
    network = PUBLISHED_NETWORKS.get(result.record.model.name)
    if result.record.emulated or network is None or not _same_work(result, network):
        return
    computed: Precision = fastest_arithmetic(result.header.precision)
    name = f"{network.name}_int8" if computed == "int8" else network.name
    ours = (result.record.target, name, computed, result.threads, CPU_DEVICE)
    for figure in published_times():
        theirs = (figure.target, figure.model, figure.precision, figure.threads, figure.gpu_device)
        if theirs == ours:
            yield figure


def _same_work(result: Result, network: PublishedNetwork) -> bool:
    model = result.record.model
    if tuple(model.input) != network.input or model.macs is None:
        return False
    return abs(model.macs - network.macs) <= SAME_WORK * network.macs

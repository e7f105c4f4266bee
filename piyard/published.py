"""Is my board normal? What others published for the same network on the same kind of board.

The figures are ncnn's own table for Raspberry Pis, every row of it with its commit, in
results/published.csv. Theirs is the least of a few runs, and that is what is compared with: their
mean is spoilt by single hiccups (mobilenet on a Pi 5: 3.8 times the least).

Only like is compared with like: kind of board, network, input, threads, and what the CPU computed
in (their runs took fp16 on a Pi 5, and fp32 where there is no fp16 arithmetic). Their squeezenet is
version 1.1 as ours, but of 227x227 and with a padded last convolution, a fifth more work: it is not
compared, and not scaled, because time does not follow work that closely.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from piyard import causes, paths
from piyard.floor import arithmetic
from piyard.row import Published
from piyard.target import Precision
from piyard.verdict import Verdict

if TYPE_CHECKING:
    from piyard.result import Result

FILE = paths.PACKAGE / "results" / "published.csv"
ON_THE_CPU = -1
NORMAL = 0.15
"""A board whose time is off by no more is normal."""
ALIKE = 0.05
"""How far the work of our network may be from theirs, in multiply-accumulates."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
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


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A network of theirs that is one of ours."""

    name: str
    input: tuple[int, int, int]
    macs: int
    """Counted from their .param file."""


NETWORKS = {
    # Theirs has one more convolution of 1x1, in the first block.
    "resnet18": Network(name="resnet18", input=(3, 224, 224), macs=1_826_918_400),
    # Theirs has one more convolution of 1x1, before the first depthwise one.
    "mobilenet_v2": Network(name="mobilenet_v2", input=(3, 224, 224), macs=313_619_328),
}
"""By piyard's name of the model."""


def find(result: Result, verdict: Verdict, median_ms: float) -> Published | None:
    """What was published for that row, and why it may be off; None where nothing is comparable."""
    figure = _nearest(result)
    if figure is None:
        return None
    ratio = median_ms / figure.min_ms
    off = abs(ratio - 1) > NORMAL
    return Published(
        ms=figure.min_ms,
        source=f"{figure.source}: {figure.device}, the least of {figure.loops}",
        likely=causes.likely(result, verdict, figure.khz, slower=ratio > 1) if off else (),
    )


@functools.cache
def figures() -> tuple[Figure, ...]:
    """Everything in the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(msgspec.convert(row, Figure, strict=False) for row in csv.DictReader(file))


def _nearest(result: Result) -> Figure | None:
    """Of their boards of that kind, the one with the clock nearest to ours."""
    facts = result.record.before
    return min(
        _alike(result),
        key=lambda figure: abs(figure.khz - (facts.max_khz or figure.khz)),
        default=None,
    )


def _alike(result: Result) -> Iterator[Figure]:
    network = NETWORKS.get(str(result.record.model["name"]))
    if result.record.emulated or network is None or not _same_work(result, network):
        return
    computed: Precision = arithmetic(result.header["precision"])
    name = f"{network.name}_int8" if computed == "int8" else network.name
    ours = (result.record.target, name, computed, result.threads, ON_THE_CPU)
    for figure in figures():
        theirs = (figure.target, figure.model, figure.precision, figure.threads, figure.gpu_device)
        if theirs == ours:
            yield figure


def _same_work(result: Result, network: Network) -> bool:
    model = result.record.model
    macs: int | None = model.get("macs")
    if tuple(model["input"]) != network.input or macs is None:
        return False
    return abs(macs - network.macs) <= ALIKE * network.macs

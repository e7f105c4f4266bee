"""Results as a quiet, cool Pi 5 gives them, and what spoils them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from piyard.board.facts import Facts
from piyard.core.store import WeightsInfo
from piyard.results.result import Result
from piyard.run.log import LogHeader
from piyard.run.record import BuildInfo, ModelInfo, OutputCheck, Record, TaskInfo
from piyard.run.telemetry import Sample
from tests.support.synthetic_results import changed

PRECISION = {
    "requested": "fp16",
    "storage": "fp16",
    "arithmetic": "fp16",
    "label": "fp16",
    "quantized_layers": 0,
    "fp16_weight_layers": 0,
}
HEADER = {"threads": 4, "precision": PRECISION, "ncnn": "1.0.20261020", "options": {}}
FACTS = Facts(
    machine="aarch64",
    model="Raspberry Pi 5 Model B Rev 1.0",
    cmdline="console=tty1 numa=fake=8 numa_policy=interleave",
    cores=4,
    memory_kb=8_000_000,
    available_kb=7_000_000,
    governor="performance",
    high_khz=2_400_000,
    max_khz=2_400_000,
    temperature_mc=45_000,
    throttled="0x0",
    supply_ma=5000,
    desktop="none",
    firmware="2025/05/08 14:13:17",
)


BEGIN_S = 1000.75
"""Uptime when sampling begins; it goes on for ten seconds."""


def samples(count: int = 500, middle: float = 20.0, seed: int = 1) -> list[float]:
    """Normal noise of 0.5 % around a median in milliseconds."""
    chance = random.Random(seed)
    return [middle * (1 + 0.005 * chance.gauss(0, 1)) for _ in range(count)]


def moments(count: int = 24, **of_all: Any) -> list[Sample]:
    """Two a second; nnrun works on four cores from the second to the last but two."""
    own = [200 * max(0, min(i - 1, count - 4)) for i in range(count)]
    clean = [
        Sample(
            uptime_s=1000 + i / 2,
            temperature_mc=55_000,
            khz=2_400_000,
            arm_hz=2_400_033_024,
            throttled="0x0",
            load=3.0,
            available_kb=6_900_000,
            swap_kb=0,
            busy_ticks=9000 + own[i] + i,
            own_ticks=own[i],
        )
        for i in range(count)
    ]
    return [msgspec.structs.replace(moment, **of_all) for moment in clean]


def record(**changes: Any) -> Record:
    """Of a run that ended well."""
    base = Record(
        id="20260101T000000-resnet18-fp16-t4-abcdef",
        when="2026-01-01T00:00:00+00:00",
        what=TaskInfo(task="bench"),
        host="pi5",
        target="rpi5",
        hardware="Raspberry Pi 5",
        emulated=False,
        model=ModelInfo(
            name="resnet18",
            title="resnet18",
            key="m",
            input=[3, 224, 224],
            params=11_689_512,
            macs=1_814_073_344,
            weights=WeightsInfo(kind="file"),
        ),
        build=BuildInfo(key="b"),
        release="r",
        before=FACTS,
        after=FACTS,
        exit_code=0,
        check=OutputCheck(
            ok=True, threshold=0.999, cosine={"out0": 0.99998}, max_abs={"out0": 0.01}
        ),
    )
    return changed(base, changes)


def result(of: Record | None = None, **changes: Any) -> Result:
    """A clean result, but for the changes; its samples follow each other."""
    series = changes.get("samples_ms", samples())
    base = Result(
        record=of or record(),
        samples_ms=series,
        starts_s=[BEGIN_S + sum(series[:i]) / 1000 for i in range(len(series))],
        header=msgspec.convert(HEADER, LogHeader),
        stopped="interval",
        telemetry=moments(),
    )
    return changed(base, changes)


def facts(**changes: Any) -> Facts:
    """Of the clean board, but for the changes."""
    return msgspec.structs.replace(FACTS, **changes)


def during(which: Sequence[int], **changes: Any) -> list[Sample]:
    """A clean run's moments, some of them changed."""
    return [
        msgspec.structs.replace(moment, **changes) if i in which else moment
        for i, moment in enumerate(moments())
    ]

"""Rows and their Results as boards would give them: seeded, so that every test sees the same."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from piyard.board.facts import Facts
from piyard.build.recipe import BuildFlags
from piyard.core.store import WeightsInfo
from piyard.results.result import (
    Cost,
    EnergyUse,
    OutputMatch,
    Reason,
    ReferenceTime,
    Result,
    Roofline,
    Row,
    Verdict,
    VerdictState,
)
from piyard.results.summary import Summary
from piyard.run.log import LogHeader
from piyard.run.record import (
    BenchInfo,
    BuildInfo,
    JobInfo,
    ModelInfo,
    OutputCheck,
    Record,
    TaskInfo,
)
from piyard.run.telemetry import Sample
from tests.support import synthetic_results

MODELS = {
    "resnet18": (11_689_512, 1_814_073_344, "69.76 % top-1"),
    "mobilenet_v2": (3_504_872, 300_774_272, "71.88 % top-1"),
    "squeezenet1_1": (1_235_496, 349_152_000, "58.18 % top-1"),
    "efficientnet_b0": (5_288_548, 386_000_000, "77.69 % top-1"),
}
BOARDS = {
    "pi5-a": ("rpi5", "Raspberry Pi 5"),
    "pi5-b": ("rpi5", "Raspberry Pi 5"),
    "pi5-c": ("rpi5", "Raspberry Pi 5"),
    "pi4-desk": ("rpi4", "Raspberry Pi 4"),
    "emulated:rpi5": ("rpi5", "Raspberry Pi 5 (emulated)"),
}
MEDIANS = {"resnet18": 19.84, "mobilenet_v2": 9.12, "squeezenet1_1": 6.4, "efficientnet_b0": 14.7}
THROTTLED = Reason(
    code="throttled",
    grade="INVALID",
    text="the firmware throttled from 12 s on, at 85.2 °C: cool the board",
)
BUSY = Reason(
    code="load",
    grade="SUSPECT",
    text="other programs kept 0.6 cores busy: close the desktop session",
)


def summary(samples: Sequence[float]) -> Summary:
    """The figures of some samples; the interval by order statistics, normal approximation."""
    kept = sorted(samples)
    n = len(kept)

    def at(part: float) -> float:
        return kept[min(n - 1, int(part * n))]

    median = (kept[(n - 1) // 2] + kept[n // 2]) / 2
    reach = 0.98 * math.sqrt(n) / n
    distances = sorted(abs(ms - median) for ms in kept)
    return Summary(
        count=n,
        min=kept[0],
        p10=at(0.1),
        median=median,
        p90=at(0.9),
        p99=at(0.99),
        max=kept[-1],
        mad=distances[n // 2],
        low=at(max(0.0, 0.5 - reach)),
        high=at(min(1.0, 0.5 + reach)),
    )


def row(**changes: Any) -> Row:
    """A believable resnet18 on a Pi 5, but for the ``changes``."""
    base = Row(
        run="20260101T000000-resnet18-fp16-t4-aaaaaa",
        when="2026-01-01T00:00:00+00:00",
        host="pi5",
        target="rpi5",
        hardware="Raspberry Pi 5",
        emulated=False,
        model="resnet18",
        title="resnet18",
        input=[3, 224, 224],
        params=11_689_512,
        macs=1_814_073_344,
        random_seed=None,
        model_key="8689ecf3c1741aa2",
        build="2cc76dbb216eb149",
        precision="fp16",
        data_type="fp16",
        threads=4,
        summary=summary([19.8, 19.82, 19.84, 19.84, 19.86, 19.9, 20.1]),
        check=OutputMatch(ok=True, cosine=0.99998),
        verdict=Verdict(state="VALID"),
    )
    return msgspec.structs.replace(base, **changes)


def every_field() -> dict[str, Any]:
    """What a row may have beside the necessary."""
    return {
        "end_to_end": summary([24.0, 24.1, 24.3, 24.4, 24.5, 25.0]),
        "cold_ms": 612.5,
        "peak_rss_kb": 61_440,
        "accuracy": "69.76 % top-1",
        "power": EnergyUse(
            joules=0.213,
            above_idle_joules=0.141,
            average_w=10.7,
            idle_w=3.6,
            wall_w=12.8,
            source="PMIC",
        ),
        "cost": Cost(board=80.0, board_date="2026-01-15", per_million=0.0175),
        "floor": Roofline(ms=5.9, bound="compute", source="Cortex-A76 optimization guide"),
        "published": ReferenceTime(ms=19.84, source="ncnn benchmark, 2023-12"),
    }


def of_check(check: OutputMatch | None) -> OutputCheck | None:
    """What the run's record would hold of it."""
    if check is None:
        return None
    cosine, apart = {"out0": check.cosine}, {"out0": 0.1}
    return OutputCheck(ok=check.ok, threshold=0.999, cosine=cosine, max_abs=dict(apart))


def record(of: Row) -> Record:
    """The record of the run that the row could have been derived from."""
    seed = of.random_seed
    weights = WeightsInfo(kind="random", seed=seed) if seed else WeightsInfo(kind="file")
    return Record(
        id=of.run,
        when=of.when,
        what=TaskInfo(
            task="bench",
            slug=f"{of.model}-{of.precision}-t{of.threads}",
            job=JobInfo(host=of.host, bench=BenchInfo(loops=0, budget_s=10.0, warmup=8)),
        ),
        host=of.host,
        target=of.target,
        hardware=of.hardware,
        emulated=of.emulated,
        model=ModelInfo(
            name=of.model,
            key=of.model_key,
            title=of.title,
            input=list(of.input),
            weights=weights,
        ),
        build=BuildInfo(
            key=of.build,
            ncnn=synthetic_results.build_manifest().ncnn,
            compilers={"g++-14-aarch64-linux-gnu": "14.2.0-19cross1"},
            flags=BuildFlags(ncnn={"NCNN_VULKAN": False}, nnrun={}),
        ),
        release="d649dbce80a0cbf5",
        before=Facts(machine="aarch64", kernel="6.12.47+rpt-rpi-2712", governor="ondemand"),
        after=Facts(machine="aarch64", kernel="6.12.47+rpt-rpi-2712", governor="ondemand"),
        token="secret-of-the-lease",
        exit_code=0,
        check=of_check(of.check),
    )


def result(of: Row, samples: Sequence[float], telemetry: Sequence[Sample] = ()) -> Result:
    """The Result that the row could have been derived from."""
    header = {
        "threads": of.threads,
        "precision": {"requested": of.precision, "label": of.data_type},
        "ncnn": "1.0.20261020",
        "options": {"use_fp16_arithmetic": of.data_type == "fp16"},
    }
    begin = telemetry[0].uptime_s if telemetry else 0.0
    return Result(
        record=record(of),
        samples_ms=list(samples),
        starts_s=[begin + end / 1000 for end in accumulate(samples, initial=0.0)][:-1],
        header=msgspec.convert(header, LogHeader),
        telemetry=list(telemetry),
        verdict=of.verdict,
    )


def fleet() -> tuple[list[Row], list[Result]]:
    """Twelve rows of three real boards, a slow one, a throttled one, a busy one, and emulated."""
    jobs: list[tuple[str, str, str, VerdictState]] = [
        ("pi5-a", "resnet18", "fp16", "VALID"),
        ("pi5-a", "resnet18", "fp32", "VALID"),
        ("pi5-a", "mobilenet_v2", "fp16", "VALID"),
        ("pi5-a", "efficientnet_b0", "fp16", "VALID"),
        ("pi5-b", "resnet18", "fp16", "VALID"),
        ("pi5-b", "mobilenet_v2", "fp16", "SUSPECT"),
        ("pi5-b", "squeezenet1_1", "fp16", "VALID"),
        ("pi5-b", "efficientnet_b0", "fp16", "INVALID"),
        ("pi4-desk", "resnet18", "fp32", "VALID"),
        ("pi4-desk", "mobilenet_v2", "fp32", "SUSPECT"),
        ("pi5-c", "resnet18", "fp16", "VALID"),
        ("emulated:rpi5", "resnet18", "fp16", "EMULATED"),
    ]
    pairs = [measured(at, *job) for at, job in enumerate(jobs)]
    return [of for of, _ in pairs], [detected for _, detected in pairs]


def measured(at: int, host: str, model: str, kind: str, state: VerdictState) -> tuple[Row, Result]:
    """One benchmark of ten seconds, with what it did to the board."""
    chance = random.Random(at)
    target, hardware = BOARDS[host]
    emulated = host.startswith("emulated")
    samples = series(chance, MEDIANS[model] * slowness(host, kind), state)
    params, macs, accuracy = MODELS[model]
    reasons = {"INVALID": [THROTTLED], "SUSPECT": [BUSY]}.get(state, [])
    rich = {} if emulated else every_field()
    of = row(
        **rich
        | {
            "run": f"20260101T00{at:04d}-{model}-{kind}-t4-{at:06x}",
            "when": f"2026-01-01T{at // 60:02d}:{at % 60:02d}:00+00:00",
            "host": host,
            "target": target,
            "hardware": hardware,
            "emulated": emulated,
            "model": model,
            "title": model,
            "params": params,
            "macs": macs,
            "accuracy": accuracy,
            "precision": kind,
            "data_type": kind,
            "random_seed": 20260101 if emulated else None,
            "summary": summary(samples),
            "published": ReferenceTime(ms=MEDIANS[model], source="ncnn benchmark, 2023-12"),
            "verdict": Verdict(state=state, reasons=reasons),
        }
    )
    felt = [] if emulated else moments(chance, state, sum(samples) / 1000)
    return of, result(of, samples, felt)


def slowness(host: str, kind: str) -> float:
    """How much longer than on a good Pi 5 in fp16."""
    of_board = {"pi5-c": 1.31, "pi4-desk": 2.6, "emulated:rpi5": 420.0}.get(host, 1.0)
    return of_board * (1.55 if kind == "fp32" else 1.0)


def series(chance: random.Random, median: float, state: VerdictState) -> list[float]:
    """About ten seconds of inferences; a throttled board is slow in the second half."""
    if state == "EMULATED":
        return [median * chance.uniform(0.97, 1.05) for _ in range(3)]
    count = int(10_000 / median)
    late = [1.6 if state == "INVALID" and at > count / 2 else 1.0 for at in range(count)]
    busy = [chance.choice([1, 1, 1.12]) if state == "SUSPECT" else 1.0 for _ in range(count)]
    spread = [1 + abs(chance.gauss(0, 0.008)) for _ in range(count)]
    rare = [1.15 if chance.random() < 0.004 else 1.0 for _ in range(count)]
    return [median * a * b * c * d for a, b, c, d in zip(late, busy, spread, rare, strict=True)]


def moments(chance: random.Random, state: VerdictState, seconds: float) -> list[Sample]:
    """Two moments a second: warming, and throttled above 85 °C where the row is INVALID."""
    hot = state == "INVALID"
    output = []
    for half in range(int(seconds * 2) + 1):
        throttled = hot and half > seconds
        warm = (60 if hot else 46) + min(half * (1.3 if hot else 0.6), 26 if hot else 12)
        output.append(
            Sample(
                uptime_s=4000.25 + half / 2,
                temperature_mc=int((warm + chance.uniform(-0.4, 0.4)) * 1000),
                khz=2_400_000,
                arm_hz=1_500_008_000 if throttled else 2_400_021_000,
                throttled="0x50005" if throttled else "0x0",
                load=2.1,
            )
        )
    return output

r"""What telemetry costs beside a run, in instructions: on the emulated board and on a Pi 5.

    .venv/bin/python -m benchmarks.telemetry_overhead
    .venv/bin/python -m benchmarks.telemetry_overhead --model resnet18 --rounds 5 --format json

Counted is everything that works while ``nnrun bench`` does: ``nnrun watch``, each vcgencmd it
starts, and the supervisor with its sleep and its lease. The named rival is the loop in shell that
did it before. A QEMU plugin counts user space, to the last instruction; the kernel's work is not
seen. The board's own programs run (its dash, coreutils, libc), but vcgencmd is a stand-in
(counted/vcgencmd.c): there is no firmware here to ask.

The share of a run on the emulated board is instructions a second beside the run, over those the run
itself gets done in a second of CPU time, one thread in fp32, without the plugin. The share on a
Pi 5 takes one of its four cores for so fast: 2.4 GHz, one instruction a cycle.

Exit code 1 when piyard's share on the emulated board is above --bar percent. Takes some minutes and
mostly waits. Needs qemu-aarch64 with plugins (Debian bookworm's package qemu-user).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.counted import beside, board, inference
from benchmarks.counted.board import Board, Counts
from piyard.build.builder import build_nnrun
from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.core import console
from piyard.core.tables import render_table
from piyard.core.target import load_target
from piyard.models.definition import load_model

MODELS = ["squeezenet1_1", "resnet18"]
PI_5 = 2.4e9
"""Instructions a second of one core, at one a cycle; a busy A76 does more."""
BESIDE = {"piyard": beside.piyards, "former shell loop": beside.formers}


@dataclass(frozen=True)
class Run:
    """A network's run on the emulated board."""

    model: str
    instructions: int
    """Of one inference."""
    cpu_s: float
    """Of one inference."""

    @property
    def speed(self) -> float:
        """Instructions in a second."""
        return self.instructions / self.cpu_s


def measured_run(there: Board, conversion: Conversion, rounds: int) -> Run:
    """Loading and the rehearsal drop out of the difference between three loops and one."""

    def cpu_s() -> float:
        runs = (inference.argv(there, conversion, "fp32", loops) for loops in (1, 3))
        few, many = (board.cpu_seconds(there, run, there.folder) for run in runs)
        return (many - few) / 2

    return Run(
        model=conversion.name,
        instructions=inference.instructions(there, conversion, "fp32"),
        cpu_s=statistics.median(cpu_s() for _ in range(rounds)),
    )


def measured_besides(there: Board, rounds: int) -> dict[str, Counts]:
    """All at once: they mostly sleep, and a count does not depend on who else is there."""
    with ThreadPoolExecutor(rounds * len(BESIDE)) as pool:
        counts = {
            name: [pool.submit(beside.per_second, there, what) for _ in range(rounds)]
            for name, what in BESIDE.items()
        }
        return {name: medians([each.result() for each in all_]) for name, all_ in counts.items()}


def medians(rounds: Sequence[Counts]) -> Counts:
    """Of each program."""
    names = {name: None for counts in rounds for name in counts}
    return {name: round(statistics.median(c.get(name, 0) for c in rounds)) for name in names}


def percent(besides: Counts, speed: float) -> float:
    """Of the instructions of a run that gets so many done in a second."""
    return 100 * sum(besides.values()) / speed


def cost_rows(besides: Mapping[str, Counts]) -> list[list[str]]:
    """Instructions a second by program, and their sums; rows of the first table."""
    names = sorted({name for counts in besides.values() for name in counts})
    rows = [[name, *(f"{counts.get(name, 0):,}" for counts in besides.values())] for name in names]
    return [*rows, ["all", *(f"{sum(counts.values()):,}" for counts in besides.values())]]


def share_rows(runs: Sequence[Run], besides: Mapping[str, Counts]) -> list[list[str]]:
    """Share of a run on the emulated board, one network a row, and on a Pi 5."""
    emulated = [
        [
            f"{run.model}, emulated",
            f"{run.instructions / 1e6:.1f} M",
            f"{run.speed / 1e6:.1f} M",
            *(f"{percent(counts, run.speed):.3f} %" for counts in besides.values()),
        ]
        for run in runs
    ]
    pi = [f"{percent(counts, PI_5):.4f} %" for counts in besides.values()]
    return [*emulated, ["any, Pi 5", "", f"{PI_5 / 1e6:.0f} M (taken)", *pi]]


def shown(runs: Sequence[Run], besides: Mapping[str, Counts], form: str) -> str:
    """Both tables; as JSON the figures they are made of."""
    if form == "json":
        return json.dumps(
            {
                "runs": [{**asdict(run), "instructions_per_s": run.speed} for run in runs],
                "beside_per_s": besides,
                "percent": {
                    name: {run.model: percent(counts, run.speed) for run in runs}
                    | {"Pi 5": percent(counts, PI_5)}
                    for name, counts in besides.items()
                },
            },
            indent=2,
        )
    costs = render_table(["Instructions a second", *besides], cost_rows(besides), form)
    columns = ["Share of a run", "An inference", "A second", *besides]
    return f"{costs}\n\n{render_table(columns, share_rows(runs, besides), form)}"


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help=f"default: {' and '.join(MODELS)}")
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many (default 3)")
    parser.add_argument("--bar", type=float, default=0.5, help="percent (default 0.5)")
    parser.add_argument("--format", choices=("plain", "json"), default="plain")
    return parser.parse_args(line)


def main() -> int:
    """Make, measure, print, judge."""
    request = arguments()
    nets = [
        convert_model(load_model(name), random_weights=True) for name in request.model or MODELS
    ]
    with tempfile.TemporaryDirectory() as folder:
        there = board.make(Path(folder), build_nnrun(load_target("rpi5")).nnrun)
        runs = []
        for net in nets:
            with console.step(f"run {net.name}"):
                runs.append(measured_run(there, net, request.rounds))
        with console.step("what works beside it"):
            besides = measured_besides(there, request.rounds)
    print(shown(runs, besides, request.format))
    return int(any(percent(besides["piyard"], run.speed) > request.bar for run in runs))


if __name__ == "__main__":
    sys.exit(main())

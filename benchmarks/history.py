r"""`invoke history` and `invoke report` over many stored results, beside reading every file.

    .venv/bin/python -m benchmarks.history
    .venv/bin/python -m benchmarks.history --results 1000 --rounds 5

Whole processes are timed, from the start of Python to their end, with the files in the page cache
and Python's compiled, as they are after the first use. The CPU time beside tells what of it was
waiting for a machine that does other work too.
Each result has its run's folder beside it, as in real life. The rival prints the same list as
`invoke history` would, from nothing but the JSON files: json.loads of each, no index. The first
use, which makes the index, is told apart. Exit code 1 when a median is above its bar.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import msgspec

from piyard.board.facts import Facts
from piyard.core import console
from piyard.results.result import Result, Verdict
from piyard.results.result_files import save_result
from piyard.run.log import LogHeader, PrecisionInfo
from piyard.run.record import BuildInfo, ModelInfo, OutputCheck, Record, TaskInfo
from piyard.run.run_folders import save_record
from piyard.run.telemetry import Sample

ROOT = Path(__file__).resolve().parent.parent
INVOKE = (sys.executable, "-m", "invoke", "--search-root", str(ROOT))
RIVAL = """
import json, pathlib, statistics, sys
found = []
for file in pathlib.Path(sys.argv[1]).glob("*.json"):
    told = json.loads(file.read_bytes())
    record = told["record"]
    found.append((record["when"], record["id"], record["host"], record["model"]["name"],
                  statistics.median(told["samples_ms"])))
for line in sorted(found)[-30:]:
    print(*line)
"""
HOSTS = [f"pi5-{letter}" for letter in "abcdefgh"]
MODELS = ("resnet18", "mobilenet_v2", "squeezenet1_1", "resnet50", "mobilenet_v3_small")
NETWORK = {
    "key": "0123456789abcdef",
    "input": [3, 224, 224],
    "params": 11_689_512,
    "macs": 1_814_073_344,
    "weights": {"kind": "file"},
}
SAMPLES, MOMENTS = 300, 12
"""Of a run of ten seconds at 30 a second, watched once a second."""


NO_BYTECODE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")


class Times(NamedTuple):
    """Of one process, in seconds."""

    wall: float
    cpu: float


class Command(NamedTuple):
    """What is timed, and the most it may take."""

    name: str
    argv: Sequence[str]
    bar_s: float | None = None


def result(number: int, chance: random.Random) -> Result:
    """A result as a Pi 5 might have given it, the ``number``th of all."""
    host, model = HOSTS[number % len(HOSTS)], chance.choice(MODELS)
    precision, threads = chance.choice(["fp32", "fp16"]), chance.choice([1, 2, 4])
    minutes = number * 37
    when = f"2026-{1 + minutes // 40320 % 12:02}-{1 + minutes // 1440 % 28:02}"
    clock = f"{minutes // 60 % 24:02}:{minutes % 60:02}:00"
    stamp = f"{when.replace('-', '')}T{clock.replace(':', '')}"
    facts = Facts(machine="aarch64", kernel="6.12.47+rpt-rpi-2712", governor="performance")
    record = Record(
        id=f"{stamp}-{model}-{precision}-t{threads}-{number:06x}",
        when=f"{when}T{clock}+00:00",
        what=TaskInfo(task="bench", slug=f"{model}-{precision}-t{threads}"),
        host=host,
        target="rpi5",
        hardware="Raspberry Pi 5",
        emulated=False,
        model=msgspec.convert(NETWORK | {"name": model, "title": model}, ModelInfo),
        build=BuildInfo(key=f"{number // 500:016x}"),
        release="d649dbce80a0cbf5",
        before=facts,
        after=facts,
        exit_code=0,
        check=OutputCheck(
            ok=True, threshold=0.999, cosine={"out0": 0.99998}, max_abs={"out0": 0.01}
        ),
    )
    computed = PrecisionInfo(precision, precision, precision, precision)
    return Result(
        record=record,
        samples_ms=[20 * (1 + chance.gauss(0, 0.005)) for _ in range(SAMPLES)],
        header=LogHeader(threads=threads, precision=computed, options={}),
        telemetry=[Sample(uptime_s=at, temperature_mc=50_000) for at in range(MOMENTS)],
        verdict=Verdict(state="VALID"),
    )


def fill(count: int) -> None:
    """Store so many results; without the waits for the disk that ``save`` makes of each."""
    chance = random.Random(1)
    with mock.patch.object(os, "fsync"):
        for number in range(count):
            created = result(number, chance)
            save_result(created)
            save_record(created.record)


def commands(artifacts: Path) -> list[Command]:
    """What is timed."""
    return [
        Command("invoke history", (*INVOKE, "history"), 0.5),
        Command("invoke report", (*INVOKE, "report"), 1.5),
        Command("invoke --list", (*INVOKE, "--list")),
        Command("no index: every file", (sys.executable, "-c", RIVAL, str(artifacts / "results"))),
    ]


def seconds(argv: Sequence[str], home: Path) -> Times:
    """One whole process; one that fails ends this program. ``home`` keeps Python's bytecode."""
    environment = {name: value for name, value in os.environ.items() if name not in NO_BYTECODE}
    environment["PYTHONPYCACHEPREFIX"] = str(home)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Times(took, used)


def measured(commands: Sequence[Command], rounds: int, home: Path) -> dict[str, list[Times]]:
    """All in turns, so that whatever else the machine does meets all of them."""
    times: dict[str, list[Times]] = {command.name: [] for command in commands}
    for command in commands:
        seconds(command.argv, home)
    for _ in range(rounds):
        for command in commands:
            times[command.name].append(seconds(command.argv, home))
    return times


def table(commands: Sequence[Command], times: dict[str, list[Times]]) -> bool:
    """Print it; whether all bars are kept."""
    medians = {name: statistics.median(each.wall for each in runs) for name, runs in times.items()}
    print(f"{'':24} {'median s':>9} {'min s':>7} {'max s':>7} {'CPU s':>7} {'x history':>10}   bar")
    for command in commands:
        wall = [each.wall for each in times[command.name]]
        cpu = statistics.median(each.cpu for each in times[command.name])
        ratio = medians[command.name] / medians[commands[0].name]
        bar = "" if command.bar_s is None else f"<= {command.bar_s} s"
        figures = f"{medians[command.name]:>9.3f} {min(wall):>7.3f} {max(wall):>7.3f} {cpu:>7.3f}"
        print(f"{command.name:24} {figures} {ratio:>10.2f}   {bar}".rstrip())
    return all(each.bar_s is None or medians[each.name] <= each.bar_s for each in commands)


def main() -> int:
    """Fill, measure, print, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=11)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifacts, bytecode = Path(folder) / "artifacts", Path(folder) / "bytecode"
        os.environ["PIYARD_ARTIFACTS"] = str(artifacts)
        with console.step(f"store {args.results} results"):
            fill(args.results)
        todo = commands(artifacts)
        first = seconds(todo[0].argv, bytecode).wall
        size = (artifacts / "results.sqlite").stat().st_size / 1e6
        print(f"{args.results} results; the index is made in {first:.1f} s and has {size:.1f} MB")
        return int(not table(todo, measured(todo, args.rounds, bytecode)))


if __name__ == "__main__":
    sys.exit(main())

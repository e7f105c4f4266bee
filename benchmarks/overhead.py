r"""What nnrun bench adds to an inference, measured against a bare loop of the same ncnn.

    python benchmarks/overhead.py --nnrun build/nnrun --bare build/bare_loop \
        --param net.param --bin net.bin --shape 3,224,224

Both programs come from runner/CMakeLists.txt with -DNNRUN_BENCHMARKS=ON. Two figures:

* instructions of one inference: (a run of 2N loops - a run of N loops) / N, so that loading, the
  rehearsal and the printing of the header drop out. Counted by perf where the machine has
  counters, else by valgrind.
* median time: both programs run in turns, so that whatever else the machine does meets both.

Exit code 1 when the instructions say that the overhead is above --bar percent.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

QUIET = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""An idle OpenMP thread spins otherwise, and its instructions are counted."""

Command = Callable[[int], list[str]]
Counter = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Program:
    """One of the two: its command for so many loops, and how it prints its samples."""

    name: str
    command: Command
    samples: Callable[[str], list[float]]


def programs(options: argparse.Namespace) -> list[Program]:
    """The bare loop first, nnrun second."""

    def bare(loops: int) -> list[str]:
        return [
            options.bare,
            options.param,
            options.bin,
            options.shape,
            str(options.threads),
            str(loops),
        ]

    def nnrun(loops: int) -> list[str]:
        net = ["--param", options.param, "--bin", options.bin, "--shape", options.shape]
        run = ["--threads", str(options.threads), "--warmup", "0", "--loops", str(loops)]
        # ncnn's own choice of kernels, which the bare loop leaves alone.
        return [options.nnrun, "bench", *net, *run, "--winograd", "63"]

    def plain(text: str) -> list[float]:
        return [float(line) for line in text.split()]

    def json_lines(text: str) -> list[float]:
        lines = (json.loads(line) for line in text.splitlines())
        return [line["ms"] for line in lines if line["type"] == "sample"]

    return [Program("bare loop", bare, plain), Program("nnrun bench", nnrun, json_lines)]


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run it; whatever it complains of ends this program."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | QUIET
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done


def count_by_perf(command: Sequence[str]) -> int:
    """Instructions in user space, children included."""
    line = ["perf", "stat", "-x", ",", "-e", "instructions:u", "--", *command]
    return int(run(line).stderr.strip().splitlines()[-1].split(",")[0])


def count_by_valgrind(command: Sequence[str]) -> int:
    """The same from callgrind, which writes one file a process."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"--callgrind-out-file={folder}/%p"
        run(["valgrind", "--tool=callgrind", out, *command])
        totals = (re.search(r"^(?:totals|summary): (\d+)", p.read_text(), re.MULTILINE)
                  for p in Path(folder).iterdir())  # fmt: skip
        return sum(int(total[1]) for total in totals if total)


def counter() -> tuple[str, Counter]:
    """The best counter that works here."""
    probe = ["perf", "stat", "-x", ",", "-e", "instructions:u", "--", "true"]
    if shutil.which("perf"):
        tried = subprocess.run(probe, capture_output=True, text=True, check=False)
        if tried.returncode == 0 and tried.stderr[:1].isdigit():
            return "perf", count_by_perf
    if not shutil.which("valgrind"):
        sys.exit("neither perf (with hardware counters) nor valgrind is here; install one")
    return "valgrind", count_by_valgrind


def instructions(program: Program, loops: int, count: Counter) -> float:
    """Of one inference."""
    return (count(program.command(2 * loops)) - count(program.command(loops))) / loops


def interleaved_ms(both: Sequence[Program], loops: int, rounds: int) -> list[list[float]]:
    """The samples of each program, taken in turns."""
    samples: list[list[float]] = [[] for _ in both]
    for turn in range(rounds):
        order = list(enumerate(both))
        for i, program in order if turn % 2 else reversed(order):
            # The first inferences of a process meet cold caches and an empty memory pool.
            samples[i] += program.samples(run(program.command(loops)).stdout)[loops // 4 :]
    return samples


def parse(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for flag in ("--nnrun", "--bare", "--param", "--bin", "--shape"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--counted", type=int, default=2, help="loops whose instructions count")
    parser.add_argument("--loops", type=int, default=40, help="loops of a timed run")
    parser.add_argument("--rounds", type=int, default=10, help="timed runs of each program")
    parser.add_argument("--bar", type=float, default=1.0, help="percent (default 1)")
    return parser.parse_args(line)


def main() -> int:
    """Measure, print, judge."""
    request = parse()
    both = programs(request)
    by, count = counter()
    counts = [instructions(program, request.counted, count) for program in both]
    medians = [statistics.median(s) for s in interleaved_ms(both, request.loops, request.rounds)]
    print(f"{'':12} {'instructions (' + by + ')':>24} {'median ms':>12}")
    for program, counted, median in zip(both, counts, medians, strict=True):
        print(f"{program.name:12} {counted:>24,.0f} {median:>12.4f}")
    over, slower = (100 * (pair[1] / pair[0] - 1) for pair in (counts, medians))
    print(
        f"{'overhead':12} {over:>+23.4f}% {slower:>+11.2f}%   bar {request.bar} % of instructions"
    )
    return int(over > request.bar)


if __name__ == "__main__":
    sys.exit(main())

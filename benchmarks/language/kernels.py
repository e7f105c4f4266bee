r"""What nnrun's own layers take, in instructions, beside ncnn's for the same.

    .venv/bin/python -m benchmarks.language.kernels
    .venv/bin/python -m benchmarks.language.kernels --outputs 4864 --format github

Of a matrix: instructions a weight and row. Of an attention: millions for all rows of one layer.
kernels.cpp runs each layer once and twice on one thread of an emulated Cortex-A76 with a Pi 5's
caches; a QEMU plugin counts user space, to the last instruction, and the difference is a run
without its loading. No time is taken. First the integers' sums are compared with those of the
portable kernel; what else the layers compute is tested elsewhere.

Exit code 1 when one of nnrun's figures is above its bar. Needs qemu-aarch64 with plugins (Debian
bookworm's package qemu-user). ncnn's Gemm of 4 bits takes a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.counted import board, pi5, userland
from piyard.build.builder import build_ncnn, load_recipe, open_workspace
from piyard.core import console
from piyard.core.tables import FORMATS, render_table
from piyard.core.target import load_target

BENCHMARKS = Path(__file__).parents[1]
PROGRAM = "kernels"
COLUMNS = ("Layer", "Rows", "nnrun", "ncnn", "Bar")
FORMS = ((4, 32), (4, 64), (4, 128), (8, 32), (8, 64), (8, 128), (16, 0))
HEADS = ("14", "2", "64")
"""Qwen2.5-0.5B's: of queries, of keys, values of each."""
PAST = 256
ATTENTION_BAR = 0.25
MATRIX_BARS = {(4, 64, 1): 0.22, (8, 64, 1): 0.17, (4, 64, 64): 0.10, (8, 64, 64): 0.10}
"""By bits, block and rows: those of one row and of a prompt."""


@dataclass(frozen=True)
class Row:
    """Of the table."""

    layer: str
    rows: int
    nnrun: float
    ncnn: float
    bar: float | None = None

    @property
    def well(self) -> bool:
        """As shown: a bar has two decimals."""
        return self.bar is None or round(self.nnrun, 2) <= self.bar

    def cells(self) -> list[str]:
        """As text."""
        bar = "" if self.bar is None else f"{self.bar:.2f}{'' if self.well else ' missed'}"
        return [self.layer, str(self.rows), f"{self.nnrun:.3f}", f"{self.ncnn:.3f}", bar]


@dataclass(frozen=True)
class Counter:
    """Runs the program under emulation and counts."""

    folder: Path
    """Holds the plugin, and a root with a Pi 5's files."""
    program: Path

    def count(self, rounds: int, words: Sequence[str]) -> int:
        """All of a run's instructions; one that fails ends this program."""
        counts = self.folder / "counts"
        counts.unlink(missing_ok=True)
        plugin = f"{self.folder / 'count.so'},out={counts}"
        settings = {"QEMU_CPU": board.CPU, "QEMU_PLUGIN": plugin, **board.ONE_THREAD}
        argv = [board.EMULATOR, "-L", str(self.folder / "root"), str(self.program), str(rounds)]
        done = subprocess.run(
            [*argv, *words], env=os.environ | settings, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{PROGRAM} {' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
        return board.added_up(counts.read_text())

    def round(self, *words: object) -> int:
        """Instructions of one more run."""
        line = [str(word) for word in words]
        return self.count(2, line) - self.count(1, line)


def prepare(folder: Path, program: Path | None) -> Counter:
    """The plugin, a Pi's files and the program, which is built unless there is one."""
    if shutil.which(board.EMULATOR) is None:
        sys.exit(f"{board.EMULATOR} is missing: Debian bookworm's package qemu-user has it")
    userland.compile_all(folder)
    for name, text in pi5.files().items():
        (folder / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "root" / name).write_text(text)
    return Counter(folder, program or build(folder))


def build(folder: Path) -> Path:
    """The program, for a Pi 5."""
    how = load_recipe(load_target("rpi5"))
    mounts = {
        "/src": (how.runner, "ro"),
        "/benchmarks": (BENCHMARKS, "ro"),
        "/ncnn": (build_ncnn(how), "ro"),
    }
    with (
        open_workspace(how.toolchain.cmake_file, mounts) as work,
        console.step(PROGRAM) as progress,
    ):
        work.configure("/src", "/usr", how.nnrun_options | {"NNRUN_BENCHMARKS": True}, progress)
        work.build(progress)
        shutil.copy(work.folder / PROGRAM, folder / PROGRAM)
    return folder / PROGRAM


def check(counter: Counter) -> None:
    """That the kernels of the CPU give the sums of the portable ones, bit by bit."""
    for bits in (4, 6, 8):
        for block in (32, 64, 128):
            for rows in (1, 2, 3, 8, 21):
                for affine in (0, 1):
                    counter.count(1, [str(word) for word in (rows, "same", bits, block, affine)])


def matrices(counter: Counter, outputs: int, inputs: int, rows: int) -> list[Row]:
    """One product in each form."""
    found = []
    for bits, block in FORMS:
        shape = (outputs, inputs, bits, block)
        own, theirs = (
            counter.round(rows, kind, *shape) / (outputs * inputs * rows)
            for kind in ("linear", "gemm")
        )
        name = f"{outputs} x {inputs}, {bits} bits" + (f", block {block}" if block else "")
        found.append(Row(name, rows, own, theirs, MATRIX_BARS.get((bits, block, rows))))
    return found


def attentions(counter: Counter, rows: int) -> list[Row]:
    """After a past, with each kind of cache."""
    theirs = counter.round(rows, "sdpa", *HEADS, PAST) / 1e6
    return [
        Row(
            f"attention after {PAST}, {kind} cache",
            rows,
            counter.round(rows, "attention", *HEADS, PAST, kind) / 1e6,
            theirs,
            ATTENTION_BAR if rows == 1 else None,
        )
        for kind in ("fp32", "fp16")
    ]


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outputs", type=int, default=4864, help="default 4864")
    parser.add_argument("--inputs", type=int, default=896, help="default 896")
    parser.add_argument("--rows", type=int, action="append", help="default: 1, 8 and 64")
    parser.add_argument("--program", type=Path, help="kernels, built before")
    parser.add_argument("--format", default="plain", choices=FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Count, print, judge."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        counter = prepare(Path(folder), asked.program)
        found = []
        with console.step("check the integers"):
            check(counter)
        for rows in asked.rows or (1, 8, 64):
            with console.step(f"count {rows} rows"):
                found += matrices(counter, asked.outputs, asked.inputs, rows)
                found += attentions(counter, rows)
    if asked.format == "json":
        print(json.dumps([asdict(row) for row in found], indent=2))
    else:
        print(render_table(COLUMNS, [row.cells() for row in found], asked.format))
    return int(not all(row.well for row in found))


if __name__ == "__main__":
    sys.exit(main())

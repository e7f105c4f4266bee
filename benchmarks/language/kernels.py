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
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.counted import machine, programs
from benchmarks.counted.machine import Machine
from piyard.core import console
from piyard.core.tables import FORMATS, render_table

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
        """Whether it is within its bar."""
        return self.bar is None or self.nnrun <= self.bar

    def cells(self) -> list[str]:
        """As text."""
        bar = "" if self.bar is None else f"{self.bar:.2f}{'' if self.well else ' missed'}"
        return [self.layer, str(self.rows), f"{self.nnrun:.3f}", f"{self.ncnn:.3f}", bar]


@dataclass(frozen=True)
class Counter:
    """Runs the program under emulation and counts."""

    machine: Machine
    program: Path

    def count(self, rounds: int, words: Sequence[str]) -> int:
        """All of a run's instructions; raises ``JobsFailed`` for one that fails."""
        return self.machine.count([str(self.program), str(rounds), *words])[0]

    def round(self, *words: object) -> int:
        """Instructions of one more run."""
        line = [str(word) for word in words]
        return self.count(2, line) - self.count(1, line)


def prepare(folder: Path, program: Path | None) -> Counter:
    """The machine and the program, which is built unless there is one."""
    return Counter(machine.make(folder), program or programs.build(PROGRAM, folder))


def check(counter: Counter) -> None:
    """That the kernels of the CPU give the sums of the portable ones, bit by bit."""
    for bits in (4, 6, 8):
        for block in (32, 64, 128):
            for rows in (1, 2, 3, 8, 21):
                for affine in (0, 1):
                    counter.count(1, [str(word) for word in (rows, "same", bits, block, affine)])
    for queries in range(1, 9):
        for size in (8, 24, 64, 128):
            counter.count(1, [str(queries), "same_keys", str(size)])


def matrices(counter: Counter, outputs: int, inputs: int, rows: int) -> list[Row]:
    """One product in each form."""
    products = []
    for bits, block in FORMS:
        shape = (outputs, inputs, bits, block)
        own, theirs = (
            counter.round(rows, kind, *shape) / (outputs * inputs * rows)
            for kind in ("linear", "gemm")
        )
        name = f"{outputs} x {inputs}, {bits} bits" + (f", block {block}" if block else "")
        products.append(Row(name, rows, own, theirs, MATRIX_BARS.get((bits, block, rows))))
    return products


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
        for kind in ("fp32", "fp16", "int8")
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
    request = arguments()
    with tempfile.TemporaryDirectory() as folder:
        counter = prepare(Path(folder), request.program)
        counted = []
        with console.step("check the integers"):
            check(counter)
        for rows in request.rows or (1, 8, 64):
            with console.step(f"count {rows} rows"):
                counted += matrices(counter, request.outputs, request.inputs, rows)
                counted += attentions(counter, rows)
    if request.format == "json":
        print(json.dumps([asdict(row) for row in counted], indent=2))
    else:
        print(render_table(COLUMNS, [row.cells() for row in counted], request.format))
    return int(not all(row.well for row in counted))


if __name__ == "__main__":
    sys.exit(main())

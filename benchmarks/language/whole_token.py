r"""What a whole token takes beside its matrices' products, in instructions.

    .venv/bin/python -m benchmarks.language.whole_token --model SmolLM2-135M-Instruct.Q4_1.gguf
    .venv/bin/python -m benchmarks.language.whole_token --model qwen2.5-0.5b --weights int8

A token is one that nnrun generates with 256 tokens in the cache: attention, norms, activations,
the choice of the token and its line on stdout are in it. The products are those of all matrices
with one row each, quantising that row included, as kernels.cpp runs them; norms and gates, which
nnrun computes in the same layers, are not. On one thread of an emulated Cortex-A76, counted by a
QEMU plugin, without loading. No time is taken.

Exit code 1 when a token takes more than --bar times its products. Needs qemu-aarch64 with plugins
(Debian bookworm's package qemu-user).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.language import kernels
from benchmarks.language.beside import PRECISIONS, Subject, parse_subject
from benchmarks.language.own import Own, convert
from piyard.build.builder import build_nnrun
from piyard.convert.language.formats import find_formats
from piyard.convert.language.fused_graph import LinearPart, linear_parts
from piyard.core import console
from piyard.core.errors import PiyardError
from piyard.core.tables import FORMATS, render_table
from piyard.core.target import load_target

COLUMNS = ("Model", "Weights", "Token (M)", "Products (M)", "Ratio")
BAR = 1.25


@dataclass(frozen=True)
class Row:
    """Instructions of one token."""

    model: str
    weights: str
    token: float
    products: float

    @property
    def ratio(self) -> float:
        """Of the whole to its products."""
        return self.token / self.products

    def cells(self) -> list[str]:
        """As text."""
        figures = (f"{self.token / 1e6:.2f}", f"{self.products / 1e6:.2f}", f"{self.ratio:.3f}")
        return [self.model, self.weights, *figures]


def words_of(part: LinearPart) -> tuple[int, int, int, int]:
    """Rows and columns of all its matrices as one, bits and block."""
    rows = part.outputs * (2 if part.gate else 1)
    return rows, part.inputs, part.format.bits, part.format.block


def products(counter: kernels.Counter, subject: Subject, precision: str) -> int:
    """Of all matrices; those of one shape are counted once."""
    parts = linear_parts(subject.shape, find_formats(precision)).values()
    # A table of embeddings of its own gives a row, and multiplies nothing.
    shapes = Counter(words_of(part) for part in parts if part.name != "embed_tokens")
    return sum(counter.round(1, "linear", *shape) * times for shape, times in shapes.items())


def count(counter: kernels.Counter, own: Own, subject: Subject, precision: str) -> Row:
    """Both of a model."""
    with tempfile.TemporaryDirectory(prefix="piyard-decoder-") as folder:
        net = convert(subject.gguf, precision, Path(folder))
        with console.step(f"count {subject.title} {precision}"):
            token = own.count_decode(net)
            return Row(subject.title, precision, token, products(counter, subject, precision))


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", required=True, metavar="FILE|NAME")
    parser.add_argument("--weights", action="append", choices=("int4", "int8", "fp16"))
    parser.add_argument("--bar", type=float, default=BAR, help=f"token ÷ products (default {BAR})")
    parser.add_argument("--program", type=Path, help="kernels, built before")
    parser.add_argument("--format", default="plain", choices=FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Count, print, judge."""
    request = arguments()
    try:
        subjects = [parse_subject(word) for word in request.model]
        with tempfile.TemporaryDirectory(prefix="piyard-counted-") as folder:
            counter = kernels.prepare(Path(folder), request.program)
            own = Own(build_nnrun(load_target("rpi5")).nnrun, counter.machine)
            rows = [
                count(counter, own, subject, precision)
                for subject in subjects
                for precision in request.weights or PRECISIONS
            ]
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if request.format == "json":
        print(json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=2))
    else:
        print(render_table(COLUMNS, [row.cells() for row in rows], request.format))
    return int(any(row.ratio > request.bar for row in rows))


if __name__ == "__main__":
    sys.exit(main())

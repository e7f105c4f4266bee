r"""What an inference takes on a Pi 5's CPU in fp16, as piyard masks it, beside fp32.

    .venv/bin/python -m benchmarks.fp16_instructions
    .venv/bin/python -m benchmarks.fp16_instructions --model yolov8_n_pose --format json

Counted are all instructions of one inference on one thread, with random weights (of a network that
is nothing without its file, with those), by a QEMU plugin under an emulated Cortex-A76 that has a
Pi 5's caches (counted/pi5.py): the same figure on every machine, and no time. Whether the outputs
are right, ``invoke prove`` tells.

Exit code 1 when fp16 takes more than fp32, or more than the network's bar. A minute or two a
network. Needs qemu-aarch64 with plugins (Debian bookworm's package qemu-user).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.counted import board, inference
from benchmarks.counted.board import Board
from piyard.build.builder import build_nnrun
from piyard.convert.converter import convert_model
from piyard.convert.routes import FILE_ROUTES
from piyard.core.errors import PiyardError
from piyard.core.tables import render_table
from piyard.core.target import load_target
from piyard.models.definition import load_model

BARS = {"mobilenet_v2": 65_000_000, "rtmpose_s": 200_000_000, "clip_vit_b32": 900_000_000}
"""Instructions of an inference in fp16, at most."""
MODELS = [*BARS, "squeezenet1_1", "shufflenet_v2", "rtmpose_t", "yolov8_n_pose"]
COLUMNS = ["Model", "fp32", "fp16", "Bar", "Verdict"]


@dataclass(frozen=True)
class Row:
    """A network's instructions an inference."""

    model: str
    fp32: int
    fp16: int

    @property
    def problems(self) -> list[str]:
        """What speaks against it; nothing where all is well."""
        bar = BARS.get(self.model)
        slower = ["fp16 takes more than fp32"] if self.fp16 > self.fp32 else []
        return slower + (["above its bar"] if bar is not None and self.fp16 > bar else [])


def measured(there: Board, model: str) -> Row:
    """As converted and masked."""
    loaded = load_model(model)
    conversion = convert_model(loaded, random_weights=loaded.network not in FILE_ROUTES)
    fp32, fp16 = (inference.instructions(there, conversion, way) for way in ("fp32", "fp16"))
    return Row(model=model, fp32=fp32, fp16=fp16)


def shown(rows: Sequence[Row], form: str) -> str:
    """A table, or JSON."""
    if form == "json":
        return json.dumps([asdict(row) | {"problems": row.problems} for row in rows], indent=2)
    return render_table(COLUMNS, [_cells(row) for row in rows], form)


def _cells(row: Row) -> list[str]:
    bar = f"{BARS[row.model] / 1e6:.0f} M" if row.model in BARS else ""
    counts = [f"{count / 1e6:.1f} M" for count in (row.fp32, row.fp16)]
    return [row.model, *counts, bar, "; ".join(row.problems) or "well"]


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", action="append", help=f"default: {', '.join(MODELS)}")
    parser.add_argument("--format", default="plain", choices=["plain", "github", "json"])
    return parser.parse_args(line)


def main() -> int:
    """Exit code 1 when a row has a problem."""
    request = arguments()
    try:
        nnrun = build_nnrun(load_target("rpi5")).nnrun
        with tempfile.TemporaryDirectory(prefix="piyard-counted-") as folder:
            there = board.make(Path(folder), nnrun)
            rows = [measured(there, model) for model in request.model or MODELS]
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(shown(rows, request.format))
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

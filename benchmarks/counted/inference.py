"""One network's inference on a counted board."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.counted import board
from benchmarks.counted.board import Board
from piyard.convert.conversions import Conversion


def argv(there: Board, conversion: Conversion, precision: str, loops: int) -> list[str]:
    """A run of nnrun's on one thread."""
    here = conversion.board_files(precision)
    files = [str(conversion.folder / here[f"model.ncnn.{kind}"]) for kind in ("param", "bin")]
    shape = ",".join(map(str, conversion.input_shape))
    net = ["--param", files[0], "--bin", files[1], "--shape", shape, "--precision", precision]
    run = ["--threads", "1", "--warmup", "0", "--loops", str(loops)]
    return there.argv("nnrun", "bench", *net, *run)


def instructions(there: Board, conversion: Conversion, precision: str) -> int:
    """Of one inference: loading and rehearsal drop out between three loops and one."""

    def counted(loops: int) -> int:
        with tempfile.TemporaryDirectory(dir=there.folder) as counts:
            board.run(there, argv(there, conversion, precision, loops), Path(counts), there.folder)
            return sum(board.read(Path(counts)).values())

    return (counted(3) - counted(1)) // 2

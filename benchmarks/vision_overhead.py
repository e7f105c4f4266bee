r"""What nnrun detect adds to an inference, in instructions: preprocessing and post-processing.

    .venv/bin/python -m benchmarks.vision_overhead PICTURE
    .venv/bin/python -m benchmarks.vision_overhead PICTURE --model yolov8_s --precision fp32

PICTURE is a photograph as a camera takes it. vision_stages.cpp runs nnrun's own stages on one
thread of an emulated Cortex-A76: the preprocessing, the inference, and all of detect. A QEMU plugin
counts user space, to the last instruction. Each figure is a run with more rounds less one with
fewer, so that loading drops out; the post-processing is what is left of all. Reading the JPEG is
not counted, as it does not depend on the net.

Exit code 1 when pre- and post-processing are above --bar percent of the inference. Needs
qemu-aarch64 with plugins (Debian bookworm's package qemu-user).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.counted import board, programs, userland
from piyard.convert.converter import convert_model
from piyard.convert.param import MAIN_STEM
from piyard.core import console
from piyard.core.tables import FORMATS, render_table
from piyard.measure.counted.layers import CPU, EMULATOR, ONE_THREAD
from piyard.models.definition import load_model
from piyard.predict.command import net_flags

MODELS = ["yolov8_n", "yolov8_s"]
PROGRAM = "vision_stages"
COLUMNS = ("Model", "Pre", "Inference", "Post", "Pre + post")


@dataclass(frozen=True)
class Stages:
    """Instructions of one picture."""

    pre: int
    infer: int
    post: int

    @property
    def percent(self) -> float:
        """Of the inference, what is around it."""
        return 100 * (self.pre + self.post) / self.infer

    def row(self, name: str) -> list[str]:
        """Of the table."""
        counts = (f"{count / 1e6:.2f} M" for count in (self.pre, self.infer, self.post))
        return [name, *counts, f"{self.percent:.2f} %"]


@dataclass(frozen=True)
class Counter:
    """Runs a program of a board under emulation and counts."""

    folder: Path
    """Holds the plugin and the program."""

    def count(self, words: Sequence[str]) -> int:
        """All of a run's instructions; one that fails ends this program."""
        counts = self.folder / "counts"
        counts.unlink(missing_ok=True)
        plugin = f"{self.folder / 'count.so'},out={counts}"
        settings = {"QEMU_CPU": CPU, "QEMU_PLUGIN": plugin, **ONE_THREAD}
        done = subprocess.run(
            [EMULATOR, str(self.folder / PROGRAM), *words],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{PROGRAM}: exit code {done.returncode}\n{done.stderr}")
        return board.added_up(counts.read_text())

    def steady(self, stage: str, picture: Path, flags: Sequence[str], rounds: int) -> int:
        """Instructions of one round of a stage, when its buffers are there already."""
        few, more = (self.count([stage, str(picture), str(n), *flags]) for n in (1, 1 + rounds))
        return (more - few) // rounds


def make(folder: Path) -> Counter:
    """The plugin and the program, in that folder."""
    if shutil.which(EMULATOR) is None:
        sys.exit(f"{EMULATOR} is missing: Debian bookworm's package qemu-user has it")
    userland.compile_all(folder)
    programs.build(PROGRAM, folder)
    return Counter(folder)


def measured(counter: Counter, name: str, picture: Path, precision: str) -> Stages:
    """Of a model, which is converted if it is not yet."""
    conversion = convert_model(load_model(name))
    flags = net_flags(load_model(name), str(conversion.folder / MAIN_STEM))
    flags += ["--threads", "1", "--precision", precision]
    with console.step(f"count {name}"):
        pre = counter.steady("pre", picture, flags, 4)
        infer = counter.steady("infer", picture, flags, 1)
        whole = counter.steady("all", picture, flags, 1)
    return Stages(pre=pre, infer=infer, post=whole - infer - pre)


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE")
    parser.add_argument("--model", action="append", help=f"default: {' and '.join(MODELS)}")
    parser.add_argument("--precision", default="fp16", choices=("fp16", "fp32"))
    parser.add_argument("--bar", type=float, default=3.0, help="percent (default 3)")
    parser.add_argument("--format", default="plain", choices=FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Make, measure, print, judge."""
    request = arguments()
    with tempfile.TemporaryDirectory() as folder:
        counter = make(Path(folder))
        result = {
            name: measured(counter, name, request.picture.resolve(), request.precision)
            for name in request.model or MODELS
        }
    rows = [stages.row(name) for name, stages in result.items()]
    print(render_table(COLUMNS, rows, request.format))
    return int(any(stages.percent > request.bar for stages in result.values()))


if __name__ == "__main__":
    sys.exit(main())

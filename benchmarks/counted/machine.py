"""A static program on an emulated Cortex-A76 that sees a Pi 5's caches, its instructions counted.

Nothing else of a board is there: what starts other programs needs ``board.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.counted import board, userland
from piyard.core.errors import NotSetUp
from piyard.measure.counted import pi5
from piyard.measure.counted.layers import EMULATOR, run_emulated


@dataclass(frozen=True)
class Output:
    """What a program printed."""

    out: str
    err: str


@dataclass(frozen=True)
class Machine:
    """A folder that holds the plugin and the emulator's root."""

    folder: Path

    def run(self, argv: Sequence[str]) -> Output:
        """Run it, not counted; raises ``JobsFailed`` when it ends badly."""
        return self._run(argv)

    def count(self, argv: Sequence[str]) -> tuple[int, Output]:
        """All instructions of a run in user space; raises ``JobsFailed`` when it ends badly."""
        counts = self.folder / "counts"
        counts.unlink(missing_ok=True)
        output = self._run(argv, f"{self.folder / 'count.so'},out={counts}")
        return board.added_up(counts.read_text()), output

    def _run(self, argv: Sequence[str], plugin: str = "") -> Output:
        done = run_emulated(self.folder / "root", argv, plugin)
        return Output(out=done.stdout, err=done.stderr)


def make(folder: Path) -> Machine:
    """A machine in that folder; raises ``NotSetUp`` where the emulator is missing."""
    if shutil.which(EMULATOR) is None:
        raise NotSetUp(
            f"{EMULATOR} is missing",
            remedy="install qemu-user of Debian bookworm, which has plugins",
        )
    userland.compile_all(folder)
    for name, text in pi5.files().items():
        (folder / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "root" / name).write_text(text)
    return Machine(folder)

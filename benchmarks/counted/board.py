"""Runs a board's programs under emulation, each counted under its name.

Whatever one of them starts is found on PATH, and there is nothing there but a short script for each
program, which starts it under the emulator again with the count going to a file of its name.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.counted import userland
from piyard.measure.counted.layers import CPU, EMULATOR, ONE_THREAD

TOOLS = ("sh", "setsid", "sleep", "mv", "rm", "cat", "flock")
"""What the board's scripts start."""
STARTER = """#!/bin/sh
[ -z "$COUNTS" ] || export QEMU_PLUGIN={plugin},out="$COUNTS/{name}"
exec {emulator} -L {root} {program} "$@"
"""

Counts = Mapping[str, int]
"""Instructions by the program's name."""


@dataclass(frozen=True)
class Board:
    """A folder that holds it all."""

    folder: Path

    def argv(self, name: str, *words: str) -> list[str]:
        """One of its programs and what it is told."""
        return [str(self.folder / "bin" / name), *words]

    def environment(self, counts: Path | None) -> dict[str, str]:
        """Of all that runs there; counted where a folder for the counts is named."""
        there = {"PATH": str(self.folder / "bin"), "QEMU_CPU": CPU, **ONE_THREAD}
        return there | ({"COUNTS": str(counts)} if counts else {})


def make(folder: Path, nnrun: Path) -> Board:
    """A board with that ``nnrun``; ends the program where the emulator is missing."""
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        sys.exit(f"{EMULATOR} is missing: Debian bookworm's package qemu-user has it")
    userland.compile_all(folder)
    userland.unpack(folder / "root")
    (folder / "bin").mkdir()
    programs = {name: folder / "root/usr/bin" / name for name in TOOLS}
    programs |= {"nnrun": nnrun, "vcgencmd": folder / "vcgencmd", "idle": programs["sleep"]}
    for name, program in programs.items():
        # nnrun is counted by its verb: the run apart from who watches it.
        _start_script(folder, emulator, name, program, "nnrun-$1" if name == "nnrun" else name)
    return Board(folder)


def _start_script(folder: Path, emulator: str, name: str, program: Path, counted: str) -> None:
    text = STARTER.format(
        plugin=shlex.quote(str(folder / "count.so")),
        name=counted,
        emulator=shlex.quote(emulator),
        root=shlex.quote(str(folder / "root")),
        program=shlex.quote(str(program)),
    )
    (folder / "bin" / name).write_text(text)
    (folder / "bin" / name).chmod(0o755)


def run(board: Board, argv: Sequence[str], counts: Path | None, cwd: Path) -> str:
    """What it prints; one that fails ends this program."""
    environment = board.environment(counts)
    done = subprocess.run(
        argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{shlex.join(argv)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def read(folder: Path) -> Counts:
    """Of lines "PID COUNT": each tells what came after the process's last one."""
    return {file.name: added_up(file.read_text()) for file in sorted(folder.iterdir())}


def added_up(text: str) -> int:
    """Of one program."""
    return sum(int(line.split()[1]) for line in text.splitlines())


def difference(more: Counts, fewer: Counts) -> Counts:
    """What is left when all that happens once drops out."""
    return {name: count - fewer.get(name, 0) for name, count in more.items()}


def cpu_seconds(board: Board, argv: Sequence[str], cwd: Path) -> float:
    """Of a run that is not counted, so that it is as fast as the emulation can be.

    CPU time, for what else this machine does has no part in it.
    """
    with subprocess.Popen(
        argv, env=board.environment(None), cwd=cwd, stdout=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{shlex.join(argv)}: exit code {process.returncode}")
    return used.ru_utime + used.ru_stime

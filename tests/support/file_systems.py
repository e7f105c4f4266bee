"""Real second disks for tests: another file system, a full one, a read-only one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SHM = Path("/dev/shm")


@contextmanager
def other_than(folder: Path) -> Iterator[Path]:
    """A folder on another file system than that one's."""
    if SHM.is_dir() and os.access(SHM, os.W_OK) and SHM.stat().st_dev != folder.stat().st_dev:
        with tempfile.TemporaryDirectory(dir=SHM, prefix="piyard-test-") as name:
            yield Path(name)
    else:
        with mounted(folder / "other") as place:
            yield place


@contextmanager
def mounted(place: Path, size: str = "64m") -> Iterator[Path]:
    """An empty file system of that size at ``place``, until the end; a skip where nobody may."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def full(place: Path, *, left: int = 0) -> Iterator[Path]:
    """A file system with so many bytes left."""
    with mounted(place, "2m"):
        room = os.statvfs(place)
        with (place / "filler").open("wb") as filler:
            filler.write(b"\0" * (room.f_bavail * room.f_frsize - left))
        yield place


@contextmanager
def read_only(place: Path) -> Iterator[Path]:
    """What is in the folder, as a file system that nobody may write, root neither."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("--bind", str(place), str(place))
    try:
        _mount("-o", "remount,bind,ro", str(place))
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _mount(*argv: str) -> None:
    done = subprocess.run(["mount", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount a file system: {done.stderr.strip()}")

"""Annotated pictures on the user's screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from piyard import say


def show(paths: Sequence[Path]) -> list[subprocess.Popen[bytes]]:
    """Open files and folders with the desktop's viewer; where there is none, say where they are.

    The viewers outlive us; whoever wants to wait for them can.
    """
    viewer = _viewer()
    if viewer is None:
        for path in paths:
            say.note(f"no desktop to show it on: {path}")
        return []
    return [_opened(viewer, path) for path in paths]


def _opened(viewer: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [viewer, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _viewer() -> str | None:
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_screen else None

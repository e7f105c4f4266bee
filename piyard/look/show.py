"""Annotated pictures on the user's screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from piyard import say
from piyard.look.seen import Seen

FEW = 4
"""So many pictures are opened one by one; of more, their folder."""


def show(seen: Sequence[Seen]) -> list[subprocess.Popen[bytes]]:
    """Open what was drawn with the desktop's viewer; where there is none, say where it is.

    The viewers outlive us; whoever wants to wait for them can.
    """
    paths = [path for one in seen for path in _shown(one)]
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


def _shown(one: Seen) -> list[Path]:
    if one.film:
        return [one.film]
    return one.drawn if len(one.drawn) <= FEW else [one.drawn[0].parent]


def _viewer() -> str | None:
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_screen else None

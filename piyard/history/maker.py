"""The version of the index: when it changes, the index is rebuilt.

A Row is derived from its Result by piyard's code and from files beside it: limits of targets,
models, prices of the inventory, published figures, evaluations.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from piyard import paths
from piyard.evaluate import kept

SOURCES = ("piyard", "targets", "models")


def mark() -> str:
    """A digest that stays the same as long as rows would come out the same."""
    lines = "\n".join(sorted(line for folder in _folders() for line in _told(folder)))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _folders() -> list[Path]:
    evaluations = paths.artifacts() / kept.SHELF
    beside = [paths.PACKAGE] if paths.IS_INSTALLED else []
    return [*beside, *(paths.ROOT / name for name in SOURCES), paths.config(), evaluations]


def _told(folder: Path) -> Iterator[str]:
    """Name, time and size are enough: a file is edited, or replaced by a checkout."""
    for place, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".pyc"):
                status = (Path(place) / name).stat()
                yield f"{place}/{name} {status.st_mtime_ns} {status.st_size}"

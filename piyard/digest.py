"""sha256 of files, folders and plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def of_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def of_tree(folder: Path) -> str:
    """sha256 over the relative names and bytes of all files below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return of_value({path.relative_to(folder).as_posix(): of_file(path) for path in files})


def of_files(paths: Iterable[Path]) -> str:
    """sha256 over the names and bytes of the given files."""
    return of_value({path.name: of_file(path) for path in paths})


def of_value(value: Any) -> str:
    """sha256 of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()

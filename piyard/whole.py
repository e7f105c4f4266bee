"""Files that are whole or absent."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from piyard import disk
from piyard.errors import WrongInput


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A file to write, which is ``path`` after the block: one rename, or nothing when it raises.

    Whoever reads ``path`` meanwhile sees the old file or the new one.
    """
    # Threads share a process id: each draft has a name of its own.
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk.said_of(path, made):
            yield made
            made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def write(path: Path, text: str, remedy: str = "") -> None:
    """Write by one rename; raises ``WrongInput``, with the remedy, when it cannot be written.

    What is no file, as a pipe or /dev/null, is written to: a rename would put a file in its place.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        with draft(path) as made:
            made.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        trouble = disk.trouble(error)
        advice = remedy or (trouble.remedy if trouble else "")
        raise WrongInput(f"{path} cannot be written: {error.strerror}", remedy=advice) from None

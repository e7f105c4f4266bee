"""Files that are written completely or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from piyard import disk
from piyard.errors import WrongInput


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A draft to write, renamed to ``path`` after the block, or removed when the block raises.

    A reader of ``path`` sees the old file or the new one, never a part.
    """
    # Threads share a process id: each draft has a name of its own.
    draft_file = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk.said_of(path, draft_file):
            yield draft_file
            draft_file.replace(path)
    finally:
        draft_file.unlink(missing_ok=True)


def write(path: Path, text: str, remedy: str = "") -> None:
    """Write by one rename; raises ``WrongInput``, with the remedy, when it cannot be written.

    A pipe or a device, as /dev/null, is written to directly: a rename would replace it.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        with draft(path) as file:
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        trouble = disk.trouble(error)
        advice = remedy or (trouble.remedy if trouble else "")
        raise WrongInput(f"{path} cannot be written: {error.strerror}", remedy=advice) from None

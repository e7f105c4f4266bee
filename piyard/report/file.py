"""A report as a file."""

from __future__ import annotations

import os
from pathlib import Path

from piyard.errors import WrongInput


def write(path: Path, text: str) -> None:
    """Write by one rename: whoever reads it meanwhile sees the old report or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(text, encoding="utf-8", newline="\n")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise WrongInput(
            f"{path} cannot be written: {error.strerror}", remedy="name another with --output"
        ) from None

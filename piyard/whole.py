"""Files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

from piyard.errors import WrongInput


def write(path: Path, text: str, remedy: str = "") -> None:
    """Write by one rename: whoever reads it meanwhile sees the old file or the new one.

    Raises ``WrongInput``, with the remedy, when it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(text, encoding="utf-8", newline="\n")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise WrongInput(f"{path} cannot be written: {error.strerror}", remedy=remedy) from None

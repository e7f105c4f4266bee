"""What an exporter noted in a TorchScript file, beside the program."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

NOTES = PurePosixPath("extra/config.txt")
"""Within the archive's only folder: where Ultralytics' exporter writes JSON."""
LONGEST = 1_000_000
"""Bytes that are read; the names of a thousand classes have some 20,000."""


def notes(file: Path) -> dict[str, Any]:
    """The notes as data; nothing where there are none, or none that can be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            content = json.loads(_text(archive))
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile):
        return {}
    return content if isinstance(content, dict) else {}


def _text(archive: zipfile.ZipFile) -> bytes:
    for name in archive.namelist():
        if PurePosixPath(name).parts[1:] == NOTES.parts:
            with archive.open(name) as stream:
                return stream.read(LONGEST)
    return b""

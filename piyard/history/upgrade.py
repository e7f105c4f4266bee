"""Results of schema 1: a run's folder, from before results had files of their own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard import derive, result
from piyard.result import Result


def from_folder(folder: Path) -> Result:
    """The result in a run's folder, as of today's schema; raises ``UnreadableLog``.

    It was never judged, so it is judged now, by what the folder holds.
    """
    read = result.read(folder)
    return msgspec.structs.replace(read, verdict=derive.verdict(read))

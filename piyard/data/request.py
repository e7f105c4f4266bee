"""What is asked of a data set."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.vision.tasks.base import TruthKind


class DataRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file, and what of it."""

    path: Path
    kind: TruthKind | None = None
    """What must be known of the pictures; None: whatever the files say."""
    split: str = ""
    limit: int | None = None
    """Frames of a clip, from the first on; pictures without an order are chosen afterwards."""

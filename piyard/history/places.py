"""Where results are, by name."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from piyard import paths

RESULTS = "results"
SUFFIX = ".json"
DRAFT = "."
"""What the name of a result's draft begins with."""
OLD_S = 3600
"""A draft this old belongs to a process that was killed."""


def results() -> Path:
    """The folder of all results."""
    return paths.artifacts() / RESULTS


def result_of(run_id: str) -> Path:
    """The file of that run's result, there or not."""
    return results() / f"{run_id}{SUFFIX}"


def index() -> Path:
    """The index over them; it may be removed at any time."""
    return paths.artifacts() / "results.sqlite"


def sweep(draft: Path) -> None:
    """Remove a draft that a killed process left; one that is being written stays."""
    with suppress(OSError):
        if time.time() - draft.stat().st_mtime > OLD_S:
            draft.unlink()

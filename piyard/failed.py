"""What failed last time, so that ``--retry-failed`` can repeat only that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import disk, paths, say, whole
from piyard.errors import WrongInput
from piyard.job import Job


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one command that were not done."""

    jobs: Sequence[Job]
    boards: Sequence[str] = ()
    """Boards for which nothing could be planned, since they did not answer."""
    models: Sequence[str] = ()
    precisions: Sequence[str] = ()
    threads: Sequence[int] = ()
    bench: Mapping[str, Any] = {}
    random_weights: bool = False
    target: str = ""

    @property
    def hosts(self) -> list[str]:
        """All boards that still have something to do."""
        return list(dict.fromkeys([*(job.host for job in self.jobs), *self.boards]))

    def jobs_of(self, boards: Collection[str]) -> list[Job]:
        """Those that were planned for these boards."""
        return [job for job in self.jobs if job.host in boards]


def remember(verb: str, failed: Failed) -> None:
    """Keep it until the next such command; what cannot be kept is said, since more was to say."""
    try:
        with whole.draft(_file(verb)) as draft:
            draft.write_bytes(msgspec.json.encode(failed))
    except OSError as error:
        if (trouble := disk.trouble(error)) is None:
            raise
        say.note(f"✗ --retry-failed will not know what failed now: {trouble.what}")


def recall(verb: str) -> Failed:
    """What failed last time; raises ``WrongInput`` when nothing did."""
    try:
        found = msgspec.json.decode(_file(verb).read_bytes(), type=Failed)
    except (OSError, msgspec.DecodeError):
        found = Failed(jobs=[])
    if not found.hosts:
        raise WrongInput(f"no {verb} failed last time", remedy="leave --retry-failed out")
    return found


def _file(verb: str) -> Path:
    return paths.artifacts() / "failed" / f"{verb}.json"

"""The jobs that failed last time, so that ``--retry-failed`` repeats only those."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import disk, paths, say, whole
from piyard.errors import WrongInput
from piyard.job import Job


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The unfinished jobs of one command, and its options."""

    jobs: Sequence[Job]
    boards: Sequence[str] = ()
    """Boards that did not answer, so that nothing was planned for them."""
    models: Sequence[str] = ()
    precisions: Sequence[str] = ()
    threads: Sequence[int] = ()
    bench: Mapping[str, Any] = {}
    random_weights: bool = False
    target: str = ""

    @property
    def hosts(self) -> list[str]:
        """All boards with something left to do."""
        return list(dict.fromkeys([*(job.host for job in self.jobs), *self.boards]))

    def jobs_of(self, boards: Collection[str]) -> list[Job]:
        """The jobs that were planned for these boards."""
        return [job for job in self.jobs if job.host in boards]


def remember(verb: str, failed: Failed) -> None:
    """Keep it until the next such command; a disk error is only reported."""
    try:
        with whole.draft(_file(verb)) as draft:
            draft.write_bytes(msgspec.json.encode(failed))
    except OSError as error:
        if (trouble := disk.trouble(error)) is None:
            raise
        say.note(f"✗ --retry-failed will not know these failures: {trouble.what}")


def recall(verb: str) -> Failed:
    """The failed jobs of the last time; raises ``WrongInput`` when there are none."""
    try:
        failed = msgspec.json.decode(_file(verb).read_bytes(), type=Failed)
    except (OSError, msgspec.DecodeError):
        failed = Failed(jobs=[])
    if not failed.hosts:
        raise WrongInput(f"no {verb} failed last time", remedy="leave out --retry-failed")
    return failed


def _file(verb: str) -> Path:
    return paths.artifacts() / "failed" / f"{verb}.json"

"""A job on its board: the connection, the prepared files, and the options of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from piyard import run
from piyard.board import Line
from piyard.build import Build
from piyard.conversion import Conversion
from piyard.job import Job
from piyard.release import Release

PMIC = "pmic"
KEEP = "keep"
"""In place of a governor's name: leave the board's own."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What the desktop prepared for the jobs: each target's build, each model's conversion."""

    builds: Mapping[str, Build]
    conversions: Mapping[str, Conversion]
    detectors: Mapping[str, str] = {}
    """Model → its detector, the model that finds its objects."""

    def of(self, job: Job) -> tuple[Build, Conversion]:
        """The build and the conversion of that job."""
        return self.builds[job.target], self.conversions[job.model]

    def detector_of(self, job: Job) -> Conversion | None:
        """The conversion of the job's detector, where its model needs one."""
        name = self.detectors.get(job.model)
        return self.conversions[name] if name else None

    def release_of(self, job: Job) -> Release:
        """All files that the job needs on its board."""
        return run.release_for(*self.of(job), self.detector_of(job))


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a run, and of the link to its board."""

    limit_s: int = 0
    """The time limit of a run on the board; 0 takes the default."""
    link_limit: int = 0
    """The most bytes a second to send; 0 for no limit."""
    retry: int = 0
    """How often a run that the board lost is repeated."""
    rehash: bool = False
    """Whether the board hashes every blob again, not only those that changed."""
    governor: str = ""
    """The CPU's during a run; empty for the target's first one, where the inventory says sudo."""
    rerun_invalid: int = 0
    """How often a benchmark that is INVALID is measured again."""
    picture: Path | None = None
    """A picture that a benchmark also times end to end, from the file to its classes."""
    energy: str = ""
    """``pmic`` for the board's own sensors, a command that prints watts, or nothing."""


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A job, its board, and what was prepared for it."""

    line: Line
    job: Job
    ready: Ready
    terms: Terms

    @property
    def build(self) -> Build:
        """The build of the job's target."""
        return self.ready.of(self.job)[0]

    @property
    def conversion(self) -> Conversion:
        """The conversion of the job's model."""
        return self.ready.of(self.job)[1]

    @property
    def detector(self) -> Conversion | None:
        """The conversion of the job's detector, where its model needs one."""
        return self.ready.detector_of(self.job)

    @property
    def release(self) -> Release:
        """All files that the job needs on its board."""
        return self.ready.release_of(self.job)

    def with_conversion(self, other: Conversion) -> Seat:
        """The same job with another conversion of its model."""
        conversions = {**self.ready.conversions, self.job.model: other}
        ready = msgspec.structs.replace(self.ready, conversions=conversions)
        return msgspec.structs.replace(self, ready=ready)

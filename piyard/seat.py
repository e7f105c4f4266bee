"""Where a job is done: the line to its board, the files it needs there, and on what terms."""

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
    """What the desktop has made for the jobs: a build a target, a conversion a model."""

    builds: Mapping[str, Build]
    conversions: Mapping[str, Conversion]
    detectors: Mapping[str, str] = {}
    """Model → the one whose conversion finds its objects."""

    def of(self, job: Job) -> tuple[Build, Conversion]:
        """What that job needs on its board."""
        return self.builds[job.target], self.conversions[job.model]

    def detector_of(self, job: Job) -> Conversion | None:
        """What finds the objects that the job's model looks at."""
        name = self.detectors.get(job.model)
        return self.conversions[name] if name else None

    def release_of(self, job: Job) -> Release:
        """All files of that job."""
        return run.release_for(*self.of(job), self.detector_of(job))


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How to deal with a board and the link to it."""

    limit_s: int = 0
    """Bounds a run there; 0 takes what is usual."""
    link_limit: int = 0
    """Bytes a second to send at most; 0 for no limit."""
    retry: int = 0
    """How often a run that the board lost is repeated."""
    rehash: bool = False
    """Whether the board reads every blob again, not only those that changed."""
    governor: str = ""
    """The CPU's during a run; without it what measuring wants, where the inventory says sudo."""
    rerun_invalid: int = 0
    """How often a benchmark that is INVALID is measured again."""
    picture: Path | None = None
    """What a benchmark also classifies from the file to its classes, beside plain inferences."""
    energy: str = ""
    """``pmic`` for the board's own sensors, a command that prints watts, or nothing."""


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A job on its board, with all that it takes."""

    line: Line
    job: Job
    ready: Ready
    terms: Terms

    @property
    def build(self) -> Build:
        """What computes it."""
        return self.ready.of(self.job)[0]

    @property
    def conversion(self) -> Conversion:
        """What the job's model was converted to."""
        return self.ready.of(self.job)[1]

    @property
    def detector(self) -> Conversion | None:
        """What finds the objects that the model looks at, where it does not do so itself."""
        return self.ready.detector_of(self.job)

    @property
    def release(self) -> Release:
        """All files of the job."""
        return self.ready.release_of(self.job)

    def with_conversion(self, other: Conversion) -> Seat:
        """The same with other files of the model."""
        conversions = {**self.ready.conversions, self.job.model: other}
        ready = msgspec.structs.replace(self.ready, conversions=conversions)
        return msgspec.structs.replace(self, ready=ready)

"""A job, what the desktop prepared for it, and the board it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.board.release import Release, release_of

if TYPE_CHECKING:  # stored runs are read without all that makes a model and its files
    from piyard.build.builder import Build
    from piyard.convert.conversions import Conversion
    from piyard.models.definition import Model

INTERVAL = 0.01


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How long, and on which input, a benchmark measures."""

    loops: int = 0
    """Timed inferences; 0 measures until the median is known, within ``budget_s``."""
    budget_s: float = 30.0
    interval: float = INTERVAL
    """The median is known when its 95 % interval is this fraction of it to either side."""
    min_loops: int = 20
    min_s: float = 6.0
    """Long enough for telemetry to see it."""
    warmup: int | Literal["auto"] = "auto"
    """Inferences before timing; ``auto`` goes on until their times are stable."""
    cold: bool = True
    """Whether loading and the first inference are timed too, from files not in memory."""
    seed: int = 1
    """Of the input (models/synthetic.py)."""

    @property
    def arguments(self) -> list[str]:
        """nnrun's flags for it."""
        duration = ["--loops", str(self.loops)] if self.loops else self._until_known
        rest = ["--warmup", str(self.warmup), "--seed", str(self.seed)]
        return [*duration, *rest, *(["--cold"] if self.cold else [])]

    @property
    def _until_known(self) -> list[str]:
        least = ["--min-loops", str(self.min_loops), "--min-seconds", f"{self.min_s:g}"]
        return ["--budget", f"{self.budget_s:g}", *least, "--interval", f"{self.interval:g}"]


class BenchDuration(msgspec.Struct, frozen=True, kw_only=True):
    """What the user chose of a benchmark's length; None leaves the default."""

    loops: int | None = None
    budget_s: float | None = None
    warmup: int | Literal["auto"] | None = None


class StoredJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as files have it: board, target and model by their names."""

    host: str
    target: str
    model: str
    precision: str
    threads: int
    bench: BenchOptions


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: a model in one precision on some threads of one board."""

    board: BoardSpec
    model: Model
    precision: str
    threads: int
    bench: BenchOptions

    @property
    def host(self) -> str:
        """The name of its board."""
        return self.board.name

    @property
    def stored(self) -> StoredJob:
        """The job as files have it."""
        return StoredJob(
            host=self.board.name,
            target=self.board.target.name,
            model=self.model.name,
            precision=self.precision,
            threads=self.threads,
            bench=self.bench,
        )

    @property
    def slug(self) -> str:
        """A name for files, made of what the user chose."""
        return f"{self.model.name}-{self.precision}-t{self.threads}"

    @property
    def title(self) -> str:
        """A name for people, with the board."""
        threads = f"{self.threads} {'thread' if self.threads == 1 else 'threads'}"
        return f"{self.model.name} {self.precision}, {threads} on {self.host}"


PMIC = "pmic"
KEEP_GOVERNOR = "keep"
"""In place of a governor's name: leave the board's own."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What the desktop prepared for the jobs: each target's build, each model's conversion."""

    builds: Mapping[str, Build]
    """By the target's name."""
    conversions: Mapping[str, Conversion]
    """By the model's name."""
    with_detectors: bool = False
    """Whether a model that needs a detector brings it."""

    def of(self, job: Job) -> tuple[Build, Conversion]:
        """The build and the conversion of that job."""
        return self.builds[job.board.target.name], self.conversions[job.model.name]

    def detector_of(self, job: Job) -> Conversion | None:
        """The conversion of the job's detector, where its model needs one."""
        detector = job.model.detector if self.with_detectors else ""
        return self.conversions[detector] if detector else None

    def release_of(self, job: Job) -> Release:
        """All files that the job needs on its board."""
        return release_for(*self.of(job), self.detector_of(job), precision=job.precision)


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
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
    """A picture that a benchmark also times end to end, from the file to its classes or objects."""
    energy: str = ""
    """``pmic`` for the board's own sensors, a command that prints watts, or nothing."""


class JobContext(msgspec.Struct, frozen=True, kw_only=True):
    """A job, its board, and what was prepared for it."""

    connection: BoardConnection
    job: Job
    prepared: Prepared
    options: RunOptions

    @property
    def build(self) -> Build:
        """The build of the job's target."""
        return self.prepared.of(self.job)[0]

    @property
    def conversion(self) -> Conversion:
        """The conversion of the job's model."""
        return self.prepared.of(self.job)[1]

    @property
    def detector(self) -> Conversion | None:
        """The conversion of the job's detector, where its model needs one."""
        return self.prepared.detector_of(self.job)

    @property
    def release(self) -> Release:
        """All files that the job needs on its board."""
        return self.prepared.release_of(self.job)

    def with_conversion(self, other: Conversion) -> JobContext:
        """The same job with another conversion of its model."""
        conversions = {**self.prepared.conversions, self.job.model.name: other}
        prepared = msgspec.structs.replace(self.prepared, conversions=conversions)
        return msgspec.structs.replace(self, prepared=prepared)


DETECTOR = "detector"
"""The file name prefix of a second model, the detector."""


def release_for(
    build: Build,
    conversion: Conversion,
    detector: Conversion | None = None,
    *,
    precision: str = "",
) -> Release:
    """The files that a board needs to run that model in that precision, and its detector."""
    nets = conversion.board_files(precision)
    release = release_of(
        (build.folder, ["nnrun"]),
        (conversion.folder, [*nets.values(), conversion.labels_file]),
        label=f"{conversion.name}, build {build.key}",
    )
    there = {here: name for name, here in nets.items()}
    named = [
        msgspec.structs.replace(file, name=there.get(file.name, file.name))
        for file in release.files
    ]
    release = msgspec.structs.replace(release, files=named)
    if detector is None:
        return release
    detector_release = release_of((detector.folder, detector.net_files))
    renamed = [
        msgspec.structs.replace(file, name=file.name.replace("model", DETECTOR, 1))
        for file in detector_release.files
    ]
    return msgspec.structs.replace(release, files=[*release.files, *renamed])

"""One job on one board: deploy what it needs, start it there, wait for it, bring it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import conditions, deploy, detached, facts, preflight, run, say
from piyard.board import Line
from piyard.build import Build
from piyard.conditions import Settled
from piyard.conversion.convert import Conversion
from piyard.deploy import Deployed
from piyard.errors import BoardCommandFailed, RunNotEnded
from piyard.facts import Facts
from piyard.job import Job
from piyard.record import Record
from piyard.release import Release

EMULATED_LIMIT_S, LIMIT_S = 3600, 900
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


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What nnrun is to do."""

    verb: str
    arguments: Sequence[str]
    what: Mapping[str, Any]
    """For the record: the task, and its inputs."""
    inputs: Release | None = None
    """Files it reads besides the model."""
    through: Sequence[str] = ()
    """The words before nnrun's own, of a command that feeds its standard input."""
    partly: bool = False
    """Whether inputs that cannot be read leave the others worth having."""
    measured: bool = False
    """Whether its times count: then the board is cool and quiet first, as far as it will be."""
    pmic: bool = False
    """Whether the board tells the power of its rails meanwhile."""


def run_one(line: Line, job: Job, ready: Ready, terms: Terms, work: Work) -> Record:
    """Do it, and again when the board lost it, as often as the terms allow."""
    for left in range(terms.retry, 0, -1):
        try:
            return _run(line, job, ready, terms, work)
        except RunNotEnded as error:
            if not error.interrupted:
                raise
            say.note(f"{error.what}: running it again ({left} more times at most)")
    return _run(line, job, ready, terms, work)


def _run(line: Line, job: Job, ready: Ready, terms: Terms, work: Work) -> Record:
    try:
        record = _start(line, job, ready, terms, work)
    except detached.Damaged as damaged:
        say.note(f"{line.name}: {damaged.sha256[:12]}… is damaged there, sending it again")
        record = _start_anew(line, job, ready, terms, work)
    return run.finish(line, record, partly=work.partly)


def _start(line: Line, job: Job, ready: Ready, terms: Terms, work: Work) -> Record:
    build, conversion = ready.of(job)
    release = ready.release_of(job)
    releases = [work.inputs, release] if work.inputs else [release]
    told = put(line, releases, build, terms).facts
    real = not line.board_with(told).emulated
    settled = _settle(line) if work.measured and real else None
    before = facts.read(line.session) if settled else told
    what = {**work.what, "slug": job.slug, "job": msgspec.to_builtins(job)}
    detector = ready.detector_of(job)
    record = run.new_record(
        line, before, build, conversion, slug=job.slug, what=what, detector=detector
    )
    return run.start(
        line,
        msgspec.structs.replace(record, settled=settled),
        release,
        work.verb,
        work.arguments,
        terms.limit_s or (EMULATED_LIMIT_S if line.emulated else LIMIT_S),
        through=work.through,
        pmic=work.pmic,
        governor=_governor(line, terms) if work.measured and real else "",
    )


def _settle(line: Line) -> Settled:
    return conditions.settle(line.session, line.board.target.conditions)


def _governor(line: Line, terms: Terms) -> str:
    """The one to run under; nothing keeps the board's own."""
    if terms.governor:
        return "" if terms.governor == KEEP else terms.governor
    return line.board.target.conditions.governors[0] if line.entry.sudo else ""


def _start_anew(line: Line, job: Job, ready: Ready, terms: Terms, work: Work) -> Record:
    try:
        return _start(line, job, ready, msgspec.structs.replace(terms, rehash=True), work)
    except detached.Damaged as damaged:
        raise BoardCommandFailed(
            f"{line.name}: a file was damaged again right after it was sent and verified",
            evidence=damaged.sha256,
            remedy="the SD card or the memory of that board is not to be trusted",
        ) from None


def put(line: Line, releases: Sequence[Release], build: Build, terms: Terms) -> Deployed:
    """Deploy, hold on to the board, and say what travelled."""
    done = deploy.deploy(
        line.session,
        releases,
        line.lease,
        keep=True,
        check=lambda told, _bytes: _preflight(line, told, build, releases),
        rehash=terms.rehash,
        link_limit=terms.link_limit,
    )
    line.holds = True
    say.note(f"✓ {line.name}: {releases[-1].title} deployed, {_travelled(done)}")
    return done


def _travelled(done: Deployed) -> str:
    there = f"{done.saved / 1e6:.1f} MB there already"
    if not done.content:
        return f"nothing to send, {there}"
    return f"{done.sent / 1e6:.1f} MB sent ({done.content / 1e6:.1f} MB unpacked), {there}"


def _preflight(line: Line, told: Facts, build: Build, releases: Sequence[Release]) -> None:
    largest = max(file.size for release in releases for file in release.files)
    if line.emulated:  # its /proc/cpuinfo is the emulating machine's
        told = msgspec.structs.replace(told, features=None)
    preflight.require(line.name, told, preflight.needs_of(build.manifest, largest))

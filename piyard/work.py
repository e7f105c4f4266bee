"""One job on one board: deploy what it needs, start it there, wait for it, bring it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from piyard import conditions, deploy, detached, facts, preflight, run, say
from piyard.board import Line
from piyard.build import Build
from piyard.conditions import Settled
from piyard.deploy import Deployed
from piyard.errors import BoardCommandFailed, RunNotEnded
from piyard.facts import Facts
from piyard.record import Record
from piyard.release import Release
from piyard.seat import KEEP, Seat, Terms

EMULATED_LIMIT_S, LIMIT_S = 3600, 900


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


def run_one(seat: Seat, work: Work) -> Record:
    """Do it, and again when the board lost it, as often as the terms allow."""
    for left in range(seat.terms.retry, 0, -1):
        try:
            return _run(seat, work)
        except RunNotEnded as error:
            if not error.interrupted:
                raise
            say.note(f"{error.what}: running it again ({left} more times at most)")
    return _run(seat, work)


def _run(seat: Seat, work: Work) -> Record:
    try:
        record = _start(seat, work)
    except detached.Damaged as damaged:
        say.note(f"{seat.line.name}: {damaged.sha256[:12]}… is damaged there, sending it again")
        record = _start_anew(seat, work)
    return run.finish(seat.line, record, partly=work.partly)


def _start(seat: Seat, work: Work) -> Record:
    line, release = seat.line, seat.release
    releases = [work.inputs, release] if work.inputs else [release]
    told = put(line, releases, seat.build, seat.terms).facts
    real = not line.board_with(told).emulated
    settled = _settle(line) if work.measured and real else None
    before = facts.read(line.session) if settled else told
    return run.start(
        line,
        msgspec.structs.replace(_record(seat, work, before), settled=settled),
        release,
        work.verb,
        work.arguments,
        seat.terms.limit_s or (LIMIT_S if real else EMULATED_LIMIT_S),
        through=work.through,
        pmic=work.pmic,
        governor=_governor(line, seat.terms) if work.measured and real else "",
    )


def _record(seat: Seat, work: Work, before: Facts) -> Record:
    what = {**work.what, "slug": seat.job.slug, "job": msgspec.to_builtins(seat.job)}
    return run.new_record(
        seat.line,
        before,
        seat.build,
        seat.conversion,
        slug=seat.job.slug,
        what=what,
        detector=seat.detector,
    )


def _settle(line: Line) -> Settled:
    return conditions.settle(line.session, line.board.target.conditions)


def _governor(line: Line, terms: Terms) -> str:
    """The one to run under; nothing keeps the board's own."""
    if terms.governor:
        return "" if terms.governor == KEEP else terms.governor
    return line.board.target.conditions.governors[0] if line.entry.sudo else ""


def _start_anew(seat: Seat, work: Work) -> Record:
    distrustful = msgspec.structs.replace(seat.terms, rehash=True)
    try:
        return _start(msgspec.structs.replace(seat, terms=distrustful), work)
    except detached.Damaged as damaged:
        raise BoardCommandFailed(
            f"{seat.line.name}: a file was damaged again right after it was sent and verified",
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
    line.has_lease = True
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

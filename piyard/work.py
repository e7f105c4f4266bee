"""One job on one board: deploy what it needs, start it there, wait for it, fetch what it wrote."""

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
    """A command of nnrun, with what it needs."""

    verb: str
    arguments: Sequence[str]
    what: Mapping[str, Any]
    """For the record: the task, and its inputs."""
    inputs: Release | None = None
    """Files it reads besides the model."""
    stdin_from: Sequence[str] = ()
    """A command that feeds nnrun's standard input."""
    allow_bad_inputs: bool = False
    """Whether inputs that cannot be read leave the others valid."""
    measured: bool = False
    """Whether its times count: then the run waits until the board is cool and idle."""
    pmic: bool = False
    """Whether the power of the board's rails is sampled meanwhile."""


def run_one(seat: Seat, work: Work) -> Record:
    """Run the command, and again when the board lost it, as often as the options allow."""
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
    return run.finish(seat.line, record, allow_bad_inputs=work.allow_bad_inputs)


def _start(seat: Seat, work: Work) -> Record:
    line, release = seat.line, seat.release
    releases = [work.inputs, release] if work.inputs else [release]
    facts_before = put(line, releases, seat.build, seat.terms).facts
    real = not line.board_with(facts_before).emulated
    settled = _settle(line) if work.measured and real else None
    before = facts.read(line.session) if settled else facts_before
    return run.start(
        line,
        msgspec.structs.replace(_record(seat, work, before), settled=settled),
        release,
        work.verb,
        work.arguments,
        seat.terms.limit_s or (LIMIT_S if real else EMULATED_LIMIT_S),
        stdin_from=work.stdin_from,
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
    """The governor to run under; empty for the board's own."""
    if terms.governor:
        return "" if terms.governor == KEEP else terms.governor
    return line.board.target.conditions.governors[0] if line.entry.sudo else ""


def _start_anew(seat: Seat, work: Work) -> Record:
    with_rehash = msgspec.structs.replace(seat.terms, rehash=True)
    try:
        return _start(msgspec.structs.replace(seat, terms=with_rehash), work)
    except detached.Damaged as damaged:
        raise BoardCommandFailed(
            f"{seat.line.name}: a file was damaged again right after it was sent and verified",
            evidence=damaged.sha256,
            remedy="the SD card or the memory of that board may be failing",
        ) from None


def put(line: Line, releases: Sequence[Release], build: Build, terms: Terms) -> Deployed:
    """Deploy, keep the lease, and report what was sent."""
    done = deploy.deploy(
        line.session,
        releases,
        line.lease,
        keep=True,
        check=lambda facts, _bytes: _preflight(line, facts, build, releases),
        rehash=terms.rehash,
        link_limit=terms.link_limit,
    )
    line.has_lease = True
    say.note(f"✓ {line.name}: {releases[-1].title} deployed, {_travelled(done)}")
    return done


def _travelled(done: Deployed) -> str:
    present = f"{done.saved / 1e6:.1f} MB there already"
    if not done.content:
        return f"nothing to send, {present}"
    return f"{done.sent / 1e6:.1f} MB sent ({done.content / 1e6:.1f} MB unpacked), {present}"


def _preflight(line: Line, facts: Facts, build: Build, releases: Sequence[Release]) -> None:
    largest = max(file.size for release in releases for file in release.files)
    if line.emulated:  # its /proc/cpuinfo is the emulating machine's
        facts = msgspec.structs.replace(facts, features=None)
    preflight.require(line.name, facts, preflight.needs_of(build.manifest, largest))

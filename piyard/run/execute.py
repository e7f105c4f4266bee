"""One job on one board: wait until it is idle, deploy, start, wait, fetch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from piyard.board import facts
from piyard.board.connection import BoardConnection, BoardSpec
from piyard.board.facts import Facts
from piyard.board.release import Release
from piyard.board.ssh.commands import script_argv
from piyard.board.ssh.session import Session
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.console import Step
from piyard.core.errors import BoardCommandFailed, RunNotEnded
from piyard.core.target import Conditions
from piyard.run.deploy import BoardNeeds, Deployed, deploy_releases, needs_of, require_needs
from piyard.run.follow import LiveRun
from piyard.run.job import KEEP_GOVERNOR, JobContext, RunOptions
from piyard.run.lifecycle import finish_run, start_run
from piyard.run.record import IdleState, Record, TaskInfo
from piyard.run.recording import new_record
from piyard.run.remote import DamagedFile
from piyard.run.telemetry import TICKS_PER_SECOND

EMULATED_LIMIT_S, RUN_LIMIT_S, LIVE_LIMIT_S = 3600, 900, 3600


class NnrunCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command of nnrun, with what it needs."""

    verb: str
    arguments: Sequence[str]
    what: TaskInfo
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
    live: LiveRun | None = None
    """What attends it while it goes on."""


def run_job(context: JobContext, work: NnrunCommand) -> Record:
    """Run the command, and again when the board lost it, as often as the options allow."""
    for left in range(context.options.retry, 0, -1):
        try:
            return _run_once(context, work)
        except RunNotEnded as error:
            if not error.interrupted:
                raise
            console.info(f"{error.what}: running it again ({left} more times at most)")
    return _run_once(context, work)


def _run_once(context: JobContext, work: NnrunCommand) -> Record:
    def start(options: RunOptions) -> Record:
        return _start_job(msgspec.structs.replace(context, options=options), work)

    record = start_verified(context.job.host, context.options, start)
    return finish_run(
        context.connection, record, allow_bad_inputs=work.allow_bad_inputs, live=work.live
    )


def start_verified(host: str, options: RunOptions, start: Callable[[RunOptions], Record]) -> Record:
    """Start a run; once more, with every blob hashed there, where a file of it was damaged."""
    try:
        return start(options)
    except DamagedFile as damaged:
        console.info(f"{host}: {damaged.sha256[:12]}… is damaged there, sending it again")
    try:
        return start(msgspec.structs.replace(options, rehash=True))
    except DamagedFile as damaged:
        raise BoardCommandFailed(
            f"{host}: a file was damaged again right after it was sent and verified",
            evidence=damaged.sha256,
            remedy="the SD card or the memory of that board may be failing",
        ) from None


def _start_job(context: JobContext, work: NnrunCommand) -> Record:
    connection, release = context.connection, context.release
    releases = [work.inputs, release] if work.inputs else [release]
    facts_before = deploy_and_hold(context, releases).facts
    real = not context.job.board.emulated
    idle_state = _wait_for_idle(context) if work.measured and real else None
    before = facts.read_facts(connection.session) if idle_state else facts_before
    return start_run(
        connection,
        msgspec.structs.replace(_record(context, work, before), idle_state=idle_state),
        release,
        work.verb,
        work.arguments,
        context.options.limit_s or usual_limit_s(real=real, live=work.live is not None),
        stdin_from=work.stdin_from,
        pmic=work.pmic,
        governor=choose_governor(connection, context.job.board, context.options)
        if work.measured and real
        else "",
    )


def usual_limit_s(*, real: bool, live: bool) -> int:
    """The time limit of a run for which none is chosen."""
    if live:
        return LIVE_LIMIT_S
    return RUN_LIMIT_S if real else EMULATED_LIMIT_S


def _record(context: JobContext, work: NnrunCommand, before: Facts) -> Record:
    return new_record(
        context.connection,
        context.job.board,
        before,
        context.build,
        context.conversion,
        slug=context.job.slug,
        what=work.what.with_job(context.job.slug, context.job.stored),
        detector=context.detector,
    )


def _wait_for_idle(context: JobContext) -> IdleState:
    return wait_until_idle(context.connection.session, context.job.board.target.conditions)


def choose_governor(connection: BoardConnection, board: BoardSpec, options: RunOptions) -> str:
    """The governor to run under; empty for the board's own."""
    if chosen := options.governor:
        return "" if chosen == KEEP_GOVERNOR else chosen
    return board.target.conditions.governors[0] if connection.entry.sudo else ""


def deploy_and_hold(context: JobContext, releases: Sequence[Release]) -> Deployed:
    """Deploy what a job needs, keep the lease, and report what was sent."""
    needs = needs_of(context.build.manifest, largest_file(releases))
    spec = context.job.board
    return hold_releases(context.connection, spec, releases, needs, context.options)


def hold_releases(
    connection: BoardConnection,
    board: BoardSpec,
    releases: Sequence[Release],
    needs: BoardNeeds,
    options: RunOptions,
) -> Deployed:
    """Deploy to a board that has what is needed, keep the lease, and report what was sent."""

    def check(facts: Facts, _bytes: int) -> None:
        if board.emulated:  # its /proc/cpuinfo is the emulating machine's
            facts = msgspec.structs.replace(facts, features=None)
        require_needs(board.name, facts, needs)

    done = deploy_releases(
        connection.session,
        releases,
        connection.lease,
        keep=True,
        check=check,
        rehash=options.rehash,
        link_limit=options.link_limit,
    )
    connection.has_lease = True
    console.info(f"✓ {connection.name}: {releases[-1].title} deployed, {_transfer_summary(done)}")
    return done


def largest_file(releases: Sequence[Release]) -> int:
    """Its bytes: what a run needs in memory at least."""
    return max(file.size for release in releases for file in release.files)


def _transfer_summary(done: Deployed) -> str:
    present = f"{done.saved / 1e6:.1f} MB there already"
    if not done.content:
        return f"nothing to send, {present}"
    return f"{done.sent / 1e6:.1f} MB sent ({done.content / 1e6:.1f} MB unpacked), {present}"


LOOK_PERIOD_S = 1
"""Between two looks."""
LOOK_GRACE_S = 30


class BoardLook(msgspec.Struct, frozen=True, kw_only=True):
    """The board's state at one moment."""

    uptime_s: float
    temperature_mc: int | None
    busy_ticks: int
    """Clock ticks that all cores together have worked since boot."""


def wait_until_idle(session: Session, limits: Conditions) -> IdleState:
    """Wait until the board is cool and quiet, for ``limits.settle_s`` at most.

    The board must be leased by us, with nothing of ours running. When the time is over, the last
    state is returned: the verdict of the run does the rest.
    """
    with console.step(f"{session.name}: cool and quiet") as progress:
        state = _poll_board(session, limits, progress)
        progress.ok = state.ok
    if not state.ok:
        console.info(f"{session.name}: still {state.text} after {state.waited_s:.0f} s, going on")
    return state


def judge_idle(
    before: BoardLook | None, now: BoardLook, waited_s: float, limits: Conditions
) -> IdleState:
    """The state that two consecutive looks show."""
    load = cores_between(before, now) if before else None
    warm = now.temperature_mc
    return IdleState(
        waited_s=waited_s,
        temperature_mc=warm,
        load=load,
        cool=warm is None or warm < limits.cool_c * 1000,
        quiet=load is not None and load < limits.load,
    )


def cores_between(before: BoardLook, now: BoardLook) -> float | None:
    """Busy cores between two looks, on average; None if no time passed."""
    seconds = now.uptime_s - before.uptime_s
    return (
        max(0.0, (now.busy_ticks - before.busy_ticks) / TICKS_PER_SECOND / seconds)
        if seconds > 0
        else None
    )


def parse_looks(lines: Iterable[str]) -> Iterator[BoardLook]:
    """The looks in a board's lines; invalid lines are left out."""
    for line in lines:
        words = line.split()
        try:
            uptime, warm, busy = words
            temperature = None if warm == "-" else int(warm)
            yield BoardLook(
                uptime_s=float(uptime), temperature_mc=temperature, busy_ticks=int(busy)
            )
        except ValueError:
            continue


def _poll_board(session: Session, limits: Conditions, progress: Step) -> IdleState:
    argv = script_argv("look", str(limits.settle_s // LOOK_PERIOD_S + 2), str(LOOK_PERIOD_S))
    before, state, began = None, None, time.monotonic()
    with session.start(
        argv, limit_s=limits.settle_s + LOOK_GRACE_S, silence_s=LOOK_GRACE_S
    ) as talk:
        for now in parse_looks(iter(talk.line, None)):
            raise_if_requested()
            state = judge_idle(before, now, time.monotonic() - began, limits)
            progress.update(state.waited_s, limits.settle_s, state.text)
            if state.ok or (before and state.waited_s >= limits.settle_s):
                return state
            before = now
        outcome = talk.end()
    if state is None or outcome.code:
        raise session.failure(argv, outcome)
    return state

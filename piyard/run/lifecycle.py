"""Job → Run: nnrun on a board, its raw log fetched into ``artifacts/runs/<id>/``.

A run's folder holds ``run.json`` (what was run, on what, how it ended) and what the board wrote:
``log.jsonl`` (nnrun's own lines), ``stderr.txt``, ``telemetry.jsonl`` and ``outputs/``. A failed
run keeps its folder. It keeps running on the board without us: ``attach`` waits for it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from piyard.board import facts
from piyard.board.connection import BoardConnection
from piyard.board.lease import read_governor
from piyard.board.release import Release
from piyard.board.ssh.errors import disk_full
from piyard.core import cancel, console
from piyard.core.cancel import raise_if_requested
from piyard.core.console import Step
from piyard.core.errors import (
    PROGRAM,
    BoardCommandFailed,
    BoardDiskFull,
    BoardTooSlow,
    HostUnreachable,
    PiyardError,
    RunNotEnded,
    UnreadableLog,
)
from piyard.core.files import disk_error
from piyard.run import log, remote
from piyard.run.follow import LiveRun, LogFollower
from piyard.run.record import Record, RunState
from piyard.run.remote import DamagedFile, ProcessStatus, fetch_files, mark_fetched
from piyard.run.run_folders import LOG_FILE, RECORD_FILE, STDERR_FILE, run_folder, save_record
from piyard.run.telemetry import watch_command

END_STATES: dict[str, RunState] = {"cancelled": "cancelled", "limit": "limit", "full": "full"}
STILL_RUNNING = "as far as is known, the run keeps running there"
NNRUN = "nnrun"
EXIT_BAD_INPUT = 4
"""nnrun's exit code."""


def start_run(
    connection: BoardConnection,
    record: Record,
    release: Release,
    verb: str,
    arguments: Sequence[str],
    limit_s: int,
    *,
    stdin_from: Sequence[str] = (),
    pmic: bool = False,
    governor: str = "",
    program: str = NNRUN,
) -> Record:
    """Start nnrun on the board, and its watcher, which with ``pmic`` samples each rail's power.

    ``stdin_from`` is a command that feeds nnrun's standard input, put before nnrun's own words.
    Another ``program`` of the release may run in its place; without a verb it has only arguments.
    Raises ``DamagedFile`` when the board's files are not what was sent.
    """
    folder = _release_folder(release)
    words = [*([verb] if verb else []), *_name_files(release, arguments)]
    started = msgspec.structs.replace(record, limit_s=limit_s)
    save_record(started)
    try:
        with suggest_attach(started, "whether the run began is not known"):
            remote.start_process(
                connection.session,
                record.id,
                release,
                [*stdin_from, f"{folder}/{program}", *words],
                connection.lease,
                limit_s=limit_s,
                watch=watch_command(f"{folder}/{NNRUN}", pmic=pmic),
                governor=governor,
            )
    except DamagedFile:
        shutil.rmtree(run_folder(record.id))
        raise
    return started


def _release_folder(release: Release) -> str:
    """From the folder of a run."""
    return f"../../releases/{release.id}"


def _name_files(release: Release, words: Sequence[str]) -> list[str]:
    """The words, those with a path that are files of the release."""
    names, folder = {file.name for file in release.files}, _release_folder(release)
    return [f"{folder}/{word}" if word in names else word for word in words]


def finish_run(
    connection: BoardConnection,
    record: Record,
    *,
    allow_bad_inputs: bool = False,
    live: LiveRun | None = None,
) -> Record:
    """Wait for the run's end, through lost connections, and fetch what it wrote.

    ``allow_bad_inputs``: inputs that nnrun could not read do not fail it. Raises ``RunNotEnded``
    when the board lost it or Ctrl-C was pressed, nnrun's own last lines as ``BoardCommandFailed``
    when it failed: after everything was fetched. A ``live`` run ends with Ctrl-C or at its limit,
    and neither is an error.
    """
    follower = LogFollower(live) if live else None
    attending = live.attend(connection, record) if live else nullcontext()
    title = f"{record.what.slug or record.id} on {record.host}"
    try:
        with attending, console.step(title) as progress, suggest_attach(record):
            status = _wait_for_end(connection, record, progress, follower)
            done = collect_run(connection, record, status)
            ok = done.exit_code == 0 or (allow_bad_inputs and _has_summary(done))
            progress.ok = ok or (follower is not None and done.state == "limit")
            if follower:
                follower.finish(run_folder(record.id))
    except KeyboardInterrupt:
        cancel.request()  # the board's other jobs do not begin
        if follower:
            return _end_live_run(connection, record, follower)
        connection.has_lease = False
        raise RunNotEnded(
            f"{record.id} keeps running on {record.host}",
            remedy=f"{PROGRAM} attach {record.id}",
            keeps_running=True,
        ) from None
    if not (ok and done.state == "ended") and not (live and done.state == "limit"):
        require_success(done)
    return done


def _end_live_run(connection: BoardConnection, record: Record, follower: LogFollower) -> Record:
    """End it on its board, and fetch what it wrote."""
    with suggest_attach(record):
        done = collect_run(connection, record, remote.cancel_process(connection.session, record.id))
    follower.finish(run_folder(record.id))
    return done


@contextmanager
def suggest_attach(record: Record, where: str = STILL_RUNNING) -> Iterator[None]:
    """An error of the link, or a full disk here, names the way to fetch the run all the same."""
    try:
        yield
    except OSError as error:
        if (trouble := disk_error(error)) is None:
            raise
        raise _with_attach(record, trouble, "nothing is lost") from None
    except (HostUnreachable, BoardTooSlow) as error:
        raise _with_attach(record, error, where) from None


def _with_attach(record: Record, error: PiyardError, note: str) -> PiyardError:
    return type(error)(
        f"{error.what}; {note}",
        evidence=error.evidence,
        remedy=f"{error.remedy}; then: {PROGRAM} attach {record.id}",
    )


def collect_run(connection: BoardConnection, record: Record, status: ProcessStatus) -> Record:
    """Fetch what the run wrote so far, and store its state."""
    if status.state == "absent":
        raise RunNotEnded(
            f"{record.host} knows nothing of {record.id}", remedy="was its ~/.piyard removed?"
        )
    folder = run_folder(record.id)
    is_over = status.state in {"ended", "interrupted"}
    fetch_files(connection.session, record.id, folder, keep={RECORD_FILE, f".{RECORD_FILE}"})
    done = msgspec.structs.replace(
        record,
        state=_state_of(status),
        exit_code=status.code,
        after=facts.read_facts(connection.session) if is_over else None,
        governor=read_governor(folder),
    )
    save_record(done)
    if is_over:
        mark_fetched(connection.session, record.id)
    return done


def _wait_for_end(
    connection: BoardConnection, record: Record, progress: Step, follower: LogFollower | None
) -> ProcessStatus:
    def show(status: ProcessStatus) -> None:
        raise_if_requested()
        progress.update(status.seconds, None, f"{status.seconds} s there, {status.lines} lines")

    look = follower.look if follower else remote.wait_for_status
    return remote.wait_for_process(
        connection.reconnect, connection.session, record.id, show, look=look
    )


def _state_of(status: ProcessStatus) -> RunState:
    if status.state == "interrupted":
        return "interrupted"
    if status.state != "ended":
        return "running"
    return END_STATES.get(status.why, "ended")


def _has_summary(done: Record) -> bool:
    """Whether nnrun went through all inputs, though it could not read some."""
    if done.exit_code != EXIT_BAD_INPUT:
        return False
    try:
        return log.read_log(run_folder(done.id) / LOG_FILE).summary is not None
    except UnreadableLog:
        return False


def require_success(done: Record) -> None:
    """Raise the error of a run that is over and failed."""
    folder = run_folder(done.id)
    if done.state == "interrupted":
        raise RunNotEnded(
            f"{done.host} lost {done.id}: it was restarted, or its processes were killed",
            remedy=_loss_remedy(done),
            interrupted=True,
        )
    if done.state == "limit":
        raise BoardCommandFailed(
            f"{done.host}: nnrun was ended after {done.limit_s} s",
            evidence=_tail(folder / STDERR_FILE),
            remedy="give it more time (--limit), or less to do: fewer loops or pictures",
        )
    if done.state == "cancelled":
        raise RunNotEnded(f"{done.id} was cancelled", remedy=f"what it wrote is in {folder}")
    if done.state == "full":
        raise BoardDiskFull(
            f"{done.host}: the board's disk was full before {done.id} ended",
            evidence=_tail(folder / STDERR_FILE),
            remedy=f"free some room there ({PROGRAM} fleet.gc --host {done.host} removes old "
            f"releases), then run it again; what it wrote is in {folder}",
        )
    if done.exit_code:
        raise _nnrun_error(done, folder)


def _loss_remedy(done: Record) -> str:
    retry = "--retry 1 runs it again"
    if done.emulated:
        return f"was its container stopped, or this machine short of memory? {retry}"
    return f"is the power supply strong enough? {retry}"


def _nnrun_error(done: Record, folder: Path) -> PiyardError:
    stderr = _tail(folder / STDERR_FILE)
    if "No space left on device" in stderr:
        return disk_full(done.host, stderr)
    return BoardCommandFailed(
        f"{done.host}: 'nnrun' failed (exit code {done.exit_code})",
        evidence=stderr,
        remedy=f"what it wrote is in {folder}",
    )


def _tail(file: Path) -> str:
    try:
        return file.read_text(errors="replace")[-2000:]
    except OSError:
        return ""

"""A process on a board that outlives its SSH session: started, polled, cancelled, fetched."""

from __future__ import annotations

import re
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, get_args

import msgspec

from piyard.board.lease import CPUFREQ, Lease, run_leased_script
from piyard.board.release import HOME, Release
from piyard.board.ssh import commands
from piyard.board.ssh.commands import script_argv
from piyard.board.ssh.session import Session
from piyard.core import console, files
from piyard.core.errors import (
    PROGRAM,
    BoardCommandFailed,
    BoardTooSlow,
    EmulationFailed,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    UnreadableLog,
)
from piyard.core.files import DISK_FAILURES, open_archive, scratch_folder

STATUS_WAIT_S = 5
"""A poll waits this long on the board for the end, which is cheaper there than frequent polls."""
LOST_LIMIT_S = 180
"""Enough for a board that reboots, and for a network that was asleep."""
RECONNECT_S = 2.0
START_LIMIT_S = 120.0
"""A run that has not started by then never will: the script that starts it was killed."""
CANCEL_LIMIT_S = 40
RESTART_ERRORS = (HostUnreachable, NoSuchHost, KeyRejected, EmulationFailed)
"""Errors of a board that restarts: its name is gone, or it accepts no login yet."""
FETCHED_MARK = "fetched"
ARCHIVE_ERRORS = (
    *(tarfile.TarError, zlib.error, EOFError, OSError),
    *(ValueError, ArithmeticError, RecursionError),
)
"""What Python raises for a truncated or forged archive."""

TAR_WARNINGS = (
    *("file changed as we read it", "file removed before we read it"),
    *("No such file or directory", "error exit delayed from previous errors"),
)
"""Warnings of GNU's and BusyBox's tar about a folder in use; the archive is valid."""
SUPERVISOR_SCRIPT = "supervise.sh"
"""The only file of a run's folder on the board that is not fetched."""

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
ProcessState = Literal["absent", "starting", "running", "interrupted", "ended"]


class DamagedFile(Exception):
    """A file of the release is not what was sent; ``sha256`` is what it should be."""

    def __init__(self, sha256: str) -> None:
        super().__init__(sha256)
        self.sha256 = sha256


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a run on a board."""

    state: ProcessState
    code: int | None = None
    """Its exit code, once it ended."""
    why: str = ""
    """``ended`` by itself, ``cancelled``, stopped at its ``limit``, or by a ``full`` disk."""
    seconds: int = 0
    """How long it has been running, or ran."""
    lines: int = 0
    """Lines of log so far."""


def start_process(
    session: Session,
    run_id: str,
    release: Release,
    command: Sequence[str],
    lease: Lease,
    *,
    limit_s: int,
    watch: Sequence[str] = (),
    governor: str = "",
    cpufreq: str = CPUFREQ,
) -> None:
    """Start a command in a run's folder on the board; it keeps running whatever happens here.

    ``watch`` is a program that gets ``--pid`` and ``--start`` of the command and writes the board's
    state to stdout until the command ends. ``governor`` is the one to set where sudo allows it.
    The release's files are hashed first: raises ``DamagedFile`` for one that is not what was sent.
    """
    argv = [
        *(HOME, lease.token, lease.owner, run_id, release.id, commands.script_text("supervise")),
        *(str(limit_s), str(lease.seconds), str(len(release.files)), *release.digests),
        *(governor, cpufreq, str(len(watch)), *watch, *command),
    ]
    answer = run_leased_script(session, lease, "start", *argv)
    if answer.startswith("damaged "):
        raise DamagedFile(answer.split()[1])
    if answer != "started":
        raise BoardCommandFailed(
            f"{session.name}: the run did not start",
            evidence=answer,
            remedy=f"{PROGRAM} fleet.doctor",
        )


def read_status(session: Session, run_id: str, *, wait_s: int = 0) -> ProcessStatus:
    """The run's status, after waiting on the board for its end for at most ``wait_s``."""
    words = session.script("status", HOME, run_id, str(wait_s), limit_s=wait_s + 30).out.split()
    return _parse_status(session, words)


def wait_for_status(session: Session, run_id: str) -> ProcessStatus:
    """The run's status, once it ended or after a while."""
    return read_status(session, run_id, wait_s=STATUS_WAIT_S)


def wait_for_process(
    open_again: Callable[[], Session],
    session: Session,
    run_id: str,
    on_status: Callable[[ProcessStatus], None],
    *,
    look: Callable[[Session, str], ProcessStatus] | None = None,
    until: Callable[[], bool] = lambda: False,
    lost_limit_s: float | None = None,
) -> ProcessStatus:
    """Wait until the run is over, through lost connections and a board that stalls.

    ``look`` waits a while and gives the status, as ``wait_for_status``; after one ``until`` may end
    the wait of a run that goes on. Raises ``HostUnreachable``
    or ``BoardTooSlow`` without an answer for ``lost_limit_s``.
    """
    limit_s = LOST_LIMIT_S if lost_limit_s is None else lost_limit_s
    began = last_answer = time.monotonic()
    while True:
        try:
            current = (look or wait_for_status)(session, run_id)
        except HostUnreachable as lost:
            session = _reconnect(open_again, lost, last_answer + limit_s)
            continue
        except BoardTooSlow as slow:
            _tolerate_stall(session, slow, last_answer, last_answer + limit_s)
            continue
        last_answer = time.monotonic()
        on_status(current)
        if current.state not in {"starting", "running"} or until():
            return current
        if current.state == "starting":
            if time.monotonic() > began + START_LIMIT_S:
                return ProcessStatus(state="interrupted")
            time.sleep(0.2)


def cancel_process(session: Session, run_id: str) -> ProcessStatus:
    """End the run's whole process group; its status after that."""
    words = session.script("cancel", HOME, run_id, limit_s=CANCEL_LIMIT_S).out.split()
    return _parse_status(session, words)


def fetch_files(session: Session, run_id: str, folder: Path, *, keep: Container[str]) -> None:
    """Fetch what the run wrote into a folder here.

    Files named in ``keep`` are ours: the board's of the same name are ignored.
    """
    argv = script_argv("fetch", f"{HOME}/runs/{run_id}")
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(".fetch-", within=folder) as place, (place / "tar").open("w+b") as packed:
        with session.start(argv) as talk:
            while block := talk.read():
                packed.write(block)
                if packed.tell() > files.MAX_PACKED_BYTES:
                    raise _too_large(session.name)
            outcome = talk.end()
        if outcome.code and not (outcome.code == 1 and _only_grew(outcome.err)):
            raise session.failure(argv, outcome)
        _unpack(packed, folder, keep, session.name)


def _too_large(name: str) -> UnreadableLog:
    return UnreadableLog(
        f"{name} sends too much for the run: more than {files.MAX_PACKED_BYTES >> 30} GiB",
        remedy=f"look at it there: {PROGRAM} fleet.exec",
    )


def mark_fetched(session: Session, run_id: str) -> None:
    """Allow the board to delete a run that was fetched; if this fails, the board keeps it."""
    with suppress(PiyardError):
        session.run(["touch", f"{HOME}/runs/{run_id}/{FETCHED_MARK}"])


def _only_grew(stderr: str) -> bool:
    """Whether tar's only complaint is that the run wrote meanwhile."""
    lines = stderr.splitlines()
    return bool(lines) and all(line.endswith(TAR_WARNINGS) for line in lines)


def _parse_status(session: Session, words: Sequence[str]) -> ProcessStatus:
    if not words or words[0] not in get_args(ProcessState):
        raise _unreadable_status(session, words)
    state = msgspec.convert(words[0], ProcessState)
    if state == "ended":
        if len(words) < 5 or not all(map(WHOLE_NUMBER.fullmatch, (words[1], words[3], words[4]))):
            raise _unreadable_status(session, words)
        code, why, began, ended = words[1:5]
        return ProcessStatus(state=state, code=int(code), why=why, seconds=int(ended) - int(began))
    if state == "running" and len(words) == 3 and all(map(WHOLE_NUMBER.fullmatch, words[1:])):
        return ProcessStatus(state=state, seconds=int(words[1]), lines=int(words[2]))
    return ProcessStatus(state=state)


def _unreadable_status(session: Session, words: Sequence[str]) -> BoardCommandFailed:
    return BoardCommandFailed(
        f"{session.name}: it does not report the run's status",
        evidence=" ".join(words)[:500],
        remedy=f"{PROGRAM} fleet.doctor checks the board",
    )


def _tolerate_stall(
    session: Session, slow: BoardTooSlow, last_answer: float, deadline: float
) -> None:
    """Report a board that stalled, as with a worn SD card, and raise at the deadline."""
    if time.monotonic() > deadline:
        raise slow
    silent_s = time.monotonic() - last_answer
    console.info(f"{session.name} stalled for {silent_s:.0f} s; the run keeps running there")


def _reconnect(open_again: Callable[[], Session], lost: PiyardError, deadline: float) -> Session:
    console.info(f"{lost.what}; the run keeps running there, trying again")
    while True:
        try:
            return open_again()
        except RESTART_ERRORS as error:
            if time.monotonic() + RECONNECT_S > deadline:
                raise error from None
            time.sleep(RECONNECT_S)


def _unpack(packed: IO[bytes], folder: Path, keep: Container[str], name: str) -> None:
    """Unpack plain files below the folder, each by one rename: a board's archive is not trusted."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with scratch_folder(".fetch-", within=folder) as draft:
            with open_archive(packed) as archive:
                members = [member for member in archive if member.isfile() or member.isdir()]
                archive.extractall(draft, members=members, filter="data")
            _move_into(draft, folder, keep)
    except ARCHIVE_ERRORS as error:
        if isinstance(error, OSError) and error.errno in DISK_FAILURES:
            raise
        raise UnreadableLog(
            f"what {name} sent of the run is damaged: {str(error) or type(error).__name__}",
            remedy=f"{PROGRAM} fetch gets it again",
        ) from None


def _move_into(draft: Path, folder: Path, keep: Container[str]) -> None:
    for entry in draft.iterdir():
        if entry.name in keep or entry.name == SUPERVISOR_SCRIPT:
            continue
        path = folder / entry.name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        entry.rename(path)

"""A command on a board that outlives its SSH session: started, asked after, ended, fetched."""

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

from piyard import archives, disk, onboard, say, scratch
from piyard import governor as governors
from piyard import lease as leases
from piyard.errors import (
    BoardCommandFailed,
    BoardTooSlow,
    EmulationFailed,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    UnreadableLog,
)
from piyard.lease import Lease
from piyard.release import HOME, Release
from piyard.ssh import Session, script_argv

POLL_S = 5
"""A poll waits on the board for the end for so long, which is cheaper there than asking often."""
LOST_LIMIT_S = 180
"""A board that reboots is back by then; how long a sleeping network may take."""
RETRY_S = 2.0
START_LIMIT_S = 120.0
"""A run that did not get beyond its start by then never will: what started it was killed."""
CANCEL_LIMIT_S = 40
AWAY = (HostUnreachable, NoSuchHost, KeyRejected, EmulationFailed)
"""What a board that restarts may look like: its name is gone, or it lets nobody in yet."""
FETCHED = "fetched"
BROKEN = (
    *(tarfile.TarError, zlib.error, EOFError, OSError),
    *(ValueError, ArithmeticError, RecursionError),
)
"""What Python raises for an archive that was cut or made up."""

MEANWHILE = (
    *("file changed as we read it", "file removed before we read it"),
    *("No such file or directory", "error exit delayed from previous errors"),
)
"""What tar says of a folder that is written to, GNU's or BusyBox's; what it sends is whole."""
SCRIPT = "supervise.sh"
"""Of what a run's folder holds, this alone is not the run's."""

NUMBER = re.compile(r"-?[0-9]{1,15}")
State = Literal["absent", "starting", "running", "interrupted", "ended"]


class Damaged(Exception):
    """A file of the release is not what was sent; ``sha256`` is what it should be."""

    def __init__(self, sha256: str) -> None:
        super().__init__(sha256)
        self.sha256 = sha256


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a run on a board stands."""

    state: State
    code: int | None = None
    """Its exit code, once it ended."""
    why: str = ""
    """``ended`` of itself, ``cancelled``, ended at its ``limit``, or for want of room: ``full``."""
    seconds: int = 0
    """How long it runs, or ran."""
    lines: int = 0
    """Lines it wrote so far."""


def start(
    session: Session,
    run_id: str,
    release: Release,
    command: Sequence[str],
    lease: Lease,
    *,
    limit_s: int,
    watch: Sequence[str] = (),
    governor: str = "",
    cpufreq: str = governors.CPUFREQ,
) -> None:
    """Start a command in a run's folder on the board; it goes on whatever happens here.

    ``watch`` is a program that gets ``--pid`` and ``--start`` of the command and says on stdout how
    the board is, until the command ends. ``governor`` is the one to run under where sudo allows it.
    The release's files are hashed first: raises ``Damaged`` for one that is not what was sent.
    """
    argv = [
        *(HOME, lease.token, lease.owner, run_id, release.id, onboard.script("supervise")),
        *(str(limit_s), str(lease.seconds), str(len(release.files)), *release.digests),
        *(governor, cpufreq, str(len(watch)), *watch, *command),
    ]
    said = leases.script(session, lease, "start", *argv)
    if said.startswith("damaged "):
        raise Damaged(said.split()[1])
    if said != "started":
        raise BoardCommandFailed(
            f"{session.name}: the run did not start", evidence=said, remedy="invoke fleet.doctor"
        )


def status(session: Session, run_id: str, *, wait_s: int = 0) -> Status:
    """How the run stands, after waiting on the board for its end for so long."""
    said = session.script("status", HOME, run_id, str(wait_s), limit_s=wait_s + 30).out.split()
    return _status(session, said)


def wait(
    open_again: Callable[[], Session],
    session: Session,
    run_id: str,
    on_status: Callable[[Status], None],
    *,
    lost_limit_s: float | None = None,
) -> Status:
    """Wait until the run is over, through lost connections and a board that stands still.

    Raises ``HostUnreachable`` or ``BoardTooSlow`` when it was not heard of for ``lost_limit_s``.
    """
    patience = LOST_LIMIT_S if lost_limit_s is None else lost_limit_s
    began = heard = time.monotonic()
    while True:
        try:
            found = status(session, run_id, wait_s=POLL_S)
        except HostUnreachable as lost:
            session = _find_again(open_again, lost, heard + patience)
            continue
        except BoardTooSlow as slow:
            _stand_by(session, slow, heard, heard + patience)
            continue
        heard = time.monotonic()
        on_status(found)
        if found.state not in {"starting", "running"}:
            return found
        if found.state == "starting":
            if time.monotonic() > began + START_LIMIT_S:
                return Status(state="interrupted")
            time.sleep(0.2)


def cancel(session: Session, run_id: str) -> Status:
    """End the run's whole process group; how it stands then."""
    said = session.script("cancel", HOME, run_id, limit_s=CANCEL_LIMIT_S).out.split()
    return _status(session, said)


def fetch(session: Session, run_id: str, folder: Path, *, keep: Container[str]) -> None:
    """Bring what the run wrote into a folder here.

    Files named in ``keep`` are ours, whatever the board sends under their names.
    """
    there = f"{HOME}/runs/{run_id}"
    argv = script_argv("fetch", there)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch.folder(".fetch-", within=folder) as place, (place / "tar").open("w+b") as packed:
        with session.start(argv) as talk:
            while block := talk.read():
                packed.write(block)
                if packed.tell() > archives.MOST_PACKED:
                    raise _endless(session.name)
            outcome = talk.end()
        if outcome.code and not (outcome.code == 1 and _only_grew(outcome.err)):
            raise session.failure(argv, outcome)
        _unpack(packed, folder, keep, session.name)


def _endless(name: str) -> UnreadableLog:
    return UnreadableLog(
        f"what {name} sends of the run has no end: more than {archives.MOST_PACKED >> 30} GiB",
        remedy="look at it there: invoke fleet.exec",
    )


def mark_fetched(session: Session, run_id: str) -> None:
    """Let the board throw away a run that is kept here; if it cannot be told so, it keeps it."""
    with suppress(PiyardError):
        session.run(["touch", f"{HOME}/runs/{run_id}/{FETCHED}"])


def _only_grew(said: str) -> bool:
    """Whether all that tar complains of is that the run wrote on meanwhile."""
    lines = said.splitlines()
    return bool(lines) and all(line.endswith(MEANWHILE) for line in lines)


def _status(session: Session, said: Sequence[str]) -> Status:
    if not said or said[0] not in get_args(State):
        raise _told_nothing(session, said)
    state = msgspec.convert(said[0], State)
    if state == "ended":
        if len(said) < 5 or not all(map(NUMBER.fullmatch, (said[1], said[3], said[4]))):
            raise _told_nothing(session, said)
        code, why, began, ended = said[1:5]
        return Status(state=state, code=int(code), why=why, seconds=int(ended) - int(began))
    if state == "running" and len(said) == 3 and all(map(NUMBER.fullmatch, said[1:])):
        return Status(state=state, seconds=int(said[1]), lines=int(said[2]))
    return Status(state=state)


def _told_nothing(session: Session, said: Sequence[str]) -> BoardCommandFailed:
    return BoardCommandFailed(
        f"{session.name}: it does not tell how the run stands",
        evidence=" ".join(said)[:500],
        remedy="invoke fleet.doctor checks the board",
    )


def _stand_by(session: Session, slow: BoardTooSlow, heard: float, deadline: float) -> None:
    """Ask again a board that stood still, as by a worn SD card, until the deadline."""
    if time.monotonic() > deadline:
        raise slow
    silent_s = time.monotonic() - heard
    say.note(f"{session.name} stood still for {silent_s:.0f} s; the run goes on there")


def _find_again(open_again: Callable[[], Session], lost: PiyardError, deadline: float) -> Session:
    say.note(f"{lost.what}; the run goes on there, trying again")
    while True:
        try:
            return open_again()
        except AWAY as error:
            if time.monotonic() + RETRY_S > deadline:
                raise error from None
            time.sleep(RETRY_S)


def _unpack(packed: IO[bytes], folder: Path, keep: Container[str], name: str) -> None:
    """Only plain files below the folder, each by one rename: what a board sends is not trusted."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with scratch.folder(".fetch-", within=folder) as draft:
            with archives.opened(packed) as archive:
                plain = [member for member in archive if member.isfile() or member.isdir()]
                archive.extractall(draft, members=plain, filter="data")
            _move_in(draft, folder, keep)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in disk.FAILING:
            raise
        raise UnreadableLog(
            f"what {name} sent of the run is damaged: {str(error) or type(error).__name__}",
            remedy="invoke fetch gets it again",
        ) from None


def _move_in(draft: Path, folder: Path, keep: Container[str]) -> None:
    for entry in draft.iterdir():
        if entry.name in keep or entry.name == SCRIPT:
            continue
        place = folder / entry.name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        entry.rename(place)

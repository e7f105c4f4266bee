"""Job → Run: nnrun on a board, its raw log fetched into ``artifacts/runs/<id>/``.

A run's folder holds ``run.json`` (what was run, on what, how it ended) and what the board wrote:
``log.jsonl`` (nnrun's own lines), ``stderr.txt``, ``telemetry.jsonl`` and ``outputs/``. A failed
run keeps its folder. It keeps running on the board without us: ``attach`` waits for it again.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from piyard import detached, disk, facts, log, paths, say, stop, telemetry, whole
from piyard import governor as governors
from piyard.board import Line
from piyard.build import Build
from piyard.conversion import LABELS, Conversion
from piyard.detached import Status
from piyard.errors import (
    BoardCommandFailed,
    BoardDiskFull,
    BoardTooSlow,
    HostUnreachable,
    PiyardError,
    RunNotEnded,
    UnreadableLog,
)
from piyard.facts import Facts
from piyard.record import Paid, Record, State
from piyard.release import Release, release_of
from piyard.ssh import disk_full

SHELF = "runs"
RECORD = "run.json"
LOG, STDERR, OUTPUTS = "log.jsonl", "stderr.txt", "outputs"
WHY: dict[str, State] = {"cancelled": "cancelled", "limit": "limit", "full": "full"}
RUNS_ON = "as far as is known, the run keeps running there"
UNREADABLE_INPUT = 4
"""nnrun's exit code."""
DETECTOR = "detector"
"""The file name prefix of a second model, the detector."""


def release_for(
    build: Build, conversion: Conversion, detector: Conversion | None = None
) -> Release:
    """The files that a board needs to run that model, and its detector."""
    release = release_of(
        (build.folder, ["nnrun"]),
        (conversion.folder, [*_nets(conversion), LABELS]),
        label=f"{conversion.name}, build {build.key}",
    )
    if detector is None:
        return release
    detector_release = release_of((detector.folder, _nets(detector)))
    renamed = [
        msgspec.structs.replace(file, name=file.name.replace("model", DETECTOR, 1))
        for file in detector_release.files
    ]
    return msgspec.structs.replace(release, files=[*release.files, *renamed])


def _nets(conversion: Conversion) -> list[str]:
    return [f"{stem}.ncnn.{part}" for stem in conversion.stems for part in ("param", "bin")]


def new_record(
    line: Line,
    before: Facts,
    build: Build,
    conversion: Conversion,
    *,
    slug: str,
    what: dict[str, Any],
    detector: Conversion | None = None,
) -> Record:
    """The record of a run that is about to start."""
    now = datetime.now(timezone.utc)
    safe_slug = re.sub(r"[^A-Za-z0-9._-]+", "-", slug)[:80]
    board = line.board_with(before)
    return Record(
        id=f"{now:%Y%m%dT%H%M%S}-{safe_slug}-{secrets.token_hex(3)}",
        when=now.isoformat(timespec="seconds"),
        what=what,
        host=board.name,
        target=board.target_name,
        hardware=board.hardware,
        emulated=board.emulated,
        model=_of_conversion(conversion),
        build=_of_build(build),
        release=release_for(build, conversion, detector).id,
        before=before,
        state="running",
        token=line.lease.token,
        paid=_paid(line),
    )


def start(
    line: Line,
    record: Record,
    release: Release,
    verb: str,
    arguments: Sequence[str],
    limit_s: int,
    *,
    stdin_from: Sequence[str] = (),
    pmic: bool = False,
    governor: str = "",
) -> Record:
    """Start nnrun on the board, and its watcher, which with ``pmic`` samples each rail's power.

    ``stdin_from`` is a command that feeds nnrun's standard input, put before nnrun's own words.
    Raises ``Damaged`` when the board's files are not what was sent.
    """
    folder = f"../../releases/{release.id}"
    nnrun = f"{folder}/nnrun"
    names = {file.name for file in release.files}
    paths = [f"{folder}/{word}" if word in names else word for word in arguments]
    command = [*stdin_from, nnrun, verb, *paths]
    started = msgspec.structs.replace(record, limit_s=limit_s)
    store_record(started)
    try:
        with rescued(started, "whether the run began is not known"):
            detached.start(
                line.session,
                record.id,
                release,
                command,
                line.lease,
                limit_s=limit_s,
                watch=telemetry.watch_command(nnrun, pmic=pmic),
                governor=governor,
            )
    except detached.Damaged:
        shutil.rmtree(folder_of(record.id))
        raise
    return started


def finish(line: Line, record: Record, *, allow_bad_inputs: bool = False) -> Record:
    """Wait for the run's end, through lost connections, and fetch what it wrote.

    ``allow_bad_inputs``: inputs that nnrun could not read do not fail it. Raises ``RunNotEnded``
    when the board lost it or Ctrl-C was pressed, nnrun's own last lines as ``BoardCommandFailed``
    when it failed: after everything was fetched.
    """
    title = f"{record.what.get('slug', record.id)} on {record.host}"
    try:
        with say.step(title) as progress, rescued(record):
            status = _wait(line, record, progress)
            done = collect(line, record, status)
            ok = done.exit_code == 0 or (allow_bad_inputs and _reached_its_end(done))
            progress.ok = ok
    except KeyboardInterrupt:
        stop.ask()  # the board's other jobs do not begin
        line.has_lease = False
        raise RunNotEnded(
            f"{record.id} keeps running on {record.host}",
            remedy=f"invoke attach {record.id}",
            keeps_running=True,
        ) from None
    if not (ok and done.state == "ended"):
        require_well(line, done)
    return done


@contextmanager
def rescued(record: Record, where: str = RUNS_ON) -> Iterator[None]:
    """An error of the link, or a full disk here, names the way to fetch the run all the same."""
    try:
        yield
    except OSError as error:
        if (trouble := disk.trouble(error)) is None:
            raise
        raise _to_be_had(record, trouble, "nothing is lost") from None
    except (HostUnreachable, BoardTooSlow) as error:
        raise _to_be_had(record, error, where) from None


def _to_be_had(record: Record, error: PiyardError, note: str) -> PiyardError:
    return type(error)(
        f"{error.what}; {note}",
        evidence=error.evidence,
        remedy=f"{error.remedy}; then: invoke attach {record.id}",
    )


def collect(line: Line, record: Record, status: Status) -> Record:
    """Fetch what the run wrote so far, and store its state."""
    if status.state == "absent":
        raise RunNotEnded(
            f"{record.host} knows nothing of {record.id}", remedy="was its ~/.piyard removed?"
        )
    folder = folder_of(record.id)
    is_over = status.state in {"ended", "interrupted"}
    detached.fetch(line.session, record.id, folder, keep={RECORD, f".{RECORD}"})
    done = msgspec.structs.replace(
        record,
        state=_state(status),
        exit_code=status.code,
        after=facts.read(line.session) if is_over else None,
        governor=governors.read(folder),
    )
    store_record(done)
    if is_over:
        detached.mark_fetched(line.session, record.id)
    return done


def folder_of(run_id: str) -> Path:
    """Where a run is kept."""
    return paths.artifacts() / SHELF / run_id


def store_record(record: Record) -> None:
    """Write run.json by one rename."""
    with whole.draft(folder_of(record.id) / RECORD) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def _wait(line: Line, record: Record, progress: say.Step) -> Status:
    def show(status: Status) -> None:
        stop.check()
        progress.update(status.seconds, None, f"{status.seconds} s there, {status.lines} lines")

    return detached.wait(line.reconnect, line.session, record.id, show)


def _state(status: Status) -> State:
    if status.state == "interrupted":
        return "interrupted"
    if status.state != "ended":
        return "running"
    return WHY.get(status.why, "ended")


def _reached_its_end(done: Record) -> bool:
    """Whether nnrun went through all inputs, though it could not read some."""
    if done.exit_code != UNREADABLE_INPUT:
        return False
    try:
        return log.read(folder_of(done.id) / LOG).summary is not None
    except UnreadableLog:
        return False


def require_well(line: Line, done: Record) -> None:
    """Raise the error of a run that is over and failed."""
    folder = folder_of(done.id)
    if done.state == "interrupted":
        raise RunNotEnded(
            f"{done.host} lost {done.id}: it was restarted, or its processes were killed",
            remedy=_after_a_loss(done),
            interrupted=True,
        )
    if done.state == "limit":
        raise BoardCommandFailed(
            f"{done.host}: nnrun was ended after {done.limit_s} s",
            evidence=_tail(folder / STDERR),
            remedy="give it more time (--limit), or less to do (--loops, --input)",
        )
    if done.state == "cancelled":
        raise RunNotEnded(f"{done.id} was cancelled", remedy=f"what it wrote is in {folder}")
    if done.state == "full":
        raise BoardDiskFull(
            f"{done.host}: the board's disk was full before {done.id} ended",
            evidence=_tail(folder / STDERR),
            remedy=f"free some room there (invoke fleet.gc --host {line.name} removes old "
            f"releases), then run it again; what it wrote is in {folder}",
        )
    if done.exit_code:
        raise _failed(line, done, folder)


def _after_a_loss(done: Record) -> str:
    retry = "--retry 1 runs it again"
    if done.emulated:
        return f"was its container stopped, or this machine short of memory? {retry}"
    return f"is the power supply strong enough? {retry}"


def _failed(line: Line, done: Record, folder: Path) -> PiyardError:
    stderr = _tail(folder / STDERR)
    if "No space left on device" in stderr:
        return disk_full(line.name, stderr)
    return BoardCommandFailed(
        f"{line.name}: 'nnrun' failed (exit code {done.exit_code})",
        evidence=stderr,
        remedy=f"what it wrote is in {folder}",
    )


def _tail(file: Path) -> str:
    try:
        return file.read_text(errors="replace")[-2000:]
    except OSError:
        return ""


def _paid(line: Line) -> Paid | None:
    entry = line.entry
    if entry.price is None:
        return None
    return Paid(price=entry.price, date=entry.price_date.isoformat() if entry.price_date else "")


def _of_conversion(conversion: Conversion) -> dict[str, Any]:
    keys = ("title", "task", "input", "params", "macs", "main", "weights", "versions")
    info = {name: conversion.manifest.get(name) for name in keys}
    return {"name": conversion.name, "key": conversion.key} | info


def _of_build(build: Build) -> dict[str, Any]:
    keys = ("ncnn", "compilers", "flags")
    return {"key": build.key} | {name: build.manifest[name] for name in keys}

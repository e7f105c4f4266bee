"""Job → Run: nnrun on a board, its raw log fetched into ``artifacts/runs/<id>/``.

A run's folder holds ``run.json`` (what was run, on what, with what outcome), ``log.jsonl`` (nnrun's
own lines), ``stderr.txt`` and ``outputs/``. A failed run keeps its folder.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from piyard import facts, paths, say
from piyard.board import Board
from piyard.build import Build
from piyard.convert import Conversion
from piyard.deploy import HOME, Release, release_of
from piyard.errors import BoardCommandFailed, BoardDiskFull, PiyardError
from piyard.facts import Facts
from piyard.ssh import Outcome, Session

SHELF = "runs"
RECORD = "run.json"
LOG, STDERR, OUTPUTS = "log.jsonl", "stderr.txt", "outputs"
MODEL_FILES = ("model.ncnn.param", "model.ncnn.bin", "labels.txt")

# $1 run folder; then the command. Its output stays on the board until it is fetched.
RUN = r"""
mkdir -p "$1/outputs" && cd "$1" || exit 1
shift
"$@" > log.jsonl 2> stderr.txt
code=$?
tail -n 5 stderr.txt >&2
exit $code
"""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Each output blob against torch's, and whether the model's threshold is met."""

    ok: bool
    threshold: float
    """The cosine asked for, by the precision that was really computed."""
    cosine: dict[str, float]
    max_abs: dict[str, float | None]
    """None where an output is not finite."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """run.json: everything about a run that nnrun does not say itself."""

    schema: int = 1
    id: str
    when: str
    """UTC, ISO 8601."""
    what: dict[str, Any]
    """The job, or the task and its input."""
    host: str
    target: str
    hardware: str
    emulated: bool
    model: dict[str, Any]
    """Title, key, params, MACs, weights of the conversion."""
    build: dict[str, Any]
    """Key, ncnn, compilers and flags of nnrun."""
    release: str
    before: Facts
    after: Facts | None = None
    exit_code: int | None = None
    check: Check | None = None


def release_for(build: Build, conversion: Conversion) -> Release:
    """What the board needs to run that model."""
    return release_of((build.folder, ["nnrun"]), (conversion.folder, MODEL_FILES))


def new_record(
    board: Board,
    before: Facts,
    build: Build,
    conversion: Conversion,
    *,
    slug: str,
    what: dict[str, Any],
) -> Record:
    """The record of a run that is about to start."""
    now = datetime.now(timezone.utc)
    return Record(
        id=f"{now:%Y%m%dT%H%M%S}-{slug}-{secrets.token_hex(3)}",
        when=now.isoformat(timespec="seconds"),
        what=what,
        host=board.name,
        target=board.target_name,
        hardware=board.hardware,
        emulated=board.emulated,
        model=_of_conversion(conversion),
        build=_of_build(build),
        release=release_for(build, conversion).id,
        before=before,
    )


def execute(
    session: Session, record: Record, verb: str, arguments: Sequence[str], *, limit_s: int
) -> Record:
    """Run nnrun on the board and fetch what it wrote; the record tells how it ended.

    Raises nnrun's own line as ``BoardCommandFailed`` after everything was fetched.
    """
    folder = folder_of(record.id)
    store_record(record)
    remote = f"{HOME}/runs/{record.id}"
    release = f"../../releases/{record.release}"
    argv = [f"{release}/nnrun", verb, *(_at_release(release, a) for a in arguments)]
    command = ["sh", "-c", RUN, "piyard", remote, *argv]
    try:
        with say.step(f"{record.what.get('slug', verb)} on {record.host}") as progress:
            outcome = session.run(command, limit_s=limit_s, check=False)
            progress.well = outcome.code == 0
    finally:
        _fetch(session, remote, folder)
    done = msgspec.structs.replace(record, exit_code=outcome.code, after=facts.read(session))
    store_record(done)
    if outcome.code:
        raise _failed(session, argv, outcome, folder)
    return done


def push_inputs(session: Session, record: Record, inputs: Mapping[str, Path]) -> None:
    """Send a task's input files into the run's folder on the board."""
    remote = f"{HOME}/runs/{record.id}/inputs"
    session.run(["mkdir", "-p", remote])
    with say.step(f"send {len(inputs)} inputs to {session.name}") as progress:
        for done, (name, path) in enumerate(inputs.items(), 1):
            session.put(path, f"{remote}/{name}", lambda _sent, _all: None)
            progress.update(done, len(inputs))


def folder_of(run_id: str) -> Path:
    """Where a run is kept."""
    return paths.artifacts() / SHELF / run_id


def store_record(record: Record) -> None:
    """Write run.json by one rename."""
    folder = folder_of(record.id)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{RECORD}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    draft.rename(folder / RECORD)


def _at_release(release: str, argument: str) -> str:
    """A model file's name becomes its path seen from the run's folder."""
    return f"{release}/{argument}" if argument in MODEL_FILES else argument


def _fetch(session: Session, remote: str, folder: Path) -> None:
    session.get(f"{remote}/{LOG}", folder / LOG)
    session.get(f"{remote}/{STDERR}", folder / STDERR)
    for name in session.list(f"{remote}/{OUTPUTS}"):
        session.get(f"{remote}/{OUTPUTS}/{name}", folder / OUTPUTS / Path(name).name)


def _failed(session: Session, argv: Sequence[str], outcome: Outcome, folder: Path) -> PiyardError:
    error = session.failure([Path(argv[0]).name], outcome)
    if isinstance(error, BoardDiskFull):
        return error
    remedy = f"what it wrote is in {folder}"
    return BoardCommandFailed(error.what, evidence=error.evidence, remedy=remedy)


def _of_conversion(conversion: Conversion) -> dict[str, Any]:
    wanted = ("title", "task", "input", "params", "macs", "weights", "versions")
    told = {name: conversion.manifest.get(name) for name in wanted}
    return {"name": conversion.name, "key": conversion.key} | told


def _of_build(build: Build) -> dict[str, Any]:
    wanted = ("ncnn", "compilers", "flags")
    return {"key": build.key} | {name: build.manifest[name] for name in wanted}

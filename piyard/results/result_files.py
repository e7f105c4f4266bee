"""Results as files: ``artifacts/results/<run>.json``, each complete or absent whatever is killed.

A result is written to a draft beside its place, forced to the disk, and renamed over it. A run
from before there were such files is read from its folder.
"""

from __future__ import annotations

import os
import secrets
import time
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from piyard.core import paths
from piyard.core.errors import PROGRAM, NotSetUp, UnreadableLog, WrongInput
from piyard.results.derive import verdict_of
from piyard.results.result import SCHEMA, Result, read_run_result, require_result
from piyard.run.run_folders import RECORD_FILE, RUNS_FOLDER, run_folder

RESULTS_FOLDER = "results"
RESULT_SUFFIX = ".json"
DRAFT_PREFIX = "."
"""What the name of a result's draft begins with."""
STALE_DRAFT_S = 3600
"""A draft this old belongs to a process that was killed."""


def results_folder() -> Path:
    """The folder of all results."""
    return paths.artifacts() / RESULTS_FOLDER


def result_file(run_id: str) -> Path:
    """The file of that run's result, there or not."""
    return results_folder() / f"{run_id}{RESULT_SUFFIX}"


def index_file() -> Path:
    """The index over them; it may be removed at any time."""
    return paths.artifacts() / "results.sqlite"


def remove_stale_draft(draft: Path) -> None:
    """Remove a draft that a killed process left; one that is being written stays."""
    with suppress(OSError):
        if time.time() - draft.stat().st_mtime > STALE_DRAFT_S:
            draft.unlink()


class FileStamp(NamedTuple):
    """What changes when a file is rewritten; a rename always brings another inode."""

    folder: str
    """``results`` or ``runs``."""
    mtime_ns: int
    size: int
    inode: int


def scan_stamps() -> dict[str, FileStamp]:
    """The stamp of each run that has a result file, or else a folder; sweeps old drafts."""
    stamps = dict(_scan_results())
    return stamps | dict(_scan_runs(stamps.keys()))


def _scan_results() -> Iterator[tuple[str, FileStamp]]:
    for entry in _scan_folder(RESULTS_FOLDER):
        if entry.name.startswith(DRAFT_PREFIX):
            remove_stale_draft(Path(entry.path))
        elif entry.name.endswith(RESULT_SUFFIX) and (stamp := _read_stamp(RESULTS_FOLDER, entry)):
            yield entry.name.removesuffix(RESULT_SUFFIX), stamp


def _scan_runs(indexed: Collection[str]) -> Iterator[tuple[str, FileStamp]]:
    for entry in _scan_folder(RUNS_FOLDER):
        if entry.name not in indexed and (
            stamp := _read_stamp(RUNS_FOLDER, Path(entry.path) / RECORD_FILE)
        ):
            yield entry.name, stamp


def _scan_folder(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(paths.artifacts() / folder) as entries:
            yield from entries
    except FileNotFoundError:
        return


def _read_stamp(folder: str, file: os.DirEntry[str] | Path) -> FileStamp | None:
    """None for a file that vanished while the folder was read, or was never there."""
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileStamp(folder, status.st_mtime_ns, status.st_size, status.st_ino)


TIMESTAMP_LENGTH = len("20261120T120000")
"""An id begins with the time at which the run was started; a shorter start is not readable."""


def resolve_run_id(start: str, runs: Sequence[str]) -> str:
    """The one of the runs (in order) that begins so; raises ``WrongInput`` for none or several."""
    first = bisect_left(runs, start)
    if runs[first : first + 1] == [start]:
        return start
    matches = [run for run in runs[first : first + 2] if run.startswith(start)]
    if not start or not matches:
        raise WrongInput(
            f"no stored result is named '{start}'", remedy=f"{PROGRAM} history lists them"
        )
    if len(matches) > 1:
        raise WrongInput(
            f"several results begin with '{start}'",
            evidence="\n".join(matches),
            remedy="write more of the id",
        )
    return matches[0]


def short_run_id(run: str, runs: Sequence[str]) -> str:
    """The shortest start of its id that is unique among the runs (in order), at least its time."""
    at = bisect_left(runs, run)
    beside = (*runs[max(0, at - 1) : at], *runs[at + 1 : at + 2])
    return run[
        : max([TIMESTAMP_LENGTH, *(_common_prefix_length(run, other) + 1 for other in beside)])
    ]


def _common_prefix_length(a: str, b: str) -> int:
    """The length of the common prefix."""
    for at, (letter, other) in enumerate(zip(a, b, strict=False)):
        if letter != other:
            return at
    return min(len(a), len(b))


class _SchemaVersion(msgspec.Struct, frozen=True):
    schema: int


def save_result(measured: Result) -> Path:
    """Store a result durably: after this returns it survives a kill and a power cut.

    Raises ``UnreadableLog``, before anything is touched, for one that could not be read again,
    and ``NotSetUp`` where nothing can be written.
    """
    final = result_file(measured.record.id)
    content = msgspec.json.encode(measured) + b"\n"
    decode_result(content, str(final))
    try:
        _write_durably(final, content)
    except OSError as error:
        raise NotSetUp(
            f"{final} cannot be written: {error.strerror}",
            remedy=f"make room, then {PROGRAM} attach {measured.record.id}: its samples are kept",
        ) from None
    return final


def load_result(run_id: str) -> Result:
    """The result of a run, of whatever schema; raises ``UnreadableLog``."""
    file, folder = result_file(run_id), run_folder(run_id)
    if folder.is_dir() and not file.exists():
        return upgrade_run_folder(folder)
    return read_result_file(file)


def read_result_file(file: Path) -> Result:
    """The result in a file; raises ``UnreadableLog``."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableLog(f"{file} cannot be read: {error.strerror}") from None
    return require_result(decode_result(content, str(file)), str(file))


def decode_result(content: bytes, where: str) -> Result:
    """The result in the bytes of a file; ``where`` names it in errors."""
    try:
        _require_known_schema(msgspec.json.decode(content, type=_SchemaVersion).schema, where)
        return msgspec.json.decode(content, type=Result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableLog(
            f"{where} is not a complete result: {error}", remedy="move it away, and measure again"
        ) from None


def _require_known_schema(schema: int, where: str) -> None:
    if schema > SCHEMA:
        raise UnreadableLog(
            f"{where} was made by a newer piyard: its schema is {schema}, this one knows {SCHEMA}",
            remedy="update piyard",
        )
    if schema != SCHEMA:
        raise UnreadableLog(f"{where} has schema {schema}, which was never kept in such a file")


def _write_durably(final: Path, content: bytes) -> None:
    _create_folder(final.parent)
    draft = final.with_name(f"{DRAFT_PREFIX}{final.name}.{secrets.token_hex(6)}")
    try:
        _write_synced(draft, content)
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(final.parent)


def _create_folder(place: Path) -> None:
    if not place.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        _sync_folder(place.parent)


def _write_synced(draft: Path, content: bytes) -> None:
    with draft.open("xb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(place: Path) -> None:
    """Sync a folder, as a rename is a change to it."""
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def upgrade_run_folder(folder: Path) -> Result:
    """The result in a run's folder, as of today's schema; raises ``UnreadableLog``.

    It was never judged, so it is judged now, by what the folder holds.
    """
    read = read_run_result(folder)
    return msgspec.structs.replace(read, verdict=verdict_of(read))

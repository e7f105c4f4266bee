"""Results as files: ``artifacts/results/<run>.json``, each complete or absent whatever is killed.

A result is written to a draft beside its place, forced to the disk, and renamed over it. A run
from before there were such files is read from its folder (see upgrade.py).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from piyard import result, run
from piyard.errors import NotSetUp, UnreadableLog
from piyard.history import places, upgrade
from piyard.result import SCHEMA, Result


class _Version(msgspec.Struct, frozen=True):
    schema: int


def save(measured: Result) -> Path:
    """Store a result durably: after this returns it survives a kill and a power cut.

    Raises ``UnreadableLog``, before anything is touched, for one that could not be read again,
    and ``NotSetUp`` where nothing can be written.
    """
    final = places.result_of(measured.record.id)
    content = msgspec.json.encode(measured) + b"\n"
    decode(content, str(final))
    try:
        _put(final, content)
    except OSError as error:
        raise NotSetUp(
            f"{final} cannot be written: {error.strerror}",
            remedy=f"make room, then invoke attach {measured.record.id}: its samples are kept",
        ) from None
    return final


def load(run_id: str) -> Result:
    """The result of a run, of whatever schema; raises ``UnreadableLog``."""
    file, folder = places.result_of(run_id), run.folder_of(run_id)
    if folder.is_dir() and not file.exists():
        return upgrade.from_folder(folder)
    return read(file)


def read(file: Path) -> Result:
    """The result in a file; raises ``UnreadableLog``."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableLog(f"{file} cannot be read: {error.strerror}") from None
    return result.require(decode(content, str(file)), str(file))


def decode(content: bytes, where: str) -> Result:
    """The result in the bytes of a file; ``where`` names it in errors."""
    try:
        _require_known(msgspec.json.decode(content, type=_Version).schema, where)
        return msgspec.json.decode(content, type=Result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableLog(
            f"{where} is not a complete result: {error}", remedy="move it away, and measure again"
        ) from None


def _require_known(schema: int, where: str) -> None:
    if schema > SCHEMA:
        raise UnreadableLog(
            f"{where} was made by a newer piyard: its schema is {schema}, this one knows {SCHEMA}",
            remedy="update piyard",
        )
    if schema != SCHEMA:
        raise UnreadableLog(f"{where} has schema {schema}, which was never kept in such a file")


def _put(final: Path, content: bytes) -> None:
    _make_folder(final.parent)
    draft = final.with_name(f"{places.DRAFT}{final.name}.{secrets.token_hex(6)}")
    try:
        _write_through(draft, content)
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    _settle(final.parent)


def _make_folder(place: Path) -> None:
    if not place.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        _settle(place.parent)


def _write_through(draft: Path, content: bytes) -> None:
    with draft.open("xb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _settle(place: Path) -> None:
    """Sync a folder, as a rename is a change to it."""
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

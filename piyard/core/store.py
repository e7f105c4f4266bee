"""Content-addressed folders under artifacts/, each made once, and file locks.

``<artifacts>/<shelf>/<key>/`` holds the files and ``manifest.json``; it appears by one rename. The
kernel releases a lock whatever happens to its holder, who writes itself into the lock's file.

"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, ClassVar, Literal, TypeVar

import msgspec

from piyard.core import console, paths
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import UnreadableLog
from piyard.core.files import disk_errors_at, sha256_of_file, sha256_of_value
from piyard.core.parsing import Count, Text

MANIFEST = "manifest.json"
KEY_LENGTH = 16


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an artifact, as its manifest lists it."""

    sha256: str
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What manifest.json says of an artifact besides its files; each shelf has its own type.

    Its schema is not written before it is 2: the same inputs give the same bytes as ever.
    """

    SCHEMA: ClassVar[int] = 1


class NetSize(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters, and multiply-accumulates of one inference."""

    params: Count
    macs: Count


class WeightsInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Weights as manifests and records keep them: what decides the values, then the file's origin.

    Only ``kind`` and ``seed`` of random ones, and only ``kind`` and ``sha256`` in a key.
    """

    dataset: Text | None = None
    kind: Literal["file", "random"]
    licence: Text | None = None
    seed: Count | None = None
    sha256: Text = ""
    sha256_is: Text = ""
    """How the digest came about, where nobody publishes one."""
    source: Text | None = None
    url: Text | None = None


M = TypeVar("M", bound=Manifest)


class _Listing(msgspec.Struct, frozen=True):
    """What every manifest has."""

    files: dict[str, StoredFile]
    schema: int = 1


def key_of(inputs: object) -> str:
    """The key of the artifact that these inputs make."""
    return sha256_of_value(msgspec.to_builtins(inputs))[:KEY_LENGTH]


def artifact_folder(shelf: str, key: str) -> Path:
    """The folder of that key, whether it exists or not."""
    return paths.artifacts() / shelf / key


def find_artifact(shelf: str, key: str) -> Path | None:
    """The folder of that key when it exists and is complete, else None."""
    folder = artifact_folder(shelf, key)
    return folder if _is_complete(folder) else None


def read_manifest(folder: Path, type_: type[M]) -> M:
    """The manifest of an artifact; raises ``UnreadableLog`` for a damaged or a newer one."""
    file = folder / MANIFEST
    try:
        content = file.read_bytes()
        schema = msgspec.json.decode(content, type=_Listing).schema
        if schema > type_.SCHEMA:
            raise UnreadableLog(
                f"{file} is of a newer piyard: its schema is {schema}", remedy="update piyard"
            )
        return msgspec.json.decode(content, type=type_)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged_manifest(file, error) from None


def read_files(folder: Path) -> dict[str, StoredFile]:
    """The files of an artifact by their path in it; raises ``UnreadableLog``."""
    file = folder / MANIFEST
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Listing).files
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged_manifest(file, error) from None


def _damaged_manifest(file: Path, error: Exception) -> UnreadableLog:
    return UnreadableLog(
        f"{file} is damaged: {error}", remedy="remove its folder: what was in it is made again"
    )


def get_or_make(shelf: str, key: str, make: Callable[[Path], Manifest]) -> tuple[Path, bool]:
    """The folder of ``key``, and True when it had to be made.

    ``make`` fills an empty folder and returns the manifest; when it raises, nothing is left.
    """
    if folder := find_artifact(shelf, key):
        return folder, False
    with _locked(artifact_folder(shelf, key)):
        if folder := find_artifact(shelf, key):
            return folder, False
        return make_at(artifact_folder(shelf, key), make), True


def make_at(final: Path, make: Callable[[Path], Manifest]) -> Path:
    """A folder with its manifest, as ``get_or_make`` fills it, at any path and without a lock."""
    draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        with disk_errors_at(final, draft):
            draft.chmod(0o755)
            (draft / MANIFEST).write_text(_encode_manifest(make(draft), draft))
            shutil.rmtree(final, ignore_errors=True)
            draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def _encode_manifest(manifest: Manifest, folder: Path) -> str:
    schema = {"schema": manifest.SCHEMA} if manifest.SCHEMA > 1 else {}
    content = {**msgspec.to_builtins(manifest), **schema, "files": _list_files(folder)}
    return json.dumps(content, indent=2, sort_keys=True, default=msgspec.to_builtins) + "\n"


def _list_files(folder: Path) -> dict[str, StoredFile]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): StoredFile(
            sha256=sha256_of_file(path), bytes=path.stat().st_size
        )
        for path in files
    }


def _is_complete(folder: Path) -> bool:
    """Whether all files of the manifest exist with their size (digests are checked on use)."""
    try:
        files = read_files(folder).items()
        return all((folder / name).stat().st_size == file.bytes for name, file in files)
    except (OSError, UnreadableLog):
        return False


def _locked(final: Path) -> AbstractContextManager[None]:
    """One process makes a key: a second one waits, then finds the folder."""
    final.parent.mkdir(parents=True, exist_ok=True)
    return file_lock(paths.artifacts() / ".locks" / f"{final.parent.name}-{final.name}")


LOCK_POLL_S = 0.1
SILENT_WAIT_S = 1.0
"""A longer wait is reported."""


class LockHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that holds a lock."""

    pid: int
    command: str
    since: str
    """Local time of this machine, ISO 8601."""

    def __str__(self) -> str:
        return f"'{self.command}' (process {self.pid}, since {self.since})"


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Wait until nobody else holds the lock of that file, and hold it.

    A wait of more than a second names the holder on standard error; Ctrl-C ends it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b", buffering=0) as handle:
        _acquire(handle, file)
        _write_holder(handle)
        try:
            yield
        finally:
            with suppress(OSError):
                handle.truncate(0)


def _acquire(handle: BinaryIO, file: Path) -> None:
    began, reported = time.monotonic(), ""
    while not _try_lock(handle):
        raise_if_requested()
        if (
            time.monotonic() > began + SILENT_WAIT_S
            and (holder := _read_holder(handle)) != reported
        ):
            reported = holder
            console.info(f"waiting for {holder}, which holds {file}; Ctrl-C stops")
        time.sleep(LOCK_POLL_S)


def _try_lock(handle: BinaryIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(handle: BinaryIO) -> None:
    """Write the holder into the file; on a full disk the lock is held all the same."""
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    holder = LockHolder(pid=os.getpid(), command=_command_line(), since=now)
    with suppress(OSError):
        handle.truncate(0)
        handle.write(msgspec.json.encode(holder))


def _command_line() -> str:
    """The command line of this process."""
    program, *arguments = sys.argv or [""]
    text = " ".join([Path(program).name, *arguments])[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _read_holder(handle: BinaryIO) -> str:
    """The holder that the file names; empty for a thread of our own."""
    handle.seek(0)
    try:
        holder = msgspec.json.decode(handle.read(10_000), type=LockHolder)
    except (msgspec.DecodeError, OSError):
        return "another process"  # of an older piyard, or on a full disk
    return "" if holder.pid == os.getpid() else str(holder)

"""A release: the files of one folder on a board, named after their content, and their transfer.

They travel as one compressed stream: before each file a line ``sha256 size``, at the end ``end 0``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard import digest, store
from piyard.errors import WrongInput

HOME = ".piyard"
"""Everything piyard keeps on a board, in the login folder."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a release: its name on the board, and the local file it is copied from."""

    name: str
    path: Path
    sha256: str
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        outside = self.name in {"", ".", ".."} or "/" in self.name or "\0" in self.name
        if outside or not _can_be_a_name(self.name):
            raise WrongInput(f"{self.name!r} cannot be a file of a release", remedy="rename it")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Files that belong together on a board."""

    files: list[File]
    label: str = ""
    """A description for people."""

    @property
    def id(self) -> str:
        """A digest of names and contents."""
        return store.key_of({_plain(file.name): file.sha256 for file in self.files})

    @property
    def folder(self) -> str:
        """Where it is on the board, relative to the login folder."""
        return f"{HOME}/releases/{self.id}"

    @property
    def title(self) -> str:
        """The label as one line of plain text, or a dash."""
        return " ".join("".join(c if c.isprintable() else " " for c in self.label).split()) or "-"

    @property
    def digests(self) -> list[str]:
        """Name and sha256 of each file, one after the other."""
        return [part for file in self.files for part in (file.name, file.sha256)]


def release_of(*folders: tuple[Path, Sequence[str]], label: str = "") -> Release:
    """The release of these files of these artifacts, with the digests of their manifests."""
    files = [
        File(name=name, path=folder / name, sha256=f["sha256"], size=f["bytes"])
        for folder, names in folders
        for name in names
        for f in [store.manifest(folder)["files"][name]]
    ]
    return Release(files=files, label=label)


def release_of_paths(paths: Mapping[str, Path], label: str = "") -> Release:
    """The release of these files, by the names that they have there."""
    files = [
        File(name=name, path=path, sha256=digest.of_file(path), size=path.stat().st_size)
        for name, path in paths.items()
    ]
    return Release(files=files, label=label)


def _can_be_a_name(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _plain(name: str) -> str:
    """A name that is not UTF-8 as text that can be hashed."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")

"""What an index of pictures lacks of the files that there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.core.files import sha256_of_file
from piyard.predict.picture_index import FoundPicture, IndexedPicture, PictureIndex


class IndexChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What an index lacks of the pictures that there are."""

    added: list[FoundPicture]
    """Their contents are not in it, each once."""
    moved: list[IndexedPicture]
    """Rows whose picture is elsewhere now, or is there again."""
    gone: list[IndexedPicture]
    """Rows whose file is not there any more."""
    indexed: int
    """Pictures that are in it already."""


def compare_with_files(
    index: PictureIndex | None, files: Sequence[Path], folders: Sequence[Path]
) -> IndexChanges:
    """What is new, elsewhere or gone; what lies outside of ``folders`` is left alone.

    A file of the size and the time that the index has is not read again.
    """
    pictures = index.pictures if index else []
    by_path = {each.path: each for each in pictures}
    added: dict[str, FoundPicture] = {}
    moved: dict[int, IndexedPicture] = {}
    kept: set[int] = set()
    for file in files:
        candidate = _find(file, by_path.get(str(file)))
        row = index.find(candidate.sha256) if index else None
        if row is None:
            added.setdefault(candidate.sha256, candidate)
        elif row.row not in kept:
            kept.add(row.row)
            if row.gone or (row.path != str(file) and not Path(row.path).is_file()):
                moved[row.row] = candidate.at_row(row.row)
    gone = [
        msgspec.structs.replace(each, gone=True)
        for each in pictures
        if each.row not in kept and _is_within(each.path, folders)
    ]
    indexed = len(kept) - len(moved)
    return IndexChanges(
        added=list(added.values()), moved=list(moved.values()), gone=gone, indexed=indexed
    )


def _find(file: Path, indexed: IndexedPicture | None) -> FoundPicture:
    status = file.stat()
    same = indexed and (indexed.size, indexed.changed_ns) == (status.st_size, status.st_mtime_ns)
    return FoundPicture(
        file=file,
        sha256=indexed.sha256 if indexed and same else sha256_of_file(file),
        size=status.st_size,
        changed_ns=status.st_mtime_ns,
    )


def _is_within(path: str, folders: Sequence[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)

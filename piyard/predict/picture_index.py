"""An index of pictures by their embeddings: it grows, resumes, and is searched on the desktop.

A folder with three files. ``head.json`` says which model and conversion its rows are of.
``rows.f16`` has a row of unit length for each picture, fp16, little-endian; rows are only appended.
``pictures.jsonl`` says what they are, a line a change: a row's picture by the sha256 of its
content, its path, its size and time; a later line about a row replaces an earlier one. A row is on
the disk before its line is, so whatever ends the program, what the lines say is there. On a full
disk what was there stays, and the next line is written where the last whole one ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.files import disk_errors_at, write_text
from piyard.core.store import file_lock

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


HEAD_FILE, ROWS_FILE, PICTURES_FILE = "head.json", "rows.f16", "pictures.jsonl"
LOCK_FILE = ".lock"
SCHEMA = 1
ROW_BYTES = 2
"""Of a value."""
BLOCK_ROWS = 4096
"""Rows that are turned into fp32 at once."""


class IndexHead(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows are: those of another model mean nothing beside them."""

    schema: int = SCHEMA
    model: str
    conversion: str
    """Its key, which decides every bit of it."""
    weights: str
    """The first digits of their sha256, or ``random``."""
    values: int
    """In a row."""


class IndexedPicture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a row."""

    row: int
    sha256: str
    path: str
    size: int
    changed_ns: int
    """Of the file, as its modification time."""
    gone: bool = False
    """Whether the file was not there any more when its folder was indexed."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that was found."""

    path: str
    score: float
    """The cosine."""
    sha256: str


class PictureIndex:
    """An index in a folder; open it with ``open_index``."""

    def __init__(self, folder: Path, head: IndexHead) -> None:
        self.folder, self.head = folder, head
        self._pictures: dict[int, IndexedPicture] = {}
        self._rows = 0
        self._noted = 0
        """Bytes of whole lines."""
        self._read()

    @property
    def pictures(self) -> list[IndexedPicture]:
        """Those that are there."""
        return [each for each in self._pictures.values() if not each.gone]

    @property
    def gone(self) -> list[IndexedPicture]:
        """Those whose file is gone."""
        return [each for each in self._pictures.values() if each.gone]

    def find(self, sha256: str) -> IndexedPicture | None:
        """The picture of that content, whether its file is there or not."""
        return self._by_content().get(sha256)

    def row(self, picture: IndexedPicture) -> Floats:
        """Its embedding, of length 1."""
        import numpy as np

        values: Floats = np.asarray(self._matrix()[picture.row], np.float32)
        return values

    def add(self, encoded: Sequence[tuple[FoundPicture, Floats]]) -> None:
        """Append a row for each of these pictures, then the lines that say so."""
        import numpy as np

        if not encoded:
            return
        unit = np.stack([_normalise(values) for _, values in encoded]).astype("<f2")
        if unit.shape[1] != self.head.values:
            raise WrongInput(
                f"embeddings of {unit.shape[1]} values do not fit the {self.head.values} of the "
                f"index {self.folder}"
            )
        first = self._rows
        with disk_errors_at(self.folder):
            with (self.folder / ROWS_FILE).open("r+b") as stream:
                stream.seek(first * self._row_bytes)
                stream.write(unit.tobytes())
                _flush(stream)
            self._rows += len(encoded)
            self._note([each.at_row(first + place) for place, (each, _) in enumerate(encoded)])

    def change(self, pictures: Iterable[IndexedPicture]) -> None:
        """Say something else of rows that are there."""
        if changed := list(pictures):
            with disk_errors_at(self.folder):
                self._note(changed)

    def search(self, vector: Floats, count: int, without: str = "") -> list[Hit]:
        """The nearest pictures, by the cosine; ``without`` is a content that is left out."""
        import numpy as np

        there = [each for each in self.pictures if each.sha256 != without]
        if not there:
            return []
        scores = self._scores(_normalise(vector))[[each.row for each in there]]
        best = np.argsort(-scores, kind="stable")[:count]
        return [
            Hit(path=there[at].path, score=float(scores[at]), sha256=there[at].sha256)
            for at in best
        ]

    def _scores(self, unit: Floats) -> Floats:
        """The cosine with every row."""
        import numpy as np

        matrix, scores = self._matrix(), np.empty(self._rows, np.float32)
        for begin in range(0, self._rows, BLOCK_ROWS):
            block = matrix[begin : begin + BLOCK_ROWS].astype(np.float32)
            scores[begin : begin + BLOCK_ROWS] = block @ unit
        return scores

    def _matrix(self) -> Any:
        import numpy as np

        shape = (self._rows, self.head.values)
        return np.memmap(self.folder / ROWS_FILE, "<f2", "r", shape=shape)

    def _by_content(self) -> Mapping[str, IndexedPicture]:
        return {each.sha256: each for each in self._pictures.values()}

    @property
    def _row_bytes(self) -> int:
        return self.head.values * ROW_BYTES

    def _read(self) -> None:
        """The lines, up to one that was not written to its end, and the rows they speak of."""
        file = self.folder / PICTURES_FILE
        whole, newline, _ = file.read_bytes().rpartition(b"\n")
        self._noted = len(whole + newline)
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                picture = msgspec.json.decode(line, type=IndexedPicture)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UnreadableLog(
                    f"{file}:{number} is damaged: {error}",
                    remedy="remove that line, or the folder: indexing again makes it anew",
                ) from None
            self._pictures[picture.row] = picture
        self._rows = max(self._pictures, default=-1) + 1
        there = (self.folder / ROWS_FILE).stat().st_size // self._row_bytes
        if there < self._rows:
            raise UnreadableLog(
                f"{self.folder / ROWS_FILE} has {there} rows, and {self._rows} are listed",
                remedy="remove the folder: indexing again makes it anew",
            )

    def _note(self, pictures: Sequence[IndexedPicture]) -> None:
        """Write lines over what a full disk, or the end of a program, has left of others."""
        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in pictures)
        with (self.folder / PICTURES_FILE).open("r+b") as stream:
            stream.truncate(self._noted)
            stream.seek(self._noted)
            stream.write(lines)
            _flush(stream)
        self._noted += len(lines)
        self._pictures |= {each.row: each for each in pictures}


class FoundPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that is to be indexed."""

    file: Path
    sha256: str
    size: int
    changed_ns: int

    def at_row(self, row: int) -> IndexedPicture:
        """What is known of its row."""
        return IndexedPicture(
            row=row,
            sha256=self.sha256,
            path=str(self.file),
            size=self.size,
            changed_ns=self.changed_ns,
        )


@contextmanager
def lock_index(folder: Path) -> Iterator[None]:
    """One program at a time changes an index."""
    with disk_errors_at(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / LOCK_FILE):
        yield


def open_index(folder: Path, head: IndexHead | None = None) -> PictureIndex:
    """The index in the folder, which is made with that head where there is none.

    Raises ``WrongInput`` where there is none and no head, and for one of another model.
    """
    file = folder / HEAD_FILE
    if not file.is_file():
        if head is None:
            raise WrongInput(f"there is no index in {folder}", remedy="make one: index --input …")
        with disk_errors_at(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name in (ROWS_FILE, PICTURES_FILE):
                (folder / name).touch()
        write_text(file, msgspec.json.encode(head).decode() + "\n")
    own = read_head(folder)
    if head is not None and head != own:
        raise WrongInput(_describe_difference(folder, own, head), remedy=OTHER_INDEX)
    return PictureIndex(folder, own)


OTHER_INDEX = "name another folder: --index FOLDER; or remove this one, and index again"


def read_head(folder: Path) -> IndexHead:
    """What an index is of; raises ``UnreadableLog``."""
    file = folder / HEAD_FILE
    try:
        head = msgspec.json.decode(file.read_bytes(), type=IndexHead)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableLog(f"{file} is damaged: {error}", remedy=OTHER_INDEX) from None
    if head.schema > SCHEMA:
        raise UnreadableLog(f"{file} is of a newer piyard", remedy="update piyard")
    return head


def _describe_difference(folder: Path, own: IndexHead, other: IndexHead) -> str:
    if own.model != other.model:
        return f"the index {folder} is of {own.model}, whose rows mean nothing to {other.model}"
    if own.weights != other.weights:
        return (
            f"the index {folder} is of {own.model} with other weights: {own.weights}, and not "
            f"{other.weights}"
        )
    return f"the index {folder} is of another conversion of {own.model}: {own.conversion}"


def _normalise(values: Floats) -> Floats:
    import numpy as np

    flat = values.ravel().astype(np.float64)
    unit: Floats = (flat / (float(np.linalg.norm(flat)) or 1.0)).astype(np.float32)
    return unit


def _flush(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())

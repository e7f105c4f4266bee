"""Which files of a folder are pictures, and which of them cannot be read."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from piyard.errors import WrongInput

ENDINGS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
        *(".gif", ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
"""Of the formats that are read; of an animation the first frame."""
UNREADABLE = frozenset(
    {
        *(".heic", ".heif", ".jxl", ".svg", ".psd", ".tga", ".ico", ".exr", ".hdr", ".pcx"),
        *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef"),
    }
)
"""Of pictures that are not read, so that they can be counted."""
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""What files begin with that nnrun itself decodes: JPEG and PNG."""
OTHER_MAGIC = (b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
DIGITS = re.compile(r"([0-9]+)")
LITTER = frozenset({"__MACOSX"})


class Folder(NamedTuple):
    """A folder's pictures in order, and those that are left out."""

    pictures: list[Path]
    left_out: list[Path]


def of(folder: Path, *, deep: bool = False) -> Folder:
    """What lies in the folder itself; ``deep`` adds its sub-folders, all the way down.

    Files that begin with a dot are a file manager's, not pictures.
    """
    files = in_order(_files(folder, deep=deep, above=frozenset()))
    readable = [path for path in files if path.is_file() and _is_picture(path)]
    return Folder(pictures=readable, left_out=[path for path in files if _is_left_out(path)])


def in_order(paths: Iterable[Path]) -> list[Path]:
    """By name, and where numbers are in it by those: 10.jpg comes after 9.jpg."""
    return sorted(paths, key=lambda path: ([_natural(part) for part in path.parts], path))


def _natural(name: str) -> list[tuple[int, str]]:
    """Texts and numbers in turn, each comparable with its like."""
    parts = DIGITS.split(name)
    return [(int(part), "") if at % 2 else (0, part) for at, part in enumerate(parts)]


def folders(folder: Path) -> list[Path]:
    """The sub-folders in order, but for hidden ones and what archivers leave behind."""
    return sorted(path for path in _entries(folder) if path.is_dir() and not _is_litter(path))


def text_of(path: Path) -> str:
    """The path for people and files; bytes that are not UTF-8, as of old archives, escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def listed(paths: Sequence[Path]) -> str:
    """For people: a count per suffix, and one example."""
    suffixes = Counter(path.suffix.lower() or "without an ending" for path in paths)
    counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(suffixes.items()))
    return f"{counts}, for example {text_of(paths[0])}" if paths else ""


def is_readable_by_nnrun(path: Path) -> bool:
    """Whether the file is JPEG or PNG, whatever its name says."""
    return _begin(path).startswith(MAGIC)


def _files(folder: Path, *, deep: bool, above: frozenset[Path]) -> Iterator[Path]:
    """All but folders; a link to a folder above is not followed."""
    here = above | {folder.resolve()}
    for path in _entries(folder):
        if _is_litter(path):
            continue
        if not path.is_dir():
            yield path
        elif deep and path.resolve() not in here:
            yield from _files(path, deep=True, above=here)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise WrongInput(
            f"{text_of(folder)} cannot be read: {error.strerror}",
            remedy="check the folder's permissions",
        ) from None


def _is_left_out(path: Path) -> bool:
    """A picture of a format that is not read, or a link to one that is gone."""
    ending = path.suffix.lower()
    return ending in UNREADABLE or (ending in ENDINGS and not path.exists())


def _is_picture(path: Path) -> bool:
    """By its suffix; a file without one by its first bytes."""
    if path.suffix:
        return path.suffix.lower() in ENDINGS
    begin = _begin(path)
    is_webp = begin[:4] == b"RIFF" and begin[8:12] == b"WEBP"
    return is_webp or begin.startswith((*MAGIC, *OTHER_MAGIC))


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(12)
    except OSError:
        return b""


def _is_litter(path: Path) -> bool:
    return path.name.startswith(".") or path.name in LITTER

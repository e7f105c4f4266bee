"""Which files of a folder are pictures, and which of those cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

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
LITTER = frozenset({"__MACOSX"})


class Folder(NamedTuple):
    """A folder's pictures in order, and those that are left out."""

    pictures: list[Path]
    left_out: list[Path]


def of(folder: Path, *, deep: bool = False) -> Folder:
    """What lies in the folder itself; ``deep`` adds its sub-folders, all the way down.

    Files that begin with a dot are a file manager's, not pictures.
    """
    files = sorted(_files(folder, deep=deep))
    return Folder(
        pictures=[one for one in files if _is_picture(one)],
        left_out=[one for one in files if one.suffix.lower() in UNREADABLE],
    )


def folders(folder: Path) -> list[Path]:
    """The sub-folders in order, but for hidden ones and what archivers leave behind."""
    return sorted(one for one in folder.iterdir() if one.is_dir() and not _is_litter(one))


def listed(paths: Sequence[Path]) -> str:
    """For people: how many of each ending, and one of them by its path."""
    kinds = Counter(one.suffix.lower() or "without an ending" for one in paths)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{counts}, for example {paths[0]}" if paths else ""


def is_readable_by_nnrun(path: Path) -> bool:
    """Whether the file is JPEG or PNG, whatever its name says."""
    return _begin(path).startswith(MAGIC)


def _files(folder: Path, *, deep: bool) -> Iterator[Path]:
    for one in folder.iterdir():
        if _is_litter(one):
            continue
        if one.is_file():
            yield one
        elif deep and one.is_dir() and not one.is_symlink():
            yield from _files(one, deep=True)


def _is_picture(path: Path) -> bool:
    """By its ending; a file without one is looked into."""
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

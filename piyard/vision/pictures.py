"""Picture files → arrays of levels: which files are pictures, and how they are read."""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from piyard.core import paths
from piyard.core.errors import WrongInput
from piyard.core.files import atomic_write, sha256_of_file

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.vision.schema import Pixels


READABLE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
        *(".gif", ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
"""Of the formats that are read; of an animation the first frame."""
UNREADABLE_SUFFIXES = frozenset(
    {
        *(".heic", ".heif", ".jxl", ".svg", ".psd", ".tga", ".ico", ".exr", ".hdr", ".pcx"),
        *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef"),
    }
)
"""Of pictures that are not read, so that they can be counted."""
NNRUN_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""What files begin with that nnrun itself decodes: JPEG and PNG."""
OTHER_MAGIC = (b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
DIGITS = re.compile(r"([0-9]+)")
LITTER = frozenset({"__MACOSX"})


class PictureFolder(NamedTuple):
    """A folder's pictures in order, and those that are left out."""

    pictures: list[Path]
    left_out: list[Path]


def list_pictures(folder: Path, *, deep: bool = False) -> PictureFolder:
    """What lies in the folder itself; ``deep`` adds its sub-folders, all the way down.

    Files that begin with a dot are a file manager's, not pictures.
    """
    files = sort_naturally(_files(folder, deep=deep, above=frozenset()))
    readable = [path for path in files if path.is_file() and _is_picture(path)]
    return PictureFolder(pictures=readable, left_out=[path for path in files if _is_left_out(path)])


def has_pictures(folder: Path) -> bool:
    """Whether there is any in the folder or below, be it of a format that is not read."""
    return any(
        _is_left_out(path) or (path.is_file() and _is_picture(path))
        for path in _files(folder, deep=True, above=frozenset())
    )


def sort_naturally(paths: Iterable[Path]) -> list[Path]:
    """By name, and where numbers are in it by those: 10.jpg comes after 9.jpg."""
    return sorted(paths, key=lambda path: ([_natural_key(part) for part in path.parts], path))


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Texts and numbers in turn, each comparable with its like."""
    parts = DIGITS.split(name)
    return [(int(part), "") if at % 2 else (0, part) for at, part in enumerate(parts)]


def list_subfolders(folder: Path) -> list[Path]:
    """The sub-folders in order, but for hidden ones and what archivers leave behind."""
    return sorted(path for path in _entries(folder) if path.is_dir() and not _is_litter(path))


def printable_path(path: Path) -> str:
    """The path for people and files; bytes that are not UTF-8, as of old archives, escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def summarise_suffixes(paths: Sequence[Path]) -> str:
    """For people: a count per suffix, and one example."""
    suffixes = Counter(path.suffix.lower() or "without an ending" for path in paths)
    counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(suffixes.items()))
    return f"{counts}, for example {printable_path(paths[0])}" if paths else ""


def is_readable_by_nnrun(path: Path) -> bool:
    """Whether the file is JPEG or PNG, whatever its name says."""
    return _first_bytes(path).startswith(NNRUN_MAGIC)


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
            f"{printable_path(folder)} cannot be read: {error.strerror}",
            remedy="check the folder's permissions",
        ) from None


def _is_left_out(path: Path) -> bool:
    """A picture of a format that is not read, or a link to one that is gone."""
    ending = path.suffix.lower()
    return ending in UNREADABLE_SUFFIXES or (ending in READABLE_SUFFIXES and not path.exists())


def _is_picture(path: Path) -> bool:
    """By its suffix; a file without one by its first bytes."""
    if path.suffix:
        return path.suffix.lower() in READABLE_SUFFIXES
    begin = _first_bytes(path)
    is_webp = begin[:4] == b"RIFF" and begin[8:12] == b"WEBP"
    return is_webp or begin.startswith((*NNRUN_MAGIC, *OTHER_MAGIC))


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(12)
    except OSError:
        return b""


def _is_litter(path: Path) -> bool:
    return path.name.startswith(".") or path.name in LITTER


DECODE_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What Pillow's readers raise for files whose content does not match their first bytes."""
ORIENTATION_TAG = 0x0112
SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF's orientations that exchange width and height."""


def read_picture(path: Path) -> Image:
    """The picture in RGB, upright by its EXIF orientation; the first frame of an animation.

    Of 16 bits the upper 8 are taken, as nnrun does. Raises ``WrongInput``.
    """
    from PIL import Image, ImageOps

    try:
        with _ignore_damaged_notes(), Image.open(path) as picture:
            return ImageOps.exif_transpose(_to_8_bits(picture)).convert("RGB")
    except (*DECODE_ERRORS, struct.error, Image.DecompressionBombError) as error:
        raise _unreadable_error(path, error) from None


def unreadable_pictures(paths: Iterable[Path]) -> dict[Path, WrongInput]:
    """Those whose header cannot be read, each with what is wrong."""
    errors = {}
    for path in paths:
        try:
            read_picture_size(path)
        except WrongInput as error:
            errors[path] = error
    return errors


def read_picture_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone. Raises ``WrongInput``."""
    from PIL import Image

    try:
        with _ignore_damaged_notes(), Image.open(path) as picture:
            width, height = picture.size
            lies = picture.getexif().get(ORIENTATION_TAG, 1) in SIDEWAYS
    except (*DECODE_ERRORS, struct.error, Image.DecompressionBombError) as error:
        raise _unreadable_error(path, error) from None
    return (height, width) if lies else (width, height)


@contextmanager
def _ignore_damaged_notes() -> Iterator[None]:
    """Pillow warns of notes in a picture that it cannot read; the picture itself it can."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        yield


def _unreadable_error(path: Path, error: Exception) -> WrongInput:
    return WrongInput(
        f"{printable_path(path)} cannot be read as a picture: {error}",
        remedy="leave it out, or repair it",
    )


def _to_8_bits(picture: Image) -> Image:
    """Pillow cuts levels above 255 off, where it should divide them."""
    from PIL import Image

    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PNG"):
        raise ValueError("its levels have 32 bits; scale them to 8 first")
    if not picture.mode.startswith("I"):
        return picture
    import numpy as np

    upper = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    upper.info.update(picture.info)
    return upper


def to_rgb(picture: Image) -> Image:
    """The picture in RGB; itself when it is so already, as a copy may be 300 MB."""
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def pixel_array(picture: Image) -> Pixels:
    """Its levels, shape (rows, columns, 3), in the order R, G, B."""
    import numpy as np

    return np.asarray(to_rgb(picture))


NNRUN_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Those nnrun takes in a folder; it looks into the files, not at their names."""


def as_jpeg_or_png(path: Path) -> Path:
    """The file itself, or a PNG of what the desktop sees in it, kept by what it was made from.

    A file that holds no picture is sent as it is: nnrun says so, beside what it sees in the others.
    """
    if is_readable_by_nnrun(path):
        return path
    final = paths.cache() / "inputs" / f"{sha256_of_file(path)}.png"
    if final.is_file():
        return final
    try:
        picture = read_picture(path)
    except WrongInput:
        return path
    with atomic_write(final) as draft:
        # The orientation is applied; any mark of it left would turn the picture once more.
        picture.save(draft, "PNG", compress_level=1, exif=b"")
    return final


def sent_suffix(path: Path) -> str:
    """The suffix under which nnrun takes a file in a folder."""
    return path.suffix.lower() if path.suffix.lower() in NNRUN_SUFFIXES else NNRUN_SUFFIXES[0]

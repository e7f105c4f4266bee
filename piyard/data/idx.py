"""MNIST's format: all pictures of a split in one file, and their classes' numbers in another.

An idx file (http://yann.lecun.com/exdb/mnist/, "the IDX file format"): two zero bytes, 8 for bytes
without a sign, the number of sides; each side as a big-endian 32-bit number; the values, the last
side's fastest. Files may be compressed by gzip. A picture is unpacked into the cache as a PNG when
it is used: boards and everything else take files.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from piyard.core import console, paths
from piyard.core.errors import WrongInput
from piyard.core.files import atomic_write, sha256_of_file
from piyard.core.labels import read_labels
from piyard.data.dataset import DataSet, Film, folder_name, spread_pictures
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split

if TYPE_CHECKING:
    from piyard.vision.schema import Pixels


FILE_NAME = re.compile(r"(?P<split>.+)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")
CLASS_NAMES = "classes.txt"
"""The classes' names, one a line, where somebody wrote them down."""
BYTES_MAGIC = b"\x00\x00\x08"
MOST_VALUES = 1 << 30
GZIP_ERRORS = (EOFError, OSError, gzip.BadGzipFile)


class SplitFiles(NamedTuple):
    """The two files of a split."""

    images: Path
    labels: Path


def is_idx(path: Path) -> bool:
    """Whether a pair of such files lies there."""
    return path.is_dir() and bool(_find_splits(path))


def read_idx(request: DataRequest) -> DataSet:
    """One split; of ``limit`` pictures only those are unpacked. Raises ``WrongInput``."""
    splits = _find_splits(request.path)
    if not splits:
        raise WrongInput(
            f"{request.path} has no pair of files SPLIT-images-idx3-ubyte and "
            "SPLIT-labels-idx1-ubyte",
            remedy="name the folder that both lie in, .gz or unpacked",
        )
    split = choose_split(request.split, list(splits), request.path)
    files = splits[split]
    levels, labels = _read_pair(files)
    numbers = sorted({int(number) for number in labels})
    index = {number: at for at, number in enumerate(numbers)}
    pictures = _picture_paths(files.images, len(levels))
    used = spread_pictures(pictures, request.limit)
    _unpack(levels, pictures, used)
    classes = dict(zip(pictures, labels, strict=True))
    names = _class_names(request.path, numbers)
    return DataSet(
        format="idx",
        kind="class",
        name=folder_name(request.path),
        root=request.path,
        split=split,
        splits=list(splits),
        classes=names,
        numbers=numbers,
        is_whole=True,
        first_places=[f"{files.labels.name}, class {number}" for number in numbers],
        films=[Film(pictures=used, truth={path: index[int(classes[path])] for path in used})],
        files=list(files),
    )


def _find_splits(path: Path) -> dict[str, SplitFiles]:
    """By name, those that have both files."""
    by_split: dict[str, dict[str, Path]] = {}
    for file in sorted(path.iterdir()):
        if (match := FILE_NAME.fullmatch(file.name)) and file.is_file():
            by_split.setdefault(match["split"], {})[match[2][:6]] = file
    return {
        split: SplitFiles(files["images"], files["labels"])
        for split, files in by_split.items()
        if len(files) == len(SplitFiles._fields)
    }


def _read_pair(files: SplitFiles) -> tuple[Pixels, Pixels]:
    """Levels (n, rows, columns) and class numbers (n)."""
    levels, labels = read_idx_file(files.images, 3), read_idx_file(files.labels, 1)
    if len(levels) != len(labels):
        raise WrongInput(
            f"{files.images} has {len(levels)} pictures, and {files.labels.name} {len(labels)} "
            "classes",
            remedy="take both files from the same place",
        )
    return levels, labels


def read_idx_file(file: Path, sides: int) -> Pixels:
    """Its bytes, with that number of sides. Raises ``WrongInput``."""
    import numpy as np

    content = _read_bytes(file)
    begin = len(BYTES_MAGIC) + 1 + 4 * sides
    if content[:4] != BYTES_MAGIC + bytes([sides]) or len(content) < begin:
        raise _broken_file(file, f"it does not begin as bytes with {sides} sides do")
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, begin, 4)]
    if not prod(shape) or prod(shape) != len(content) - begin:
        stated = " x ".join(map(str, shape))
        raise _broken_file(
            file, f"its header says {stated}, and {len(content) - begin} bytes follow"
        )
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def _read_bytes(file: Path) -> bytes:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read(MOST_VALUES + 1)
    except GZIP_ERRORS as error:
        raise _broken_file(file, str(error)) from None
    if len(content) > MOST_VALUES:
        raise _broken_file(file, f"it is larger than {MOST_VALUES >> 20} MB")
    return content


def _broken_file(file: Path, why: str) -> WrongInput:
    return WrongInput(
        f"{file} is not a readable idx file: {why}", remedy="copy or download it again"
    )


def _picture_paths(images: Path, count: int) -> list[Path]:
    """Where each picture is unpacked: files of the same bytes share a folder."""
    folder = paths.cache() / "inputs" / f"idx-{sha256_of_file(images)[:16]}"
    return [folder / f"{number:06d}.png" for number in range(count)]


def _unpack(levels: Pixels, pictures: Sequence[Path], used: Sequence[Path]) -> None:
    from PIL import Image

    chosen = set(used)
    absent = [
        (path, shown)
        for path, shown in zip(pictures, levels, strict=True)
        if path in chosen and not path.exists()
    ]
    if not absent:
        return
    with console.step(f"unpacking {len(absent)} pictures", unit="pictures") as progress:
        for done, (path, shown) in enumerate(absent, 1):
            with atomic_write(path) as draft:
                Image.fromarray(shown).save(draft, "PNG", compress_level=1)
            progress.update(done, len(absent))


def _class_names(path: Path, numbers: Sequence[int]) -> list[str]:
    """Empty ones where nothing names them."""
    file = path / CLASS_NAMES
    names = read_labels(file) if file.is_file() else []
    if names and numbers[-1] >= len(names):
        raise WrongInput(
            f"{file} has {len(names)} names, and there is a class {numbers[-1]}",
            remedy="a name a line, from class 0 on",
        )
    return [names[number] if names else "" for number in numbers]

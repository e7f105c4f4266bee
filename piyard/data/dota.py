"""DOTA's data sets: pictures from above, and a text file of each one's objects in labelTxt/.

Xia et al. 2018, "DOTA: A Large-scale Dataset for Object Detection in Aerial Images". A line is
``x1 y1 x2 y2 x3 y3 x4 y4 class difficult``, in pixels, the corners in turn; lines with
``imagesource:`` and ``gsd:`` may come first. What is difficult is neither a hit nor a miss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from piyard.core.errors import WrongInput
from piyard.core.labels import normalize_name
from piyard.core.parsing import read_text
from piyard.data.dataset import (
    Annotation,
    DataSet,
    Film,
    LeftOut,
    Quadrilateral,
    box_around,
    folder_name,
    group_left_out,
)
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split, is_split
from piyard.vision.pictures import PictureFolder, list_pictures, list_subfolders

LABEL_FOLDER = "labelTxt"
"""A version may follow, as in ``labelTxt-v1.5``."""
HEADERS = ("imagesource:", "gsd:")
CORNER_NUMBERS = 8


class DotaObject(NamedTuple):
    """An object as a line has it."""

    name: str
    corners: Quadrilateral
    difficult: bool


def is_dota(path: Path) -> bool:
    """Whether it has labelTxt/, or folders of splits that do."""
    return path.is_dir() and bool(_label_folders(path) or _split_folders(path))


def read_dota(request: DataRequest) -> DataSet:
    """The pictures of one split with the objects in each. Raises ``WrongInput``."""
    path = request.path
    folders = _split_folders(path)
    split = choose_split(request.split, list(folders), path)
    root = folders.get(split, path)
    files = {file.stem: file for file in sorted(_choose_labels(root).glob("*.txt"))}
    content = _list_pictures(root)
    used = {picture: files[picture.stem] for picture in content.pictures if picture.stem in files}
    if not used:
        raise WrongInput(
            f"{root}: no picture has a text file of its name in {LABEL_FOLDER}/",
            evidence=f"for example {next(iter(files.values()), 'none')}",
            remedy="put the pictures into images/, beside it",
        )
    objects = {picture: read_dota_objects(file) for picture, file in used.items()}
    classes = sorted({each.name for within in objects.values() for each in within})
    index = {name: number for number, name in enumerate(classes)}
    truth = {
        picture: [_annotation(each, index[each.name]) for each in within]
        for picture, within in objects.items()
    }
    return DataSet(
        format="dota",
        kind="corners",
        name=folder_name(path),
        root=path,
        split=split,
        splits=list(folders),
        classes=classes,
        films=[Film(pictures=list(used), truth=truth)],
        label_files=used,
        left_out=_left_out(files, used, content),
    )


def read_dota_objects(file: Path) -> list[DotaObject]:
    """What is in one picture. Raises ``WrongInput`` with file and line for what is not a label."""
    lines = enumerate(read_text(file).splitlines(), 1)
    return [
        _read_line(f"{file}:{number}", line.split())
        for number, line in lines
        if line.strip() and not line.lower().startswith(HEADERS)
    ]


def _read_line(where: str, words: Sequence[str]) -> DotaObject:
    if len(words) not in {CORNER_NUMBERS + 1, CORNER_NUMBERS + 2}:
        raise _line_error(where, f"{len(words)} words, and not eight numbers, class, difficult")
    try:
        a, b, c, d, e, f, g, h = corners = [float(word) for word in words[:CORNER_NUMBERS]]
        difficult = int(words[CORNER_NUMBERS + 1]) if len(words) > CORNER_NUMBERS + 1 else 0
    except ValueError:
        raise _line_error(where, "a coordinate or the difficulty is not a number") from None
    if not all(map(isfinite, corners)):
        raise _line_error(where, "a coordinate is not finite")
    name = normalize_name(words[CORNER_NUMBERS])
    if not name:
        raise _line_error(where, "the class has no name")
    return DotaObject(name, (a, b, c, d, e, f, g, h), bool(difficult))


def _line_error(where: str, problem: str) -> WrongInput:
    return WrongInput(f"{where}: {problem}", remedy="correct the line; is it DOTA's format?")


def _annotation(each: DotaObject, class_: int) -> Annotation:
    x0, y0, x1, y1 = box = box_around(each.corners)
    size = (x1 - x0, y1 - y0)
    return Annotation(
        class_=class_,
        box=box,
        size=size,
        area=size[0] * size[1],
        corners=each.corners,
        difficult=each.difficult,
    )


def _split_folders(path: Path) -> dict[str, Path]:
    if _label_folders(path):
        return {}
    return {
        folder.name: folder
        for folder in list_subfolders(path)
        if is_split(folder.name) and _label_folders(folder)
    }


def _label_folders(path: Path) -> list[Path]:
    """Folders with text files: labelTxt/, or as unpacked labelTxt-v1.0/labelTxt/."""
    outer = [each for each in list_subfolders(path) if each.name.startswith(LABEL_FOLDER)]
    both = [(each, each / LABEL_FOLDER) for each in outer]
    return [folder for pair in both for folder in pair if any(folder.glob("*.txt"))]


def _choose_labels(root: Path) -> Path:
    folders = _label_folders(root)
    if not folders:
        raise WrongInput(
            f"{root} has no folder {LABEL_FOLDER} with text files",
            remedy=f"put a text file a picture into {LABEL_FOLDER}/, the pictures into images/",
        )
    exact = [folder for folder in folders if folder == root / LABEL_FOLDER] or folders
    if len(exact) > 1:
        raise WrongInput(
            f"{root} has {len(exact)} folders of labels: "
            f"{', '.join(str(folder.relative_to(root)) for folder in exact)}",
            remedy=f"call the one to use {LABEL_FOLDER}",
        )
    return exact[0]


def _list_pictures(root: Path) -> PictureFolder:
    """Those of images/, or beside labelTxt/."""
    for folder in (root / "images", root):
        content = list_pictures(folder) if folder.is_dir() else None
        if content and content.pictures:
            return content
    raise WrongInput(f"{root} holds no pictures", remedy="they belong into images/")


def _left_out(
    files: Mapping[str, Path], used: Mapping[Path, Path], content: PictureFolder
) -> list[LeftOut]:
    unlabelled = [picture for picture in content.pictures if picture not in used]
    unseen = [file for file in files.values() if file not in set(used.values())]
    return group_left_out(
        {
            "without a text file": unlabelled,
            "of labels without a picture": unseen,
            "of a format that is not read": content.left_out,
        }
    )

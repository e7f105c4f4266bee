"""Pictures with one class each: a folder a class, or a list of files with the classes' numbers.

The folders may be in a folder a split (train/, val/), as Ultralytics' and ImageNet's own are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from piyard.core.errors import WrongInput
from piyard.core.parsing import read_text
from piyard.data.dataset import DataSet, Film, LeftOut, folder_name, group_left_out
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split, is_split
from piyard.vision.pictures import PictureFolder, has_pictures, list_pictures, list_subfolders

LIST_FILE = "labels.csv"
"""``file,index`` under a heading; the files are beside it or in ``images``."""
HEADING = frozenset({"file", "index"})
SEPARATORS = ",;\t"


class ListedPicture(NamedTuple):
    """A line of the list."""

    where: str
    picture: Path
    number: int
    """Of the class."""
    name: str
    """Of the class, where the list has it."""


def is_imagenet(path: Path) -> bool:
    """Whether it is such a folder."""
    return path.is_dir() and (
        (path / LIST_FILE).is_file() or any(map(has_pictures, list_subfolders(path)))
    )


def read_imagenet(request: DataRequest) -> DataSet:
    """The pictures of a folder, or of one split of it. Raises ``WrongInput``."""
    if (request.path / LIST_FILE).is_file():
        choose_split(request.split, [], request.path)
        return _read_list(request.path)
    return _read_folders(request)


def _read_list(path: Path) -> DataSet:
    file = path / LIST_FILE
    lines = list(_read_lines(path, file))
    if not lines:
        raise WrongInput(f"{file} lists no picture", remedy="a line is file,index")
    truth = _class_numbers(lines)
    first = {line.number: line for line in reversed(lines)}
    numbers = sorted(first)
    index = {number: at for at, number in enumerate(numbers)}
    return DataSet(
        format="imagenet",
        kind="class",
        name=folder_name(path),
        root=path,
        classes=[first[number].name for number in numbers],
        numbers=numbers,
        first_places=[first[number].where for number in numbers],
        films=[
            Film(
                pictures=list(truth),
                truth={picture: index[number] for picture, number in truth.items()},
            )
        ],
        files=[file],
        left_out=group_left_out({f"not in {LIST_FILE}": _unlisted_pictures(path, truth)}),
    )


def _class_numbers(lines: Sequence[ListedPicture]) -> dict[Path, int]:
    """Raises ``WrongInput`` for a picture of two classes."""
    truth: dict[Path, int] = {}
    for line in lines:
        if truth.setdefault(line.picture, line.number) != line.number:
            raise WrongInput(
                f"{line.where}: {line.picture.name} is of class {line.number}, and of class "
                f"{truth[line.picture]} in a line before",
                remedy="a picture has one class",
            )
    return truth


def _read_lines(path: Path, file: Path) -> Iterator[ListedPicture]:
    text = read_text(file)
    heading = text.partition("\n")[0]
    separator = max(SEPARATORS, key=heading.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = [cell.strip().lower() for cell in next(rows, [])]
        if not set(columns) >= HEADING:
            raise WrongInput(
                f"{file}:1: the heading has no columns file and index",
                evidence=heading[:200],
                remedy="the first line is file,index, then a line a picture",
            )
        for row in rows:
            if any(cell.strip() for cell in row):
                cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
                yield _read_line(path, cells, f"{file}:{rows.line_num}")
    except csv.Error as error:
        raise WrongInput(f"{file}:{rows.line_num}: {error}", remedy="is it CSV?") from None


def _read_line(path: Path, row: Mapping[str, str], where: str) -> ListedPicture:
    name, index = row.get("file"), row.get("index")
    if not name or not index or not index.isdecimal() or len(index) > 9:
        raise WrongInput(f"{where} is not file,index", remedy=f"see the heading of {LIST_FILE}")
    for place in (path, path / "images"):
        for written in (name, name.replace("\\", "/")):
            if (place / written).is_file():
                return ListedPicture(where, place / written, int(index), row.get("name", ""))
    raise WrongInput(f"{where}: no such picture: {name}", remedy=f"beside {LIST_FILE} or in images")


def _unlisted_pictures(path: Path, truth: Mapping[Path, int]) -> list[Path]:
    places = {path, path / "images", *(path.parent for path in truth)}
    folders = [list_pictures(path) for path in sorted(places) if path.is_dir()]
    present = (path for folder in folders for path in (*folder.pictures, *folder.left_out))
    resolved = {path.resolve() for path in truth}
    return [path for path in present if path.resolve() not in resolved]


def _read_folders(request: DataRequest) -> DataSet:
    """Each folder's name is its class's."""
    path, splits = request.path, _split_folders(request.path)
    split = choose_split(request.split, list(splits), path)
    root = splits[split] if split else path
    content = {folder: list_pictures(folder, deep=True) for folder in list_subfolders(root)}
    used = {folder: inside.pictures for folder, inside in content.items() if inside.pictures}
    if not used:
        raise WrongInput(f"the folders of {root} hold no picture", remedy="a folder a class")
    classes = _class_names(list(splits.values()), list(used))
    index = {name: number for number, name in enumerate(classes)}
    truth = {path: index[folder.name] for folder, inside in used.items() for path in inside}
    return DataSet(
        format="imagenet",
        kind="class",
        name=folder_name(path),
        root=path,
        split=split,
        splits=list(splits),
        classes=classes,
        films=[Film(pictures=list(truth), truth=truth)],
        left_out=_left_out(list_pictures(root), list(content.values())),
    )


def _split_folders(path: Path) -> dict[str, Path]:
    """The folder of each split, where all folders with pictures are splits of class folders."""
    folders = [folder for folder in list_subfolders(path) if has_pictures(folder)]
    divided = all(
        is_split(folder.name) and any(map(has_pictures, list_subfolders(folder)))
        for folder in folders
    )
    return {folder.name: folder for folder in folders} if divided else {}


def _class_names(splits: Sequence[Path], used: Sequence[Path]) -> list[str]:
    """The folders with pictures; of several splits those of all, so that numbers are the same."""
    names = {folder.name for folder in used}
    for split in splits:
        names |= {folder.name for folder in list_subfolders(split) if has_pictures(folder)}
    return sorted(names)


def _left_out(beside: PictureFolder, content: Sequence[PictureFolder]) -> Sequence[LeftOut]:
    stray = [*beside.pictures, *beside.left_out]
    within = [path for inside in content for path in inside.left_out]
    return group_left_out({"in no class's folder": stray, "of a format that is not read": within})

"""Pictures with one class each: a folder a class, or a list of files with the classes' numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.labels import ClassNames
from piyard.core.parsing import read_text
from piyard.vision.pictures import list_pictures, list_subfolders, printable_path

LIST_FILE = "labels.csv"
"""``file,index`` under a heading; the files are beside it or in ``images``."""
HEADING = frozenset({"file", "index"})
SEPARATORS = ",;\t"
SYNSET_FOLDER = re.compile(r"n\d+")
"""A folder named by WordNet's number: of a whole data set their order is the classes'."""


class ClassifiedPictures(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures, and the index of each one's class."""

    name: str
    pictures: Sequence[Path]
    truth: Mapping[Path, int]
    files: Sequence[Path] = ()
    detail: str = ""
    """Classes that no picture is of."""
    left_out: Sequence[Path] = ()
    """Pictures that are not judged: of formats that are not read, or not in the list."""


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
        (path / LIST_FILE).is_file() or any(map(_has_pictures, _folders(path)))
    )


def read_imagenet(path: Path, labels: Sequence[str]) -> ClassifiedPictures:
    """The pictures of a folder; ``labels`` are the model's. Raises ``WrongInput``."""
    if (path / LIST_FILE).is_file():
        return _read_list(path, labels)
    return _read_folders(path, labels)


def _read_list(path: Path, labels: Sequence[str]) -> ClassifiedPictures:
    file, names = path / LIST_FILE, ClassNames(labels)
    truth: dict[Path, int] = {}
    lines = list(_read_lines(path, file))
    _require_numbering(lines, names)
    for line in lines:
        if truth.setdefault(line.picture, line.number) != line.number:
            raise WrongInput(
                f"{line.where}: {line.picture.name} is of class {line.number}, and of class "
                f"{truth[line.picture]} in a line before",
                remedy="a picture has one class",
            )
    if not truth:
        raise WrongInput(f"{file} lists no picture", remedy="a line is file,index")
    return ClassifiedPictures(
        name=path.resolve().name,
        pictures=list(truth),
        truth=truth,
        files=[file],
        left_out=_unlisted_pictures(path, truth),
    )


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


def _require_numbering(lines: Sequence[ListedPicture], names: ClassNames) -> None:
    """The classes are the model's, and not those of a list that numbers them otherwise.

    A name may be another class's in a line or two, as a crane is a bird and a machine.
    """
    for line in lines:
        if line.number >= len(names.labels):
            raise WrongInput(
                f"{line.where}: class {line.number} of a model that knows {len(names.labels)}",
                remedy="is it the list of another data set?",
            )
    named = [line for line in lines if line.name]
    strange = [line for line in named if not names.is_of(line.name, line.number)]
    if 2 * len(strange) > len(named):
        first = strange[0]
        raise WrongInput(
            f"{first.where}: class {first.number} is '{names.labels[first.number]}' in the model, "
            f"and '{first.name}' in the list",
            remedy="number the classes as the model does, from 0, or leave out the column name",
        )


def _unlisted_pictures(path: Path, truth: Mapping[Path, int]) -> list[Path]:
    places = {path, path / "images", *(path.parent for path in truth)}
    folders = [list_pictures(path) for path in sorted(places) if path.is_dir()]
    present = (path for folder in folders for path in (*folder.pictures, *folder.left_out))
    resolved = {path.resolve() for path in truth}
    return [path for path in present if path.resolve() not in resolved]


def _read_folders(path: Path, labels: Sequence[str]) -> ClassifiedPictures:
    """By the labels, by the numbers, or, with a folder for each class, by the order (wnids)."""
    content = {folder: list_pictures(folder, deep=True) for folder in _folders(path)}
    index = _assign_classes(
        path, [folder for folder, inside in content.items() if inside.pictures], labels
    )
    truth = {
        picture: number for folder, number in index.items() for picture in content[folder].pictures
    }
    used, count, beside = len(set(index.values())), len(labels), list_pictures(path)
    within = [path for inside in content.values() for path in inside.left_out]
    return ClassifiedPictures(
        name=path.resolve().name,
        pictures=list(truth),
        truth=truth,
        detail=f", {used} of {count} classes" if used < count else "",
        left_out=[*beside.pictures, *beside.left_out, *within],
    )


def _assign_classes(path: Path, folders: Sequence[Path], labels: Sequence[str]) -> dict[Path, int]:
    """Each folder's class. Raises ``WrongInput`` with the first folder that is of none."""
    if not folders:
        raise WrongInput(f"the folders of {path} hold no picture", remedy="a folder a class")
    names = ClassNames(labels)
    named = {folder: names.find(folder.name) for folder in folders}
    strange = [folder for folder, index in named.items() if index is None]
    index = {folder: number for folder, number in named.items() if number is not None}
    if strange and not index:
        index = _assign_by_order(folders, labels)
    if len(index) < len(folders):
        raise _unassigned_error(path, strange[0], folders, names)
    _require_different(path, index, labels)
    return index


def _assign_by_order(folders: Sequence[Path], labels: Sequence[str]) -> dict[Path, int]:
    """Folders without names: their numbers, from 0, or WordNet's of all classes in order."""
    if all(folder.name.isdecimal() and len(folder.name) < 10 for folder in folders):
        numbers = {folder: int(folder.name) for folder in folders}
        return numbers if max(numbers.values()) < len(labels) else {}
    if len(folders) == len(labels) and all(
        SYNSET_FOLDER.fullmatch(folder.name) for folder in folders
    ):
        console.info(
            f"the {len(folders)} folders are WordNet's numbers: their order is the classes'"
        )
        return {folder: number for number, folder in enumerate(folders)}
    return {}


def _unassigned_error(
    path: Path, folder: Path, folders: Sequence[Path], names: ClassNames
) -> WrongInput:
    name, count = printable_path(Path(folder.name)), len(names.labels)
    return WrongInput(
        f"'{name}' is the first of the {len(folders)} folders of {path} that is none of the "
        f"model's {count} classes{names.nearest(name)}",
        evidence=f"model: {', '.join(names.labels[:5])}{' …' if count > 5 else ''}",
        remedy=f"name all folders as the model's labels, number all from 0 to {count - 1}, or add "
        f"{LIST_FILE}",
    )


def _require_different(path: Path, index: Mapping[Path, int], labels: Sequence[str]) -> None:
    first: dict[int, Path] = {}
    for folder, number in index.items():
        other = first.setdefault(number, folder)
        if other != folder:
            raise WrongInput(
                f"{path}: the folders '{other.name}' and '{folder.name}' are both of class "
                f"{number} ({labels[number]})",
                remedy="keep a folder a class",
            )


def _folders(path: Path) -> list[Path]:
    return list_subfolders(path)


def _has_pictures(folder: Path) -> bool:
    content = list_pictures(folder, deep=True)
    return bool(content.pictures or content.left_out)

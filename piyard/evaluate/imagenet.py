"""Pictures with one class each: a folder a class, or a list of files with the classes' numbers."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard.errors import WrongInput
from piyard.look.inputs import SUFFIXES

LIST = "labels.csv"
"""``file,index`` under a heading; the files are beside it or in ``images``."""


class Classes(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures, and the index of each one's class."""

    name: str
    pictures: Sequence[Path]
    truth: Mapping[Path, int]
    files: Sequence[Path] = ()


def is_imagenet(path: Path) -> bool:
    """Whether it is such a folder."""
    return path.is_dir() and ((path / LIST).is_file() or bool(_folders(path)))


def read(path: Path, labels: Sequence[str]) -> Classes:
    """The pictures of a folder; ``labels`` are the model's. Raises ``WrongInput``."""
    if (path / LIST).is_file():
        return _listed(path, len(labels))
    return _sorted_by_folder(path, labels)


def _listed(path: Path, classes: int) -> Classes:
    file = path / LIST
    truth = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            picture, index = _row(path, row, f"{file}:{number}")
            if index >= classes:
                raise WrongInput(
                    f"{file}:{number}: class {index} of a model that knows {classes}",
                    remedy="is it the list of another data set?",
                )
            truth[picture] = index
    if not truth:
        raise WrongInput(f"{file} lists no picture", remedy="a line is file,index")
    return Classes(name=path.resolve().name, pictures=list(truth), truth=truth, files=[file])


def _row(path: Path, row: Mapping[str, str | None], where: str) -> tuple[Path, int]:
    name, index = row.get("file"), row.get("index")
    if not name or not index or not index.isdecimal():
        raise WrongInput(f"{where} is not file,index", remedy=f"see the heading of {LIST}")
    for place in (path, path / "images"):
        if (place / name).is_file():
            return place / name, int(index)
    raise WrongInput(f"{where}: there is no picture {name}", remedy=f"beside {LIST} or in images")


def _sorted_by_folder(path: Path, labels: Sequence[str]) -> Classes:
    """By the labels, by the numbers, or, with a folder for each class, by the order (wnids)."""
    folders = _folders(path)
    by_label = {_plain(label): i for i, label in enumerate(labels)}
    if all(_plain(one.name) in by_label for one in folders):
        index = {one: by_label[_plain(one.name)] for one in folders}
    elif all(one.name.isdecimal() and int(one.name) < len(labels) for one in folders):
        index = {one: int(one.name) for one in folders}
    elif len(folders) == len(labels):
        index = {one: i for i, one in enumerate(folders)}
    else:
        raise WrongInput(
            f"the {len(folders)} folders of {path} cannot be assigned to {len(labels)} classes",
            remedy=f"name them as the model's labels, number them, or add {LIST}",
        )
    truth = {picture: number for one, number in index.items() for picture in _pictures(one)}
    return Classes(name=path.resolve().name, pictures=list(truth), truth=truth)


def _folders(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and _pictures(one))


def _pictures(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").strip()

"""Which class of a model each class of the data is: by name, or by number where there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.labels import ClassNames, normalize_name
from piyard.data.dataset import DataSet
from piyard.vision.pictures import printable_path

SYNSET_FOLDER = re.compile(r"n\d+")
"""A folder named by WordNet's number: of a whole data set their order is the classes'."""
MOST_NAMES = 5
"""Names in a line for people."""


def match_objects_classes(data: DataSet, labels: Sequence[str]) -> dict[int, int]:
    """Class of the model → class of the data. Raises ``WrongInput`` where none is known."""
    if not data.classes:
        raise WrongInput(f"no picture of {data.title} has an object", remedy="name data with truth")
    names = ClassNames([normalize_name(name) for name in data.classes])
    category = {i: at for i, name in enumerate(labels) if (at := names.find(name)) is not None}
    if not category:
        raise WrongInput(
            f"the model knows none of the {len(data.classes)} classes of {data.title}",
            evidence=f"model: {name_some(labels)}\ndata: {name_some(data.classes)}",
            remedy="name data of the model's classes, or give the model's labels their names",
        )
    return category


def unknown_classes(data: DataSet, matching: Mapping[int, int]) -> list[str]:
    """The data's classes that the model does not know."""
    matched = set(matching.values())
    return [name for number, name in enumerate(data.classes) if number not in matched]


def name_some(names: Sequence[str]) -> str:
    """The first of them, for people."""
    shown = ", ".join(printable_path(Path(name)) for name in names[:MOST_NAMES])
    return f"{shown} …" if len(names) > MOST_NAMES else shown


def match_picture_classes(data: DataSet, labels: Sequence[str]) -> list[int]:
    """The model's class of each of the data's. Raises ``WrongInput`` for one that is none."""
    if data.numbers:
        _require_numbering(data, ClassNames(labels))
        return list(data.numbers)
    return _assign_folders(data, labels)


def _require_numbering(data: DataSet, names: ClassNames) -> None:
    """The classes are the model's, and not those of a list that numbers them otherwise.

    A name may be another class's here and there, as a crane is a bird and a machine.
    """
    lines = list(zip(data.first_places, data.numbers, data.classes, strict=True))
    for where, number, _ in lines:
        if number >= len(names.labels):
            raise WrongInput(
                f"{where}: class {number} of a model that knows {len(names.labels)}",
                remedy="is it the list of another data set?",
            )
    named = [line for line in lines if line[2]]
    if data.is_whole and not any(names.find(name) is not None for _, _, name in named):
        _require_all_numbers(data, names)
    strange = [line for line in named if not names.is_of(line[2], line[1])]
    if 2 * len(strange) > len(named):
        where, number, name = strange[0]
        raise WrongInput(
            f"{where}: class {number} is '{names.labels[number]}' in the model, "
            f"and '{name}' in the list",
            remedy="number the classes as the model does, from 0, or leave out the column name",
        )


def _require_all_numbers(data: DataSet, names: ClassNames) -> None:
    """Numbers alone would fit any model of more classes: 0 a shirt here, and a fish there."""
    count = max(data.numbers) + 1
    if count != len(names.labels):
        raise WrongInput(
            f"{data.title} has the classes 0 to {count - 1} without names of the model's, which "
            f"knows {len(names.labels)}: {name_some(names.labels)}",
            remedy=f"name a model of these {count} classes; or write classes.txt beside the "
            "files: the model's names, one a line from class 0 on",
        )


def _assign_folders(data: DataSet, labels: Sequence[str]) -> list[int]:
    """By the labels, by the numbers, or, with a folder for each class, by the order (wnids)."""
    names = ClassNames(labels)
    named = {folder: names.find(folder) for folder in data.classes}
    strange = [folder for folder, index in named.items() if index is None]
    index = {folder: number for folder, number in named.items() if number is not None}
    if strange and not index:
        index = _assign_by_order(data.classes, labels)
    if len(index) < len(data.classes):
        raise _unassigned_error(data, strange[0], names)
    _require_different(data.root, index, labels)
    return [index[folder] for folder in data.classes]


def _assign_by_order(folders: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Folders without names: their numbers, from 0, or WordNet's of all classes in order."""
    if all(folder.isdecimal() and len(folder) < 10 for folder in folders):
        numbers = {folder: int(folder) for folder in folders}
        return numbers if max(numbers.values()) < len(labels) else {}
    if len(folders) == len(labels) and all(map(SYNSET_FOLDER.fullmatch, folders)):
        console.info(
            f"the {len(folders)} folders are WordNet's numbers: their order is the classes'"
        )
        return {folder: number for number, folder in enumerate(folders)}
    return {}


def _unassigned_error(data: DataSet, folder: str, names: ClassNames) -> WrongInput:
    name, count = printable_path(Path(folder)), len(names.labels)
    return WrongInput(
        f"'{name}' is the first of the {len(data.classes)} folders of {data.root} that is none of "
        f"the model's {count} classes{names.nearest(name)}",
        evidence=f"model: {name_some(names.labels)}",
        remedy=f"name all folders as the model's labels, number all from 0 to {count - 1}, or add "
        "labels.csv",
    )


def _require_different(path: Path, index: Mapping[str, int], labels: Sequence[str]) -> None:
    first: dict[int, str] = {}
    for folder, number in index.items():
        other = first.setdefault(number, folder)
        if other != folder:
            raise WrongInput(
                f"{path}: the folders '{other}' and '{folder}' are both of class "
                f"{number} ({labels[number]})",
                remedy="keep a folder a class",
            )

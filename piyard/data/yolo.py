"""YOLO's data sets as Ultralytics has them: a data.yaml, pictures, and a text file of each one.

Of a picture in ``images/`` the objects are in ``labels/``, a line each (``yolo_labels``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from piyard.core.errors import WrongInput
from piyard.core.parsing import read_text
from piyard.data.data_yaml import (
    DataYaml,
    describe_data,
    entry_path,
    names_file,
    path_within,
    yaml_files,
)
from piyard.data.dataset import DataSet, Film, LeftOut, folder_name, group_left_out
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split
from piyard.data.yolo_labels import LabelFiles, LabelRules, kind_of_line
from piyard.vision.pictures import READABLE_SUFFIXES, list_pictures
from piyard.vision.tasks.base import TruthKind

LABELS, IMAGES = "labels", "images"
NO_LABELS = frozenset({"classes.txt", "labels.txt", "readme.txt", "obj.names"})
"""Text files that lie among the label files and are none."""


class SplitPictures(NamedTuple):
    """The pictures of a split, those that are not there, and those of formats that are not read."""

    there: Sequence[Path]
    missing: Sequence[Path]
    unreadable: Sequence[Path]


def is_yolo(path: Path) -> bool:
    """Whether it is a data.yaml or has one, or has images/ and labels/, or names and labels."""
    if path.is_file():
        return path.suffix in {".yaml", ".yml"}
    return (
        bool(yaml_files(path))
        or all((path / name).is_dir() for name in (IMAGES, LABELS))
        or (path / "obj.names").is_file()
        or (bool(names_file(path)) and _has_labels_beside(path))
    )


def _has_labels_beside(path: Path) -> bool:
    pictures = list_pictures(path).pictures
    return any(picture.with_suffix(".txt").is_file() for picture in pictures)


def read_yolo(request: DataRequest) -> DataSet:
    """The pictures of one split with the objects in each. Raises ``WrongInput``."""
    data = describe_data(request.path)
    splits = [name for name in data.splits if name]
    split = choose_split(request.split, splits, data.file)
    pictures = _split_pictures(data, split)
    files = {path: label_file(path, data.root) for path in pictures.there}
    labelled = {path: file for path, file in files.items() if file.is_file()}
    _require_labels(data, files, labelled)
    kind = request.kind or _natural_kind(data, labelled)
    _require_kind(data, labelled, kind)
    rules = LabelRules(kind, len(data.names), data.keypoints or (0, 0))
    truth = LabelFiles(list(files), labelled, rules)
    return DataSet(
        format="yolo",
        kind=kind,
        name=folder_name(data.root),
        root=data.root,
        split=split,
        splits=splits,
        classes=data.names,
        films=[Film(pictures=list(files), truth=truth)],
        files=[data.file],
        label_files=labelled,
        left_out=_left_out(pictures, files),
    )


def _split_pictures(data: DataYaml, split: str) -> SplitPictures:
    parts = [_entry_pictures(data, split, entry) for entry in data.splits[split]]
    merged = (list(dict.fromkeys(chain.from_iterable(group))) for group in zip(*parts, strict=True))
    there, missing, unreadable = merged
    if not there:
        example = f"for example {missing[0]}" if missing else ""
        raise WrongInput(
            f"{data.file}: none of the pictures of `{split or 'images'}` is there",
            evidence=example,
            remedy="get them first: what `download` says is not run",
        )
    return SplitPictures(there, missing, unreadable)


def _entry_pictures(data: DataYaml, split: str, entry: str) -> SplitPictures:
    path = entry_path(data, split, entry)
    if path.is_dir():
        inside = list_pictures(path, deep=True)
        return SplitPictures(inside.pictures, [], inside.left_out)
    if path.suffix == ".txt" and path.is_file():
        return _listed_pictures(path, data.root)
    raise WrongInput(
        f"{data.file}: `{split}` is {entry}, and {path} is not there",
        remedy="correct it, or get the pictures first: what `download` says is not run",
    )


def _listed_pictures(file: Path, root: Path) -> SplitPictures:
    """A line a picture: absolute, seen from the list where it begins with ./, or from the root."""
    there: list[Path] = []
    missing: list[Path] = []
    unreadable: list[Path] = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        stated = line.strip().replace("\\", "/")
        if not stated:
            continue
        path = _listed_picture(stated, file, root)
        if path is None:
            raise WrongInput(
                f"{file}:{number}: {stated} leads out of {root}", remedy="give it as absolute path"
            )
        if not path.is_file():
            missing.append(path)
        else:
            (there if path.suffix.lower() in READABLE_SUFFIXES else unreadable).append(path)
    return SplitPictures(there, missing, unreadable)


def _listed_picture(stated: str, file: Path, root: Path) -> Path | None:
    if Path(stated).is_absolute():
        return Path(stated)
    places = [path_within(folder, stated) for folder in (file.parent, root)]
    return next((path for path in places if path and path.is_file()), places[-1] or places[0])


def label_file(picture: Path, root: Path) -> Path:
    """The last folder images/ replaced by labels/; beside the picture where there is none."""
    parts = list(picture.parts)
    within = len(root.parts) if picture.is_relative_to(root) else 0
    places = [at for at, part in enumerate(parts[:-1]) if part == IMAGES and at >= within]
    if places:
        parts[places[-1]] = LABELS
    return Path(*parts).with_suffix(".txt")


def _require_labels(
    data: DataYaml, files: Mapping[Path, Path], labelled: Mapping[Path, Path]
) -> None:
    if not labelled:
        raise WrongInput(
            f"{data.file}: none of the {len(files)} pictures has a file of labels",
            evidence=f"for example {next(iter(files.values()))}",
            remedy="they are in labels/ as the pictures are in images/",
        )


def _require_kind(data: DataYaml, labelled: Mapping[Path, Path], kind: TruthKind) -> None:
    """Before any line is read: whether the labels are of that kind at all."""
    if kind == "keypoints" and data.keypoints is None:
        raise WrongInput(
            f"{data.file}: how many keypoints an object has is not known",
            remedy="add kpt_shape, as kpt_shape: [17, 3], or name data with keypoints",
        )
    if kind in {"outline", "corners"} and _first_kind(labelled) == "box":
        needed = "outlines" if kind == "outline" else "rotated boxes"
        raise WrongInput(
            f"{data.file}: the labels are boxes, and {needed} are needed",
            remedy=f"name data with {needed}, or a model that detects boxes",
        )


def _natural_kind(data: DataYaml, labelled: Mapping[Path, Path]) -> TruthKind:
    """By kpt_shape, else by the first line there is."""
    return "keypoints" if data.keypoints else _first_kind(labelled)


def _first_kind(labelled: Mapping[Path, Path]) -> TruthKind:
    lines = chain.from_iterable(read_text(file).splitlines() for file in labelled.values())
    return next((kind_of_line(line) for line in lines if line.strip()), "box")


def _left_out(pictures: SplitPictures, files: Mapping[Path, Path]) -> list[LeftOut]:
    return group_left_out(
        {
            "in the list and not there": pictures.missing,
            "of a format that is not read": pictures.unreadable,
            "of labels without a picture": _labels_alone(set(files.values())),
        }
    )


def _labels_alone(expected: set[Path]) -> list[Path]:
    """Label files in the same folders that no picture belongs to."""
    folders = sorted({file.parent for file in expected})
    present = (file for folder in folders for file in sorted(folder.glob("*.txt")))
    return [file for file in present if file not in expected and file.name not in NO_LABELS]

"""data.yaml: where the pictures of each split are, and what the classes are called.

Published at docs.ultralytics.com/datasets: ``path``, ``train``, ``val`` and ``test`` (folders,
lists of folders, or text files of pictures), ``names`` and, of poses, ``kpt_shape``. A relative
path is seen from the yaml's folder and does not lead out of it. What ``download`` says is not run.
In its place may be a list of names, as LabelImg, Label Studio and CVAT write it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from piyard.core.config import read_yaml
from piyard.core.errors import WrongInput
from piyard.core.labels import read_labels
from piyard.core.parsing import read_text
from piyard.data.splits import is_split
from piyard.vision.pictures import list_subfolders

SPLIT_KEYS = ("train", "val", "test", "minival")
NAMES_FILES = ("classes.txt", "obj.names", "labels/classes.txt")


class DataYaml(NamedTuple):
    """What is read of a data.yaml."""

    file: Path
    root: Path
    """The folder that paths are seen from."""
    names: Sequence[str]
    splits: Mapping[str, Sequence[str]]
    keypoints: tuple[int, int] | None
    """``kpt_shape``: points, and 2 or 3 numbers of each."""


def describe_data(path: Path) -> DataYaml:
    """By a data.yaml, else by a list of names and the folders. Raises ``WrongInput``."""
    names = names_file(path)
    if names and not yaml_files(path):
        return _describe_folders(path, names)
    return read_data_yaml(_find_yaml(path))


def names_file(path: Path) -> Path | None:
    """The list of names in a folder."""
    return next((path / name for name in NAMES_FILES if (path / name).is_file()), None)


def _describe_folders(path: Path, names: Path) -> DataYaml:
    """The pictures are in images/, there by splits or not, or beside their labels."""
    pictures = "images" if (path / "images").is_dir() else "."
    folders = [each.name for each in list_subfolders(path / pictures) if is_split(each.name)]
    return DataYaml(
        file=names,
        root=path,
        names=read_labels(names),
        splits={name: [f"{pictures}/{name}"] for name in folders} or {"": [pictures]},
        keypoints=None,
    )


def read_data_yaml(file: Path) -> DataYaml:
    """The keys that are read; unknown ones are the trainer's. Raises ``WrongInput``."""
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise WrongInput(f"{file} is not a data.yaml", remedy="it has train, val and names")
    splits = {
        key: _entries(file, key, content[key]) for key in SPLIT_KEYS if content.get(key) is not None
    }
    if not splits:
        raise WrongInput(f"{file} names no pictures", remedy="give val, as val: images/val")
    return DataYaml(
        file=file,
        root=_root(file, content.get("path")),
        names=_class_names(file, content),
        splits=splits,
        keypoints=_keypoint_shape(file, content.get("kpt_shape")),
    )


def yaml_files(path: Path) -> list[Path]:
    """data.yaml, or whatever files have names and pictures."""
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else []
    named = [file for file in files if file.stem == "data"]
    return named or [file for file in files if _is_data_yaml(file)]


def _is_data_yaml(file: Path) -> bool:
    try:
        lines = read_text(file).splitlines()
    except WrongInput:
        return False
    keys = {line.partition(":")[0] for line in lines}
    return "names" in keys and bool(keys & set(SPLIT_KEYS))


def _find_yaml(path: Path) -> Path:
    if path.is_file():
        return path
    files = yaml_files(path)
    if len(files) == 1:
        return files[0]
    if files:
        raise WrongInput(
            f"{path} has {len(files)} YAML files of data",
            evidence="\n".join(file.name for file in files),
            remedy="name one of them",
        )
    raise WrongInput(
        f"{path} has no data.yaml, so what the classes are called is not known",
        remedy="write one (val: images/val, names: [cat, dog]), or classes.txt with a name a line",
    )


def _entries(file: Path, key: str, stated: Any) -> list[str]:
    entries = stated if isinstance(stated, list) else [stated]
    if not entries or not all(isinstance(entry, str) and entry for entry in entries):
        raise WrongInput(f"{file}: `{key}` is not a path", remedy="a folder, or a list of them")
    return entries


def _class_names(file: Path, content: Mapping[Any, Any]) -> list[str]:
    """By their numbers. Raises ``WrongInput`` for gaps, and for a count that differs."""
    stated, count = content.get("names"), content.get("nc")
    if stated is None:
        raise WrongInput(f"{file} has no `names`", remedy="names: [the classes in their order]")
    if isinstance(stated, dict):
        if sorted(map(str, stated)) != sorted(map(str, range(len(stated)))):
            raise WrongInput(
                f"{file}: `names` does not number the classes from 0 to {len(stated) - 1}",
                remedy="number them without gaps",
            )
        stated = [name for _, name in sorted(stated.items(), key=lambda item: int(item[0]))]
    if not isinstance(stated, list) or not stated:
        raise WrongInput(f"{file}: `names` is not a list of classes", remedy="names: [cat, dog]")
    for number, name in enumerate(stated):
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise WrongInput(
                f"{file}: the name of class {number} reads as {name!r} in YAML",
                remedy="put it in quotes",
            )
    if count is not None and count != len(stated):
        raise WrongInput(
            f"{file}: `nc` is {count}, and `names` has {len(stated)}", remedy="correct one of them"
        )
    return [str(name) for name in stated]


def _keypoint_shape(file: Path, stated: Any) -> tuple[int, int] | None:
    if stated is None:
        return None
    match stated:
        case [int(points), 2 | 3 as values] if points > 0:
            return points, values
    raise WrongInput(f"{file}: `kpt_shape` is {stated}", remedy="as kpt_shape: [17, 3]")


def _root(file: Path, stated: Any) -> Path:
    """``path``; the yaml's own folder where that is what it is called."""
    here = file.parent
    if stated is None or stated == "":
        return here
    if not isinstance(stated, str):
        raise WrongInput(f"{file}: `path` is not a folder", remedy="leave it out, or correct it")
    if Path(stated).is_absolute():
        if Path(stated).is_dir():
            return Path(stated)
        raise WrongInput(
            f"{file}: `path` is {stated}, which is not on this machine",
            remedy="correct it, or leave it out where the yaml lies beside the pictures",
        )
    inside = path_within(here, stated)
    if inside and inside.is_dir():
        return inside
    if Path(stated).name == here.resolve().name:
        return here
    raise WrongInput(
        f"{file}: `path` is {stated}, which is not a folder within {here}",
        remedy="give it as an absolute path, or leave it out where the yaml lies beside the "
        "pictures",
    )


def path_within(folder: Path, stated: str) -> Path | None:
    """The path if it does not lead out of the folder."""
    parts = Path(os.path.normpath(stated)).parts
    return None if parts[:1] == ("..",) else folder.joinpath(*parts)


def entry_path(data: DataYaml, split: str, entry: str) -> Path:
    """Roboflow writes ``../train/images`` and means the folder of the yaml."""
    if Path(entry).is_absolute():
        return Path(entry)
    plain = entry.replace("\\", "/")
    for stated in (plain, plain.removeprefix("../")):
        path = path_within(data.root, stated)
        if path and (path.exists() or stated == plain):
            return path
    raise WrongInput(
        f"{data.file}: `{split}` is {entry}, which leads out of {data.root}",
        remedy="give it as an absolute path",
    )

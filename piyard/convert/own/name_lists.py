"""Lists of names for classes and keypoints: the user's, one of models/labels/, or assumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.labels import format_labels, read_labels, read_numbered_labels
from piyard.models.definition import label_list_names, label_list_path


class NameList(msgspec.Struct, frozen=True):
    """A list in models/labels/, and its text where it must still be written there."""

    name: str = ""
    text: str = ""
    assumed: str = ""
    """For the user, where nobody stated the names."""

    @property
    def count(self) -> int:
        """How many names it has; 0 where there is no list."""
        if not self.name:
            return 0
        if self.text:
            return self.text.count("\n")
        return len(read_labels(label_list_path(self.name)))


def read_names(kind: str, source: str, model: str) -> NameList:
    """``source`` is a file, which becomes the model's own list, or the name of a list."""
    if not source or (not Path(source).is_file() and label_list_path(source).is_file()):
        return NameList(source)
    if not Path(source).is_file():
        raise WrongInput(f"--{kind}: there is no file {source}", remedy="one name a line")
    names = read_numbered_labels(Path(source))
    if not names:
        raise WrongInput(f"--{kind}: {source} holds no names", remedy="one name a line")
    return match_names(names, f"{model}-{kind}")


def match_names(names: Sequence[str], new_name: str) -> NameList:
    """The list in models/labels/ with these names, else a new one."""
    text = format_labels(names)
    for name in label_list_names():
        if label_list_path(name).read_bytes() == text.encode():
            return NameList(name)
    return NameList(new_name, text)


COCO_KEYPOINTS = "coco_keypoints"
"""The list of a person's keypoints in COCO."""


def number_keypoints(count: int, new_name: str) -> NameList:
    """Names for keypoints that have none: COCO's where they are as many, else numbers."""
    coco = NameList(COCO_KEYPOINTS, assumed=f"the {count} keypoints are COCO's")
    if coco.count == count:
        return coco
    names = match_names([f"point {number}" for number in range(1, count + 1)], new_name)
    return msgspec.structs.replace(names, assumed=f"the {count} keypoints have no names: numbered")


USUAL_LISTS = ("imagenet1k", "coco80")


def assume_labels(count: int, model: str) -> NameList:
    """Names of classes that nobody named: those of the usual data where they are as many.

    None of no classes.
    """
    if not count:
        return NameList()
    for name in USUAL_LISTS:
        usual = NameList(name, assumed=f"the {count} classes are those of {name}")
        if usual.count == count:
            return usual
    names = match_names([f"class {number}" for number in range(count)], f"{model}-labels")
    return msgspec.structs.replace(names, assumed=f"the {count} classes have no names: numbered")

"""What a network file states about itself.

How a picture is prepared is read as far as an exporter noted it (see ``notes``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import msgspec

from piyard.convert.own.defaults import (
    SUPPRESSION_KEYS,
    OwnModelOptions,
    parse_size,
)
from piyard.convert.own.notes import (
    Notes,
    fit_channels,
    noted_preprocess,
    transforms_preprocess,
)
from piyard.convert.own.preparation import (
    PreprocessKeys,
    describe_preprocess,
    merge_preprocess,
    ultralytics_preprocess,
)
from piyard.vision.tasks import TASKS, find_task

AUTHOR = "Ultralytics"
TASK_HEADS = {
    task.name: task.ultralytics_head for task in TASKS if task.ultralytics_head is not None
}
"""Ultralytics' task → head, for the tasks piyard knows."""


class HeadKeys(TypedDict, total=False):
    """Keys of a model's ``head`` that a file may state, as ``schema.Yolov8`` has them."""

    bins: int
    end_to_end: bool
    kpt_shape: list[int]
    kpt_grid: str
    angle: str


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """A file's metadata; a fact it does not state is empty."""

    task: str = ""
    head: str = ""
    size: str = ""
    names: list[str] = []
    """Of the classes."""
    licence: str = ""
    activation: str = ""
    """For a checkpoint of a classifier, which does not show how it ends."""
    author: str = ""
    """``AUTHOR``, or empty."""
    head_keys: HeadKeys = {}
    """What its head differs in from the usual one."""
    keypoints: list[str] = []
    """Their names."""
    refusal: str = ""
    """Why no net of ncnn can compute the network, where its kind is known for that."""
    notes: Notes = {}
    """Other notes that may state how a picture is prepared."""
    source: str = "the file"
    """Who says it."""

    def preprocess(self, task: str, size: str) -> PreprocessKeys:
        """The part of a model's ``preprocess`` that the file states, for that task and size."""
        channels, rows, columns = parse_size(size)
        if self.author == AUTHOR:
            defaults = ultralytics_preprocess(task, (channels, rows, columns))
            transforms = transforms_preprocess(self.notes.get("transforms"), rows, columns)
            return {**defaults, **transforms}
        return fit_channels(noted_preprocess(self.notes, rows, columns), channels)

    def lines(self, task: str, size: str) -> list[str]:
        """A line or two for the user; none where nothing is stated."""
        parts = [
            self.task,
            self._describe_size(size),
            _describe_class_count(self.names),
            _describe_keypoints(self.head_keys),
            "end to end" if self.head_keys.get("end_to_end") else "",
            f"licence {self.licence}" if self.licence else "",
        ]
        preprocess = ", ".join(describe_preprocess(self.preprocess(task, size)).values())
        lines = [", ".join(part for part in parts if part), preprocess]
        return [f"{self.source} says: {line}" for line in lines if line]

    def _describe_size(self, size: str) -> str:
        other = "" if size == self.size else f" ({size} was chosen)"
        return f"input {self.size}{other}" if self.size else ""

    def complete(self, options: OwnModelOptions, task: str, size: str) -> OwnModelOptions:
        """The user's options, with the file's metadata where they are empty."""
        facts = {key: getattr(self, key) for key in ("task", "head", "size", "licence")}
        facts |= {"activation": self.activation} if find_task(task).has_class_output else {}
        head_keys = self._own_head_keys() if (options.head or self.head) == self.head else {}
        preprocess = merge_preprocess(self.preprocess(task, size), options.preprocess)
        return msgspec.structs.replace(
            options,
            **{key: getattr(options, key) or value for key, value in facts.items()},
            preprocess=preprocess,
            head_keys={**head_keys, **options.head_keys},
        )

    def _own_head_keys(self) -> Mapping[str, object]:
        suppresses = self.head == "yolov8" and "end_to_end" not in self.head_keys
        usual = SUPPRESSION_KEYS if suppresses and self.author == AUTHOR else {}
        return {**usual, **self.head_keys}


def _describe_keypoints(keys: HeadKeys) -> str:
    shape = keys.get("kpt_shape")
    return f"{shape[0]} keypoints of {shape[1]} values" if shape else ""


def _describe_class_count(names: Sequence[str]) -> str:
    return {0: "", 1: "1 class"}.get(len(names), f"{len(names)} classes")

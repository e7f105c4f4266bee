"""What a network file states about itself, as Ultralytics' trainer and exporter write it.

How a picture is prepared is read as far as an exporter noted it (see ``notes``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import yaml

from piyard.convert import script_program
from piyard.convert.onnx_file import read_onnx
from piyard.convert.onnx_graph import OnnxGraph, graph_input_shapes, graph_inputs
from piyard.convert.onnx_inputs import has_bytes, picture_shape
from piyard.convert.own.class_notes import noted_class_names
from piyard.convert.own.defaults import (
    CHECKPOINT,
    SUPPRESSION_KEYS,
    OwnModelOptions,
    parse_size,
)
from piyard.convert.own.notes import (
    BYTES_RANGE,
    MAX_TEXT,
    PREPROCESS_KEYS,
    RANGE_KEY,
    Notes,
    fit_channels,
    noted_preprocess,
    noted_size,
    parse_literal,
    transforms_preprocess,
)
from piyard.convert.own.preparation import (
    PreprocessKeys,
    describe_preprocess,
    merge_preprocess,
    ultralytics_preprocess,
)
from piyard.models.checkpoint import checkpoint_notes
from piyard.models.timm_networks import is_timm_network, timm_notes, timm_version
from piyard.vision.tasks import TASKS, find_task

AUTHOR = "Ultralytics"
TASK_HEADS = {
    task.name: task.ultralytics_head for task in TASKS if task.ultralytics_head is not None
}
"""Ultralytics' task → head, for the tasks piyard knows."""
PAIR_METADATA = "metadata.yaml"
"""What Ultralytics' exporter writes beside an ncnn pair."""


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
            f"input {self.size}" if self.size else "",
            _describe_class_count(self.names),
            _describe_keypoints(self.head_keys),
            "end to end" if self.head_keys.get("end_to_end") else "",
            f"licence {self.licence}" if self.licence else "",
        ]
        preprocess = ", ".join(describe_preprocess(self.preprocess(task, size)).values())
        lines = [", ".join(part for part in parts if part), preprocess]
        return [f"{self.source} says: {line}" for line in lines if line]

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


def read_metadata(file: Path, kind: str) -> Metadata:
    """The metadata of a file of that kind. Raises ``ConversionFailed`` for an unreadable one."""
    if kind == CHECKPOINT:
        return _checkpoint_metadata(checkpoint_notes(file))
    if kind == "torchscript":
        return _program_metadata(script_program.script_notes(file))
    if kind == "onnx":
        return _graph_metadata(read_onnx(file))
    if kind == "ncnn":
        notes = _read_pair_notes(file)
        return _exporter_metadata(notes, _format_size(notes.get("imgsz")))
    return Metadata()


def with_timm_notes(metadata: Metadata, network: str) -> Metadata:
    """With what timm says of one of its networks, where the file itself says nothing.

    Raises as ``timm_notes`` does.
    """
    if not is_timm_network(network):
        return metadata
    notes = timm_notes(network)
    return msgspec.structs.replace(
        metadata,
        size=metadata.size or noted_size(notes),
        notes=metadata.notes or _preprocess_notes({**notes, "channel_order": "rgb"}),
        source="the file" if metadata.notes else f"timm {timm_version()}",
    )


def _checkpoint_metadata(notes: Notes) -> Metadata:
    """The trainer's ``args`` hold the size; its names may be numbered."""
    names, licence = _class_names(notes.get("names")), _short_licence(notes.get("license"))
    if not notes.get("trainer"):
        return Metadata(
            names=_class_names(noted_class_names(notes)),
            licence=licence,
            size=noted_size(notes),
            notes=_preprocess_notes(notes),
        )
    arguments = notes.get("train_args")
    arguments = arguments if isinstance(arguments, Mapping) else {}
    side = arguments.get("imgsz")
    sides = [side, side] if type(side) is int else side
    task = str(arguments.get("task") or notes.get("task"))
    task = task if task in TASK_HEADS else ""
    return Metadata(
        task=task,
        head_keys=_head_keys(notes, task),
        keypoints=_keypoint_names(notes),
        size=_format_size(sides),
        names=names,
        licence=licence,
        activation="softmax",
        author=AUTHOR,
        notes={"transforms": notes.get("transforms")},
    )


def _graph_metadata(graph: OnnxGraph) -> Metadata:
    notes = {prop.key: prop.value for prop in graph.metadata_props}
    parsed = {key: parse_literal(notes.get(key, "")) for key in LITERAL_KEYS}
    levels = {RANGE_KEY: BYTES_RANGE} if any(map(has_bytes, graph_inputs(graph)[:1])) else {}
    stated = _exporter_metadata({**levels, **notes, **parsed}, _graph_size(graph))
    return _anchored_metadata(graph, stated) if is_yolov5(notes) else stated


def is_yolov5(notes: Notes) -> bool:
    """Whether they are those that YOLOv5's own exporter writes: two, and no author."""
    return {"stride", "names"} <= notes.keys() and "author" not in notes


def _anchored_metadata(graph: OnnxGraph, stated: Metadata) -> Metadata:
    """Of YOLOv5, whose detectors have box, object and classes a row."""
    shapes = [
        [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.graph.output
    ]
    rows = [shape for shape in shapes if len(shape) == 3 and shape[2] == 5 + len(stated.names)]
    if not rows or not stated.names:
        return stated
    return msgspec.structs.replace(stated, task="detect", head="yolov5", author=AUTHOR, notes={})


def _read_pair_notes(file: Path) -> Notes:
    notes = file.parent / PAIR_METADATA
    try:
        content = yaml.safe_load(notes.read_text(encoding="utf-8")[:MAX_TEXT])
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _program_metadata(notes: Notes) -> Metadata:
    """In JSON the numbers of the classes are strings."""
    names, points = notes.get("names"), notes.get("kpt_names")
    if isinstance(names, Mapping):
        names = [names.get(str(number)) for number in range(len(names))]
    if isinstance(points, Mapping):
        points = {0: points.get("0")}
    numbered = {**notes, "names": names, "kpt_names": points}
    return _exporter_metadata(numbered, _format_size(notes.get("imgsz")))


def _exporter_metadata(notes: Notes, size: str) -> Metadata:
    names, task = _class_names(notes.get("names")), notes.get("task")
    if notes.get("author") != AUTHOR or not isinstance(task, str) or task not in TASK_HEADS:
        return Metadata(names=names, size=size or noted_size(notes), notes=_preprocess_notes(notes))
    licence, size = _short_licence(notes.get("license")), size or _format_size(notes.get("imgsz"))
    return Metadata(
        task=task,
        head=TASK_HEADS[task],
        size=size,
        names=names,
        licence=licence,
        author=AUTHOR,
        head_keys=_head_keys(notes, task),
        keypoints=_keypoint_names(notes),
        refusal=_refusal(notes),
    )


RTDETR_HEAD, RTDETR = "RTDETRDecoder", "rtdetr"


def _refusal(notes: Notes) -> str:
    if notes.get("head") != RTDETR_HEAD and RTDETR not in str(notes.get("description")).lower():
        return ""
    return "it is an RT-DETR: its decoder picks queries by TopK and Gather, and ncnn has neither"


LITERAL_KEYS = ("names", "imgsz", "kpt_shape", "kpt_names", "end2end")
"""Notes of a graph that are written as Python has them."""
CENTRED_HEADS = frozenset({"Pose26"})
"""Heads, as the exporter names them, whose keypoints count from a place's centre."""

RADIAN_HEADS = frozenset({"OBB26"})
"""Heads whose angles are radians."""


def _head_keys(notes: Notes, task: str) -> HeadKeys:
    """Keypoints and values of each, their grid, what an angle holds, whether NMS is needed."""
    keys: HeadKeys = {}
    shape = notes.get("kpt_shape")
    if task == "pose" and isinstance(shape, (list, tuple)) and _is_keypoint_shape(shape):
        keys["kpt_shape"] = list(shape)
        if notes.get("head") in CENTRED_HEADS:
            keys["kpt_grid"] = "centred"
    if task == "obb" and notes.get("head") in RADIAN_HEADS:
        keys["angle"] = "radians"
    if notes.get("end2end") is True and TASK_HEADS.get(task):
        keys["end_to_end"] = True
    return keys


def _is_keypoint_shape(shape: Sequence[object]) -> bool:
    integers = [value for value in shape if type(value) is int]
    return len(shape) == len(integers) == 2 and integers[0] > 0 and integers[1] in {2, 3}


def _keypoint_names(notes: Notes) -> list[str]:
    """Those of the first class: all classes have the same keypoints."""
    by_class = notes.get("kpt_names")
    return _class_names(by_class.get(0)) if isinstance(by_class, Mapping) else []


def _describe_keypoints(keys: HeadKeys) -> str:
    shape = keys.get("kpt_shape")
    return f"{shape[0]} keypoints of {shape[1]} values" if shape else ""


def _preprocess_notes(notes: Notes) -> Notes:
    return {key: notes[key] for key in PREPROCESS_KEYS if key in notes}


def _format_size(sides: Any) -> str:
    """The input's size from [rows, columns]."""
    if not isinstance(sides, list) or [type(side) for side in sides] != [int, int]:
        return ""
    if min(sides) < 1:
        return ""
    return f"3,{sides[0]},{sides[1]}"


def _graph_size(graph: OnnxGraph) -> str:
    """The first input's size, channels first, if the graph works at one size only."""
    shapes = graph_input_shapes(graph)
    if not shapes or len(shapes[0]) != 4 or not all(shapes[0][1:]):
        return ""
    return ",".join(map(str, picture_shape(shapes[0])))


def _describe_class_count(names: Sequence[str]) -> str:
    return {0: "", 1: "1 class"}.get(len(names), f"{len(names)} classes")


def _class_names(names: Any) -> list[str]:
    """A list, or a dictionary by number without gaps; each name in one line."""
    if isinstance(names, Mapping):
        numbers = list(range(len(names)))
        names = [names[number] for number in numbers] if set(names) == set(numbers) else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return []
    lines = [" ".join(name.split()) for name in names]
    return lines if all(map(_is_printable, lines)) else []


def _short_licence(note: Any) -> str:
    text = note if isinstance(note, str) else ""
    licence = text.partition(" License")[0].partition(" (")[0].strip()
    return licence if _is_printable(licence) else ""


def _is_printable(text: str) -> bool:
    """Whether it can be written to a file and a terminal, and is not empty."""
    return bool(text) and text.isprintable()

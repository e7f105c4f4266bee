"""A network file's metadata, read as Ultralytics' trainer and exporter and others write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from piyard.convert import script_program
from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.graph import OnnxGraph, graph_input_shapes, graph_inputs
from piyard.convert.onnx.inputs import has_bytes, picture_shape
from piyard.convert.own.class_notes import noted_class_names
from piyard.convert.own.defaults import CHECKPOINT
from piyard.convert.own.metadata import AUTHOR, TASK_HEADS, HeadKeys, Metadata
from piyard.convert.own.notes import (
    BYTES_RANGE,
    MAX_TEXT,
    PREPROCESS_KEYS,
    RANGE_KEY,
    Notes,
    noted_size,
    parse_literal,
)
from piyard.models.architectures.timm_networks import is_timm_network, timm_notes, timm_version
from piyard.models.checkpoint import checkpoint_notes

PAIR_METADATA = "metadata.yaml"
"""What Ultralytics' exporter writes beside an ncnn pair."""


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

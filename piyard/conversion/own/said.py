"""What a network file states about itself, as Ultralytics' trainer and exporter write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from piyard import onnxgraph, torchscript
from piyard.conversion.own import asked as flags
from piyard.conversion.own import assumed, preparing, usual
from piyard.conversion.own.asked import Asked
from piyard.conversion.own.kind import CHECKPOINT
from piyard.conversion.own.preparing import LONGEST, literal
from piyard.onnxgraph.read import Graph
from piyard.weights import checkpoint

AUTHOR = "Ultralytics"
HEAD = "yolov8"
HEADS = {"classify": "", "detect": HEAD, "segment": HEAD, "pose": HEAD}
"""Ultralytics' task → head, for the tasks piyard knows."""
BESIDE = "metadata.yaml"
"""What Ultralytics' exporter writes beside an ncnn pair."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
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
    notes: dict[str, Any] = {}
    """Other notes that may state how a picture is prepared."""

    def preprocess(self, task: str, size: str) -> dict[str, Any]:
        """The part of a model's ``preprocess`` that the file states, for that task and size."""
        _, rows, columns = flags.size(size)
        if self.author == AUTHOR:
            defaults = usual.ultralytics(task, rows, columns)
            return defaults | preparing.transformed(self.notes.get("transforms"), rows, columns)
        return preparing.noted(self.notes, rows, columns)

    def lines(self, task: str, size: str) -> list[str]:
        """A line or two for the user; none where nothing is stated."""
        parts = [
            self.task,
            f"input {self.size}" if self.size else "",
            _counted(self.names),
            f"licence {self.licence}" if self.licence else "",
        ]
        preprocess = ", ".join(assumed.told(self.preprocess(task, size)).values())
        lines = [", ".join(part for part in parts if part), preprocess]
        return [f"the file says: {line}" for line in lines if line]

    def complete(self, options: Asked, task: str, size: str) -> Asked:
        """The user's options, with the file's metadata where they are empty."""
        facts = {key: getattr(self, key) for key in ("task", "head", "size", "licence")}
        facts |= {"activation": self.activation} if task == "classify" else {}
        preprocess = assumed.merged(self.preprocess(task, size), options.preprocess)
        return msgspec.structs.replace(
            options,
            **{key: getattr(options, key) or value for key, value in facts.items()},
            preprocess=preprocess,
        )


def of(file: Path, kind: str) -> Said:
    """The metadata of a file of that kind. Raises ``ConversionFailed`` for an unreadable one."""
    if kind == CHECKPOINT:
        return _of_checkpoint(checkpoint.notes(file))
    if kind == "torchscript":
        return _of_notes(torchscript.notes(file))
    if kind == "onnx":
        return _of_graph(onnxgraph.read(file))
    return _of_pair(_beside(file)) if kind == "ncnn" else Said()


def _of_checkpoint(notes: Mapping[str, Any]) -> Said:
    """The trainer's ``args`` hold the size; its names may be numbered."""
    names, licence = _names(notes.get("names")), _licence(notes.get("license"))
    if not notes.get("trainer"):
        return Said(names=names, licence=licence, size=preparing.size(notes), notes=_kept(notes))
    arguments = notes.get("train_args")
    arguments = arguments if isinstance(arguments, Mapping) else {}
    task, side = arguments.get("task"), arguments.get("imgsz")
    sides = [side, side] if type(side) is int else side
    return Said(
        task=task if isinstance(task, str) and task in HEADS else "",
        size=_traced(sides),
        names=names,
        licence=licence,
        activation="softmax",
        author=AUTHOR,
        notes={"transforms": notes.get("transforms")},
    )


def _of_graph(graph: Graph) -> Said:
    notes = {prop.key: prop.value for prop in graph.metadata_props}
    parsed = {key: literal(notes.get(key, "")) for key in ("names", "imgsz")}
    return _exported({**notes, **parsed}, _size(graph))


def _of_pair(notes: Mapping[str, Any]) -> Said:
    """A detector's pair includes its decoding, so that no head fits it."""
    metadata = _exported(notes, _traced(notes.get("imgsz")))
    return metadata if metadata.task == "classify" else Said(names=metadata.names)


def _beside(file: Path) -> dict[str, Any]:
    notes = file.parent / BESIDE
    try:
        content = yaml.safe_load(notes.read_text(encoding="utf-8")[:LONGEST])
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _of_notes(notes: Mapping[str, Any]) -> Said:
    """In JSON the numbers of the classes are strings."""
    names = notes.get("names")
    if isinstance(names, Mapping):
        names = [names.get(str(number)) for number in range(len(names))]
    return _exported({**notes, "names": names}, _traced(notes.get("imgsz")))


def _exported(notes: Mapping[str, Any], size: str) -> Said:
    names, task = _names(notes.get("names")), notes.get("task")
    if notes.get("author") != AUTHOR or not isinstance(task, str) or task not in HEADS:
        return Said(names=names, size=size or preparing.size(notes), notes=_kept(notes))
    licence, size = _licence(notes.get("license")), size or _traced(notes.get("imgsz"))
    return Said(task=task, head=HEADS[task], size=size, names=names, licence=licence, author=AUTHOR)


def _kept(notes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: notes[key] for key in preparing.KEYS if key in notes}


def _traced(sides: Any) -> str:
    """The input's size from [rows, columns]."""
    if not isinstance(sides, list) or [type(side) for side in sides] != [int, int]:
        return ""
    if min(sides) < 1:
        return ""
    return f"3,{sides[0]},{sides[1]}"


def _size(graph: Graph) -> str:
    """The input's size, if the graph works at one size only."""
    shapes = onnxgraph.input_shapes(graph)
    if len(shapes) != 1 or len(shapes[0]) != 4 or not all(shapes[0][1:]):
        return ""
    return ",".join(map(str, shapes[0][1:]))


def _counted(names: Sequence[str]) -> str:
    return {0: "", 1: "1 class"}.get(len(names), f"{len(names)} classes")


def _names(names: Any) -> list[str]:
    """A list, or a dictionary by number without gaps; each name in one line."""
    if isinstance(names, Mapping):
        numbers = list(range(len(names)))
        names = [names[number] for number in numbers] if set(names) == set(numbers) else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return []
    lines = [" ".join(name.split()) for name in names]
    return lines if all(map(_is_shown, lines)) else []


def _licence(note: Any) -> str:
    licence = note.partition(" License")[0].strip() if isinstance(note, str) else ""
    return licence if _is_shown(licence) else ""


def _is_shown(text: str) -> bool:
    """Whether it can be written to a file and a terminal, and is not empty."""
    return bool(text) and text.isprintable()

"""What a file says of itself, as Ultralytics' trainer and exporter write it."""

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
"""Their tasks that piyard knows, and the heads."""
BESIDE = "metadata.yaml"
"""What Ultralytics' exporter writes beside an ncnn pair."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Empty where nothing is said."""

    task: str = ""
    head: str = ""
    size: str = ""
    names: list[str] = []
    """Of the classes."""
    licence: str = ""
    activation: str = ""
    """Of a classifier whose weights are noted, but not how it ends."""
    author: str = ""
    """``AUTHOR``, or nobody who is known."""
    notes: dict[str, Any] = {}
    """What else may tell how a picture is prepared."""

    def preprocess(self, task: str, size: str) -> dict[str, Any]:
        """The part of a model's ``preprocess`` that the file says, for that task and size."""
        _, rows, columns = flags.size(size)
        if self.author == AUTHOR:
            defaults = usual.ultralytics(task, rows, columns)
            return defaults | preparing.transformed(self.notes.get("transforms"), rows, columns)
        return preparing.noted(self.notes, rows, columns)

    def told(self, task: str, size: str) -> list[str]:
        """A line or two for a person; none where nothing is said."""
        parts = [
            self.task,
            f"input {self.size}" if self.size else "",
            _counted(self.names),
            f"licence {self.licence}" if self.licence else "",
        ]
        prepared = ", ".join(assumed.told(self.preprocess(task, size)).values())
        lines = [", ".join(part for part in parts if part), prepared]
        return [f"the file says: {line}" for line in lines if line]

    def beside(self, asked: Asked, task: str, size: str) -> Asked:
        """What the user says, and what the file says of the rest."""
        said = {key: getattr(self, key) for key in ("task", "head", "size", "licence")}
        said |= {"activation": self.activation} if task == "classify" else {}
        prepared = assumed.merged(self.preprocess(task, size), asked.preprocess)
        return msgspec.structs.replace(
            asked,
            **{key: getattr(asked, key) or value for key, value in said.items()},
            preprocess=prepared,
        )


def of(file: Path, kind: str) -> Said:
    """What a file of that kind says. Raises ``ConversionFailed`` for one that cannot be read."""
    if kind == CHECKPOINT:
        return _of_checkpoint(checkpoint.notes(file))
    if kind == "torchscript":
        return _of_notes(torchscript.notes(file))
    if kind == "onnx":
        return _of_graph(onnxgraph.read(file))
    return _of_pair(_beside(file)) if kind == "ncnn" else Said()


def _of_checkpoint(notes: Mapping[str, Any]) -> Said:
    """A trainer's own ``args`` have the size; its names may be numbered."""
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
    notes = {one.key: one.value for one in graph.metadata_props}
    told = {key: literal(notes.get(key, "")) for key in ("names", "imgsz")}
    return _exported({**notes, **told}, _size(graph))


def _of_pair(notes: Mapping[str, Any]) -> Said:
    """Of a detector's pair its decoding is part, so that no head fits it."""
    told = _exported(notes, _traced(notes.get("imgsz")))
    return told if told.task == "classify" else Said(names=told.names)


def _beside(file: Path) -> dict[str, Any]:
    notes = file.parent / BESIDE
    try:
        read = yaml.safe_load(notes.read_text(encoding="utf-8")[:LONGEST])
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return read if isinstance(read, dict) else {}


def _of_notes(notes: Mapping[str, Any]) -> Said:
    """JSON has the numbers of the classes as texts."""
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
    """The size of rows and columns, in that order."""
    if not isinstance(sides, list) or [type(side) for side in sides] != [int, int]:
        return ""
    if min(sides) < 1:
        return ""
    return f"3,{sides[0]},{sides[1]}"


def _size(graph: Graph) -> str:
    """Of a graph that works at one size only."""
    shapes = onnxgraph.input_shapes(graph)
    if len(shapes) != 1 or len(shapes[0]) != 4 or not all(shapes[0][1:]):
        return ""
    return ",".join(map(str, shapes[0][1:]))


def _counted(names: Sequence[str]) -> str:
    return {0: "", 1: "1 class"}.get(len(names), f"{len(names)} classes")


def _names(told: Any) -> list[str]:
    """A list, or a dictionary by number without gaps; each name in one line."""
    if isinstance(told, Mapping):
        numbers = list(range(len(told)))
        told = [told[number] for number in numbers] if set(told) == set(numbers) else []
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        return []
    named = [" ".join(one.split()) for one in told]
    return named if all(map(_is_shown, named)) else []


def _licence(told: Any) -> str:
    told = told.partition(" License")[0].strip() if isinstance(told, str) else ""
    return told if _is_shown(told) else ""


def _is_shown(text: str) -> bool:
    """Whether it can be written to a file and to a terminal, and says something."""
    return bool(text) and text.isprintable()

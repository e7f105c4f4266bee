"""What a file says of itself, as Ultralytics' trainer and exporter write it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import onnxgraph, torchscript
from piyard.conversion.own.asked import Asked
from piyard.conversion.own.kind import CHECKPOINT
from piyard.onnxgraph.read import Graph
from piyard.weights import checkpoint

AUTHOR = "Ultralytics"
HEAD = "yolov8"
TASKS = frozenset({"detect", "segment", "pose"})
"""Those whose heads piyard knows."""
LONGEST = 1_000_000
"""Characters of a text that is looked at; the names of a thousand classes have some 20,000."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Empty where nothing is said."""

    task: str = ""
    head: str = ""
    size: str = ""
    names: list[str] = []
    """Of the classes."""
    licence: str = ""

    @property
    def told(self) -> list[str]:
        """One line for a person; none where nothing is said."""
        parts = [
            self.task,
            f"input {self.size}" if self.size else "",
            _counted(self.names),
            f"licence {self.licence}" if self.licence else "",
        ]
        said = ", ".join(part for part in parts if part)
        return [f"the file says: {said}"] if said else []

    def beside(self, asked: Asked) -> Asked:
        """What the user says, and what the file says of the rest."""
        said = {key: getattr(self, key) for key in ("task", "head", "size", "licence")}
        return msgspec.structs.replace(
            asked, **{key: getattr(asked, key) or value for key, value in said.items()}
        )


def of(file: Path, kind: str) -> Said:
    """What a file of that kind says. Raises ``ConversionFailed`` for one that cannot be read."""
    if kind == CHECKPOINT:
        notes = checkpoint.notes(file)
        return Said(names=_names(notes.get("names")), licence=_licence(notes.get("license")))
    if kind == "torchscript":
        return _of_notes(torchscript.notes(file))
    return _of_graph(onnxgraph.read(file)) if kind == "onnx" else Said()


def _of_graph(graph: Graph) -> Said:
    notes = {one.key: one.value for one in graph.metadata_props}
    names = _literal(notes.get("names", ""))
    return _exported({**notes, "names": names}, _size(graph))


def _of_notes(notes: Mapping[str, Any]) -> Said:
    """JSON has the numbers of the classes as texts."""
    names = notes.get("names")
    if isinstance(names, Mapping):
        names = [names.get(str(number)) for number in range(len(names))]
    return _exported({**notes, "names": names}, _traced(notes.get("imgsz")))


def _exported(notes: Mapping[str, Any], size: str) -> Said:
    names, task = _names(notes.get("names")), notes.get("task")
    if notes.get("author") != AUTHOR or not isinstance(task, str) or task not in TASKS:
        return Said(names=names, size=size)
    licence = _licence(notes.get("license"))
    return Said(task=task, head=HEAD, size=size, names=names, licence=licence)


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


def _literal(text: str) -> Any:
    """A value as Python writes it; nothing for what is none. No code is run."""
    try:
        return ast.literal_eval(text) if len(text) <= LONGEST else None
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        return None


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

"""An ONNX file read without trusting it, with the tensors that lie in files beside it.

External data: onnx/docs/ExternalData.md. A tensor names a file by its path from the folder of the
.onnx, where it begins and how long it is. What is outside that folder is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard.convert.onnx.graph import OnnxGraph, inner_graphs, tensors_read
from piyard.core.errors import ConversionFailed
from piyard.core.foreign import require_content
from piyard.core.text import format_count

MAX_BYTES = (1 << 31) - 1
"""Of one message of protobuf, the format of ONNX."""
ONE_FILE_REMEDY = "torch.onnx.export(..., external_data=False) writes a single file"
SHOWN_EVIDENCE = 600
FOREIGN_BEGINNINGS = {
    b"PK\x03\x04": "a zip archive, as torch.save writes: piyard takes it as a .pt",
    b"ORTM": "onnxruntime's own format: add the .onnx that it was made from",
}
"""How other files begin that are met under this name, and what they are."""
ORT_MAGIC_PLACE = slice(4, 8)


def read_onnx(path: Path) -> OnnxGraph:
    """The file's graph with all its tensors, its nodes in order, checked by onnx's own checker.

    Raises ``ConversionFailed`` for what is not an ONNX file, breaks the specification, or keeps
    tensors outside its folder.
    """
    graph = _parse_file(path)
    _load_parts(graph, path)
    _sort_nodes(graph.graph)
    _require_known_version(graph, path.name)
    return _inline_functions(_check(graph, path.name))


def list_parts(path: Path) -> list[str]:
    """The names of the files beside it that hold tensors of it; none for a file of one piece."""
    return sorted({_location(tensor) for tensor in _external_tensors(_parse_file(path))})


def join_parts(path: Path) -> bytes:
    """The file with the tensors of the files beside it, the same bytes for the same files."""
    graph = _parse_file(path)
    _load_parts(graph, path)
    joined: bytes = graph.SerializeToString(deterministic=True)
    return joined


def _parse_file(path: Path) -> OnnxGraph:
    import onnx
    from google.protobuf.message import DecodeError

    require_content(path)
    _require_size(path.stat().st_size, path.name)
    content = path.read_bytes()
    _require_onnx_beginning(content, path.name)
    graph = onnx.ModelProto()
    try:
        graph.ParseFromString(content)
    except DecodeError:
        raise ConversionFailed(
            f"{path.name} is not an ONNX file, or a part of one only",
            remedy="compare its size with that of the original, and copy it again",
        ) from None
    if not graph.HasField("graph"):
        raise ConversionFailed(f"{path.name} is not an ONNX file: it holds no graph")
    return graph


def _require_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise ConversionFailed(
            f"{name} has {size / 1e9:.1f} GB with its tensors, and an ONNX graph at most 2.1",
            remedy="a network of that size is none for a Raspberry Pi: take a smaller one",
        )


def _require_onnx_beginning(content: bytes, name: str) -> None:
    start = content[:64].lstrip()
    for beginning, kind in FOREIGN_BEGINNINGS.items():
        if start.startswith(beginning) or content[ORT_MAGIC_PLACE] == beginning:
            raise ConversionFailed(f"{name} is {kind}")


def _check(graph: OnnxGraph, name: str) -> OnnxGraph:
    import onnx

    try:
        onnx.checker.check_model(graph)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:  # of a name, in its words
        raise ConversionFailed(
            f"{name} breaks the ONNX specification", evidence=str(error)[:SHOWN_EVIDENCE]
        ) from None
    return graph


def _require_known_version(graph: OnnxGraph, name: str) -> None:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    opset = next((entry.version for entry in graph.opset_import if not entry.domain), 0)
    if opset > newest or graph.ir_version > onnx.IR_VERSION:
        raise ConversionFailed(
            f"{name} is of a newer ONNX than onnx {onnx.__version__} knows: opset {opset} of "
            f"{newest}, format {graph.ir_version} of {onnx.IR_VERSION}",
            remedy="torch.onnx.export(..., opset_version=18)",
        )


def _inline_functions(graph: OnnxGraph) -> OnnxGraph:
    """The graph with the bodies of the functions that the file defines where they are called."""
    import onnx.inliner

    return onnx.inliner.inline_local_functions(graph) if graph.functions else graph


def _sort_nodes(graph: Any) -> None:
    """Put each node behind those it reads from, as the specification has it; inner graphs too.

    onnxruntime's converter to fp16 writes some in another order. A circle stays as it is.
    """
    for node in graph.node:
        for inner in inner_graphs(node):
            _sort_nodes(inner)
    nodes = list(graph.node)
    order = _dependency_order(nodes)
    if order != list(range(len(nodes))):
        copies = [
            type(nodes[number]).FromString(nodes[number].SerializeToString()) for number in order
        ]
        del graph.node[:]
        graph.node.extend(copies)


def _dependency_order(nodes: Sequence[Any]) -> list[int]:
    """The nodes by number, each behind its makers, else in the file's order."""
    makers = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    order: dict[int, None] = {}
    for first in range(len(nodes)):
        pending, opened = [first], set()
        while pending:
            number = pending[-1]
            opened.add(number)
            before = sorted({makers[name] for name in tensors_read(nodes[number]) & makers.keys()})
            waiting = [each for each in before if each not in order and each not in opened]
            if waiting:
                pending += reversed(waiting)
            else:
                order[pending.pop()] = None
    return list(order)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tensor's values are: bytes of a file in the folder of the .onnx."""

    location: str
    offset: int
    length: int


def _load_parts(graph: OnnxGraph, path: Path) -> None:
    tensors = list(_external_tensors(graph))
    if not tensors:
        return
    sizes = _part_sizes(tensors, path)
    parts = [_read_part(tensor, sizes, path.name) for tensor in tensors]
    _require_size(path.stat().st_size + sum(part.length for part in parts), path.name)
    for tensor, part in zip(tensors, parts, strict=True):
        with (path.parent / part.location).open("rb") as file:
            file.seek(part.offset)
            tensor.raw_data = file.read(part.length)
        tensor.ClearField("data_location")
        del tensor.external_data[:]


def _part_sizes(tensors: Sequence[Any], path: Path) -> dict[str, int]:
    """The size of each file by its location; ``ConversionFailed`` for what is not taken."""
    locations = sorted({_location(tensor) for tensor in tensors})
    missing = [each for each in locations if not _is_inside(path.parent, each)]
    if missing:
        count = sum(_location(tensor) == missing[0] for tensor in tensors)
        raise ConversionFailed(
            f"{path.name} keeps {format_count(count, 'tensor')} in '{missing[0]}', which is no "
            "file in its folder",
            remedy=f"put it beside {path.name}; {ONE_FILE_REMEDY}",
        )
    return {each: (path.parent / each).stat().st_size for each in locations}


def _is_inside(folder: Path, location: str) -> bool:
    """Whether it names a regular file within the folder, links followed."""
    relative = Path(location)
    if not location or "\0" in location or relative.is_absolute() or ".." in relative.parts:
        return False
    try:
        file = (folder / relative).resolve(strict=True)
    except OSError:
        return False
    return file.is_file() and file.is_relative_to(folder.resolve())


def _read_part(tensor: Any, sizes: Mapping[str, int], name: str) -> Part:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location, size = _location(tensor), sizes[_location(tensor)]
    offset = _parse_bytes(entries.get("offset", "0"))
    length = _parse_bytes(entries["length"]) if "length" in entries else max(size - offset, 0)
    if offset + length > size:
        raise ConversionFailed(
            f"{name}: '{location}', of {size} bytes, ends before the tensor '{tensor.name}' does",
            remedy="they are of different exports, or one is cut short: copy both again",
        )
    return Part(location=location, offset=offset, length=length)


def _parse_bytes(text: str) -> int:
    """A number of bytes; more than any file has for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 1 << 62


def _location(tensor: Any) -> str:
    return next((str(e.value) for e in tensor.external_data if e.key == "location"), "")


def _external_tensors(graph: OnnxGraph) -> Iterator[Any]:
    """The tensors whose values are elsewhere, of attributes and inner graphs too."""
    import onnx

    nodes = [node for function in graph.functions for node in function.node]
    for tensor in [*graph_tensors(graph.graph), *_node_tensors(nodes)]:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            yield tensor


def graph_tensors(graph: Any) -> Iterator[Any]:
    """Every tensor with values: of initializers, attributes and inner graphs."""
    yield from graph.initializer
    yield from _sparse_tensors(graph.sparse_initializer)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Sequence[Any]) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else attribute.tensors
            sparse = attribute.sparse_tensor
            yield from _sparse_tensors(
                [sparse] if attribute.HasField("sparse_tensor") else attribute.sparse_tensors
            )
        for inner in inner_graphs(node):
            yield from graph_tensors(inner)


def _sparse_tensors(tensors: Sequence[Any]) -> Iterator[Any]:
    for sparse in tensors:
        yield from (sparse.values, sparse.indices)

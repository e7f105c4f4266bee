"""Tensors in a ``.safetensors`` file, which holds nothing that could run.

The format (https://github.com/huggingface/safetensors#format): eight bytes with the length of a
header, little-endian; the header, a JSON object of ``name: {dtype, shape, data_offsets}`` with
texts as ``__metadata__``; the values of all tensors, at the offsets that the header gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    import torch


SUFFIX = ".safetensors"
LENGTH_BYTES = 8
MAX_HEADER = 100_000_000
"""The format's own limit, in bytes."""
METADATA_KEY = "__metadata__"
TORCH_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "BOOL": "bool",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
}
"""The format's names of types, and torch's."""


class TensorEntry(msgspec.Struct, frozen=True):
    """Where the values of a tensor are, in bytes behind the header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def is_tensor_file(path: Path) -> bool:
    """Whether it is one, whatever it is called."""
    return path.suffix == SUFFIX or _begins_with_header(path)


def _begins_with_header(path: Path) -> bool:
    with path.open("rb") as stream:
        length, first = int.from_bytes(stream.read(LENGTH_BYTES), "little"), stream.read(1)
    return first == b"{" and length <= path.stat().st_size


class TensorFile:
    """An open file: ``entries`` by name; a tensor's values are read when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Read the header. Raises ``ConversionFailed`` for a file that is not as it should be."""
        self.path = path
        header, self._begin = _read_header(path)
        room = path.stat().st_size - self._begin
        self.entries = {
            name: _parse_entry(path, name, raw, room)
            for name, raw in header.items()
            if name != METADATA_KEY
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each tensor."""
        return {name: tuple(entry.shape) for name, entry in self.entries.items()}

    def read(self, name: str) -> torch.Tensor:
        """A tensor of the file's own type."""
        import torch

        entry = self.entries[name]
        dtype = getattr(torch, TORCH_TYPES[entry.dtype])
        first, last = entry.data_offsets
        if first == last:
            return torch.empty(entry.shape, dtype=dtype)
        with self.path.open("rb") as stream:
            stream.seek(self._begin + first)
            content = bytearray(stream.read(last - first))
        return torch.frombuffer(content, dtype=dtype).reshape(entry.shape)


def read_tensor_file(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor by name. Raises ``ConversionFailed`` for a file that is not as it should be."""
    file = TensorFile(path)
    for name in file.entries:
        yield name, file.read(name)


def write_tensor_file(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write the tensors in the order of their names: equal ones give equal bytes."""
    names = {torch_name: dtype for dtype, torch_name in TORCH_TYPES.items()}
    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    header: dict[str, TensorEntry] = {}
    end = 0
    for name, tensor in ordered.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        dtype = names[str(tensor.dtype).removeprefix("torch.")]
        header[name] = TensorEntry(dtype, list(tensor.shape), (begin, end))
    text = msgspec.json.encode(header)
    text += b" " * (-len(text) % LENGTH_BYTES)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        for tensor in ordered.values():
            stream.write(_tensor_bytes(tensor))


def _tensor_bytes(tensor: torch.Tensor) -> bytes:
    """Its values, little-endian as this machine's are."""
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def read_header_notes(path: Path) -> dict[str, object]:
    """The texts that its writer noted down. Raises as ``read_tensor_file``."""
    header, _ = _read_header(path)
    try:
        return {**msgspec.json.decode(header.get(METADATA_KEY, b"{}"), type=dict[str, str])}
    except msgspec.DecodeError:
        return {}


def _read_header(path: Path) -> tuple[dict[str, msgspec.Raw], int]:
    """The header's entries, and where the values begin."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if length > min(MAX_HEADER, path.stat().st_size):
            raise _broken_file(path, "its header is longer than the file")
        text = stream.read(length)
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw]), LENGTH_BYTES + length
    except (msgspec.DecodeError, RecursionError) as error:
        raise _broken_file(path, f"its header is none: {error}") from None


def _parse_entry(path: Path, name: str, raw: msgspec.Raw, room: int) -> TensorEntry:
    """An entry whose values lie within ``room`` bytes behind the header."""
    import torch

    try:
        entry = msgspec.json.decode(raw, type=TensorEntry)
    except msgspec.DecodeError as error:
        raise _broken_file(path, f"'{name}': {error}") from None
    if entry.dtype not in TORCH_TYPES or any(side < 0 for side in entry.shape):
        raise _broken_file(path, f"'{name}' is of a type or shape that there is not")
    first, last = entry.data_offsets
    size = prod(entry.shape) * getattr(torch, TORCH_TYPES[entry.dtype]).itemsize
    if not 0 <= first <= last <= room or last - first != size:
        raise _broken_file(path, f"'{name}' has no room for its values: the file is cut")
    return entry


def _broken_file(path: Path, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"{path.name} is not a readable .safetensors file: {why}",
        remedy="copy or download it again",
    )

"""The head of a GGUF file, read strictly: its metadata, and where the values of each tensor are.

The format (github.com/ggml-org/ggml, docs/gguf.md), little-endian, versions 2 and 3: ``GGUF``,
version, number of tensors, number of metadata entries; the entries; for each tensor its name,
shape with the fastest axis first, type, and the offset of its values behind the head, which is
padded to ``general.alignment``. What a file claims is compared with its size before it is believed.
"""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.core.errors import ConversionFailed
from piyard.core.parsing import JsonObject
from piyard.language.gguf_blocks import BLOCK_TYPES, BlockType, decode_blocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT, MAX_ALIGNMENT = 32, 1 << 16
MAX_AXES = 4
MAX_ENTRIES = 1 << 16
"""Entries of metadata; and tensors."""
MAX_NAME = 1 << 16
MAX_DEPTH = 2
"""Arrays of arrays: no writer has them deeper."""

STRING, ARRAY, BOOL = 8, 9, 7
SCALARS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    BOOL: "<u1",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
"""The format's types of numbers as numpy's."""


class GgufTensor(msgspec.Struct, frozen=True, kw_only=True):
    """Where the values of a tensor are."""

    name: str
    shape: tuple[int, ...]
    """The slowest axis first, as numpy has it."""
    type: BlockType
    begin: int
    """Bytes from the file's start."""

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return self.type.bytes_of(prod(self.shape))


class GgufFile:
    """An open file: ``metadata`` by key, ``tensors`` by name; values are read one by one."""

    def __init__(self, path: Path) -> None:
        """Read its head. Raises ``ConversionFailed`` for a file that is not as it should be."""
        self.path = path
        with path.open("rb") as stream:
            if path.stat().st_size < len(MAGIC):
                raise _broken_file(path, "it is empty or cut")
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        reader = _HeadReader(path, self._bytes)
        self.metadata: JsonObject
        self.tensors: dict[str, GgufTensor]
        self.metadata, self.tensors = reader.read_head()

    def read(self, name: str) -> NDArray[np.float32]:
        """A tensor's values as float32, in its shape. ``ConversionFailed`` when it is not there."""
        tensor = self._find(name)
        return decode_blocks(self.read_raw(name), tensor.type).reshape(tensor.shape)

    def read_raw(self, name: str) -> NDArray[np.uint8]:
        """A tensor's bytes as they are stored; they stay in the file until they are used."""
        import numpy as np

        tensor = self._find(name)
        return np.frombuffer(self._bytes, np.uint8, tensor.size, tensor.begin)

    def _find(self, name: str) -> GgufTensor:
        if name not in self.tensors:
            raise _broken_file(self.path, f"there is no tensor '{name}'")
        return self.tensors[name]


def is_gguf(path: Path) -> bool:
    """Whether the file begins as one, whatever it is called."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


class _HeadReader:
    """A place in the file's bytes that only moves forward, and never past the end."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path, self.content, self.at = path, content, 0

    def read_head(self) -> tuple[JsonObject, dict[str, GgufTensor]]:
        self._read_magic()
        tensors, entries = self.read_count("tensors"), self.read_count("metadata entries")
        metadata = self._read_metadata(entries)
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not _is_alignment(alignment):
            raise self.broken(f"`general.alignment` is {alignment!r}, which is none")
        infos = [self._read_info() for _ in range(tensors)]
        begin = -(-self.at // alignment) * alignment
        placed: dict[str, GgufTensor] = {}
        for name, shape, type_, offset in infos:
            if name in placed:
                raise self.broken(f"tensor '{name}' is there twice")
            placed[name] = self._place(name, shape, type_, offset, begin, alignment)
        return metadata, placed

    def broken(self, why: str) -> ConversionFailed:
        return _broken_file(self.path, why)

    def take(self, size: int) -> bytes:
        if size > len(self.content) - self.at:
            raise self.broken(f"it is cut within its head, at byte {len(self.content):,}")
        taken = self.content[self.at : self.at + size]
        self.at += size
        return taken

    def read_number(self, code: str) -> int:
        number: int = struct.unpack(code, self.take(struct.calcsize(code)))[0]
        return number

    def read_count(self, what: str) -> int:
        count = self.read_number("<Q")
        if count > MAX_ENTRIES:
            raise self.broken(f"it claims {count:,} {what}")
        return count

    def read_text(self, limit: int | None = None) -> str:
        size = self.read_number("<Q")
        if limit is not None and size > limit:
            raise self.broken(f"a name of {size:,} bytes")
        return self.take(size).decode("utf-8", errors="surrogateescape")

    def _read_magic(self) -> None:
        if self.take(len(MAGIC)) != MAGIC:
            raise self.broken("it does not begin with GGUF")
        version = self.read_number("<I")
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            why = "it is big-endian" if swapped in VERSIONS else f"its version is {version}"
            raise self.broken(f"{why}; piyard reads versions 2 and 3, little-endian")

    def _read_metadata(self, entries: int) -> JsonObject:
        metadata: JsonObject = {}
        for _ in range(entries):
            key = self.read_text(MAX_NAME)
            if key in metadata:
                raise self.broken(f"`{key}` is there twice")
            metadata[key] = self._read_value(self.read_number("<I"), key, 0)
        return metadata

    def _read_value(self, type_: int, key: str, depth: int) -> Any:
        if type_ == STRING:
            return self.read_text()
        if type_ == ARRAY:
            return self._read_array(key, depth)
        values = self._read_numbers(type_, 1, key)
        return bool(values[0]) if type_ == BOOL else values[0]

    def _read_array(self, key: str, depth: int) -> list[Any]:
        type_, count = self.read_number("<I"), self.read_number("<Q")
        if depth >= MAX_DEPTH:
            raise self.broken(f"`{key}` has arrays within arrays")
        if type_ not in {STRING, ARRAY}:
            return self._read_numbers(type_, count, key)
        if count > len(self.content) - self.at:  # each element has a byte at least
            raise self.broken(f"`{key}` claims {count:,} values")
        return [self._read_value(type_, key, depth + 1) for _ in range(count)]

    def _read_numbers(self, type_: int, count: int, key: str) -> list[Any]:
        import numpy as np

        if type_ not in SCALARS:
            raise self.broken(f"`{key}` is of type {type_}, which there is not")
        dtype = np.dtype(SCALARS[type_])
        values: list[Any] = np.frombuffer(self.take(count * dtype.itemsize), dtype).tolist()
        return values

    def _read_info(self) -> tuple[str, tuple[int, ...], BlockType, int]:
        name, axes = self.read_text(MAX_NAME), self.read_number("<I")
        if not 1 <= axes <= MAX_AXES:
            raise self.broken(f"tensor '{name}' has {axes} axes")
        shape = tuple(self.read_number("<Q") for _ in range(axes))[::-1]
        code = self.read_number("<I")
        if code not in BLOCK_TYPES:
            raise self.broken(f"tensor '{name}' is of type {code}, which piyard does not read")
        return name, shape, BLOCK_TYPES[code], self.read_number("<Q")

    def _place(
        self,
        name: str,
        shape: tuple[int, ...],
        type_: BlockType,
        offset: int,
        begin: int,
        alignment: int,
    ) -> GgufTensor:
        if shape[-1] % type_.values or not 0 < prod(shape) <= 8 * len(self.content):
            raise self.broken(f"tensor '{name}' of shape {shape} cannot be of type {type_.name}")
        tensor = GgufTensor(name=name, shape=shape, type=type_, begin=begin + offset)
        if offset % alignment:
            raise self.broken(f"tensor '{name}' is not aligned")
        if tensor.begin + tensor.size > len(self.content):
            missing = tensor.begin + tensor.size - len(self.content)
            raise self.broken(f"it is cut: tensor '{name}' lacks {missing:,} bytes")
        return tensor


def _is_alignment(value: Any) -> bool:
    return isinstance(value, int) and 8 <= value <= MAX_ALIGNMENT and value & (value - 1) == 0


def _broken_file(path: Path, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"{path.name} is not a readable GGUF file: {why}", remedy="copy or download it again"
    )

"""The flat file of a tokenizer: sections of numbers, which nnrun maps into memory as they are.

64 bytes: the magic, the number of sections (uint32), 0 (uint32), the size of the file (uint64).
Then 24 bytes a section: its name's number (uint32), bytes of an item (uint32), where it begins and
its bytes (uint64 each). Sections begin at multiples of 64. All is little-endian. Texts are in two
sections: where each begins, and the bytes of all. runner/src/text/flat_file.h reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from itertools import accumulate

import numpy as np
import numpy.typing as npt

MAGIC = b"piytok\x00\x01"
ALIGNMENT = 64
HEADER = struct.Struct("<8sIIQ40x")
ENTRY = struct.Struct("<IIQQ")


class Section(IntEnum):
    """In nnrun: ``FilePart`` of runner/src/text/flat_file.h, in the same order."""

    SETTINGS = 1
    TEXT_OFFSETS = auto()
    TEXT_BYTES = auto()
    PIECE_OFFSETS = auto()
    PIECE_BYTES = auto()
    TOKEN_FLAGS = auto()
    TOKEN_BUCKETS = auto()
    TOKEN_IDS = auto()
    MERGE_BUCKETS = auto()
    MERGES = auto()
    SYMBOLS = auto()
    FALLBACK = auto()
    STRING_OFFSETS = auto()
    STRING_BYTES = auto()
    INSTRUCTIONS = auto()
    SETS = auto()
    RANGES = auto()
    PATTERNS = auto()
    NORMALIZERS = auto()
    PRE_TOKENIZERS = auto()
    UNICODE_INDEX = auto()
    UNICODE_BLOCKS = auto()
    DECOMPOSITION_KEYS = auto()
    DECOMPOSITION_OFFSETS = auto()
    DECOMPOSITION_VALUES = auto()
    COMPOSITIONS = auto()
    CLASSES = auto()
    LOWER_KEYS = auto()
    LOWER_OFFSETS = auto()
    LOWER_VALUES = auto()
    RAW_NODES = auto()
    RAW_BYTES = auto()
    RAW_TARGETS = auto()
    NORMALIZED_NODES = auto()
    NORMALIZED_BYTES = auto()
    NORMALIZED_TARGETS = auto()
    PREFIX = auto()
    SUFFIX = auto()
    CHAT = auto()
    CHAT_OFFSETS = auto()
    CHAT_BYTES = auto()
    SCORES = auto()
    VOCABULARY_NODES = auto()
    VOCABULARY_BYTES = auto()
    VOCABULARY_TARGETS = auto()
    STOPS = auto()
    PICTURE = auto()
    PICTURE_OFFSETS = auto()
    PICTURE_BYTES = auto()


Values = npt.NDArray[np.uint8 | np.uint16 | np.uint32 | np.float32 | np.float64]


class FlatFile:
    """Sections by name; ``pack`` gives the file."""

    def __init__(self) -> None:
        self._sections: dict[Section, Values] = {}

    def add(self, section: Section, values: Values | Sequence[int]) -> None:
        """Numbers; a list is of uint32."""
        array = values if isinstance(values, np.ndarray) else np.array(values, np.uint32)
        self._sections[section] = np.ascontiguousarray(array)

    def add_texts(self, offsets: Section, content: Section, texts: Iterable[bytes]) -> None:
        """Texts in two sections."""
        entries = list(texts)
        self.add(offsets, list(accumulate(map(len, entries), initial=0)))
        self.add(content, np.frombuffer(b"".join(entries), np.uint8))

    def pack(self) -> bytes:
        """The bytes of the file; sections of the same content are there once."""
        begin = _align(HEADER.size + ENTRY.size * len(self._sections))
        places: dict[bytes, int] = {}
        table, body = bytearray(), bytearray()
        for section, values in self._sections.items():
            content = values.tobytes()
            if content not in places:
                places[content] = begin + len(body)
                body += content.ljust(_align(len(content)), b"\0")
            table += ENTRY.pack(section, values.itemsize, places[content], len(content))
        head = HEADER.pack(MAGIC, len(self._sections), 0, begin + len(body)) + table
        return head.ljust(begin, b"\0") + bytes(body)


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT

"""What is known of each Unicode character: its category, case and normal forms.

The tables are those of the ``tokenizers`` package (``unicode_probe`` asks it), not of Python:
versions of Unicode differ, and a text has to be cut as a model's tokenizer was trained to.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntFlag
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CHARACTERS = 0x110000
CATEGORIES = (
    *("Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps"),
    *("Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"),
)
"""A character's flags begin with the number of its category: five bits."""
TABLES_FILE = Path(__file__).with_name("unicode.npz")


class Flag(IntFlag):
    """What else is known of a character, above its category. nnrun: runner/src/text/unicode.h."""

    SPACE = 1 << 5
    """White space, as ``\\s`` of Oniguruma, which runs a tokenizer's patterns."""
    WORD = 1 << 6
    """Part of a word: ``\\w`` of Oniguruma."""
    NUMERIC = 1 << 7
    """A number, as Rust's ``char::is_numeric`` says."""
    RUST_SPACE = 1 << 8
    """White space, as Rust's ``char::is_whitespace`` says."""
    RUST_WORD = 1 << 9
    """Part of a word: ``\\w`` of Rust's patterns."""
    NFC_INERT = 1 << 10
    """A text of such characters alone is in normal form C."""


class Mapping(NamedTuple):
    """Characters that become others: sorted ``keys``, and where the ``values`` of each begin."""

    keys: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.uint32]
    """One more than keys."""
    values: npt.NDArray[np.uint32]

    def get(self, code: int) -> list[int] | None:
        """What the character becomes; None for one that stays as it is."""
        at = int(np.searchsorted(self.keys, code))
        if at == len(self.keys) or self.keys[at] != code:
            return None
        return [int(value) for value in self.values[self.offsets[at] : self.offsets[at + 1]]]


def make_mapping(entries: Sequence[tuple[int, Sequence[int]]]) -> Mapping:
    """Of (character, what it becomes), sorted by character."""
    lengths = [0, *(len(values) for _, values in entries)]
    return Mapping(
        np.array([code for code, _ in entries], np.uint32),
        np.cumsum(lengths, dtype=np.uint32),
        np.array([value for _, values in entries for value in values], np.uint32),
    )


class UnicodeTables(NamedTuple):
    """All of them, each as nnrun has it in its file."""

    flags: npt.NDArray[np.uint16]
    """A category and ``Flag`` for each of ``CHARACTERS``."""
    decompositions: Mapping
    """Canonical ones, down to the last character; Hangul is computed."""
    compositions: npt.NDArray[np.uint32]
    """Rows of (first, second, what both become), sorted; Hangul is computed."""
    classes: npt.NDArray[np.uint32]
    """Rows of (character, its combining class), sorted, where the class is not 0."""
    lower: Mapping


def two_stages(
    flags: npt.NDArray[np.uint16], bits: int = 7
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """The number of each block of ``1 << bits`` characters, and the blocks that differ."""
    blocks, numbers = np.unique(flags.reshape(-1, 1 << bits), axis=0, return_inverse=True)
    return numbers.reshape(-1).astype(np.uint16), blocks


def save_tables(tables: UnicodeTables, path: Path = TABLES_FILE) -> None:
    """Write them, compressed."""
    index, blocks = two_stages(tables.flags)
    mappings = {
        f"{name}_{part}": values
        for name in ("decompositions", "lower")
        for part, values in getattr(tables, name)._asdict().items()
    }
    np.savez_compressed(
        path,
        index=index,
        blocks=blocks,
        compositions=tables.compositions,
        classes=tables.classes,
        **mappings,
    )


@cache
def load_tables() -> UnicodeTables:
    """The tables that come with piyard."""
    with np.load(TABLES_FILE, allow_pickle=False) as stored:
        decompositions, lower = (
            Mapping(*(stored[f"{name}_{part}"] for part in Mapping._fields))
            for name in ("decompositions", "lower")
        )
        flags = stored["blocks"][stored["index"]].reshape(-1)
        return UnicodeTables(
            flags, decompositions, stored["compositions"], stored["classes"], lower
        )

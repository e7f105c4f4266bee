"""What the ``tokenizers`` package knows of Unicode, found by asking it about every character.

Its parts bring Unicode versions of their own: Oniguruma's for patterns, Rust's for case and
numbers, a third for normal forms. ``python -m piyard.language.tokenizer.unicode_probe`` writes the
tables anew; a test compares them with what the installed package says.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, normalizers, pre_tokenizers

from piyard.language.tokenizer.unicode_tables import (
    CATEGORIES,
    CHARACTERS,
    Flag,
    Mapping,
    UnicodeTables,
    make_mapping,
    save_tables,
)

SURROGATES = range(0xD800, 0xE000)
HANGUL = range(0xAC00, 0xD7A4)
JAMO = (range(0x1161, 0x1176), range(0x11A8, 0x11C3))
"""Vowels and final consonants, which Hangul's syllables are composed with."""
CODES = np.array([code for code in range(CHARACTERS) if code not in SURROGATES], np.uint32)
TEXT = "".join(map(chr, CODES))
NFC, NFD, LOWER = normalizers.NFC(), normalizers.NFD(), normalizers.Lowercase()

Mask = npt.NDArray[np.bool_]


def probe_tables() -> UnicodeTables:
    """All tables; some twenty seconds."""
    decompositions = _probe_mapping(NFD, leave_out=HANGUL)
    compositions = _probe_compositions(decompositions)
    classes = _probe_classes(decompositions)
    flags = _probe_flags()
    changing = {*map(int, decompositions.keys), *HANGUL, *(code for code, _ in classes)}
    changing.update(second for _, second, _ in compositions)
    changing.update(code for jamo in JAMO for code in jamo)
    inert = np.ones(CHARACTERS, bool)
    inert[sorted(changing)] = False
    flags[inert] |= int(Flag.NFC_INERT)
    return UnicodeTables(
        flags,
        decompositions,
        np.array(compositions, np.uint32),
        np.array(classes, np.uint32),
        _probe_mapping(LOWER),
    )


def _probe_flags() -> npt.NDArray[np.uint16]:
    categories = _probe_categories()
    categories[_inside(_matches(r"\s+"))] |= int(Flag.SPACE)
    categories[_inside(_matches(r"\w+"))] |= int(Flag.WORD)
    categories[_numeric()] |= int(Flag.NUMERIC)
    space = ~_inside(pre_tokenizers.WhitespaceSplit())
    categories[space] |= int(Flag.RUST_SPACE)
    categories[_words(~space)] |= int(Flag.RUST_WORD)
    flags = np.full(CHARACTERS, CATEGORIES.index("Cs"), np.uint16)
    flags[CODES] = categories
    return flags


def _matches(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), "removed", invert=True)


def _runs(splitter: Any, text: str = TEXT) -> list[tuple[int, int]]:
    """Where the pieces of the text begin and end."""
    return [(start, stop) for _, (start, stop) in splitter.pre_tokenize_str(text)]


def _inside(splitter: Any, text: str = TEXT) -> Mask:
    """Which characters are in a piece."""
    mask = np.zeros(len(text), bool)
    for start, stop in _runs(splitter, text):
        mask[start:stop] = True
    return mask


def _probe_categories() -> npt.NDArray[np.uint16]:
    """Runs of one category in one pass; then the category of each run by its first character."""
    names = CATEGORIES[:-1]
    runs = _runs(_matches("|".join(rf"\p{{{name}}}+" for name in names)))
    firsts = "".join(TEXT[start] for start, _ in runs)
    kinds = np.zeros(len(runs), np.uint16)
    for number, name in enumerate(names):
        kinds[_inside(_matches(rf"\p{{{name}}}+"), firsts)] = number
    return np.repeat(kinds, [stop - start for start, stop in runs])


def _numeric() -> Mask:
    """Digits are isolated one by one: behind an ``x`` each, what is still joined is not a digit."""
    spaced = "".join(f"x{letter}" for letter in TEXT)
    mask = np.zeros(len(TEXT), bool)
    for start, stop in _runs(pre_tokenizers.Digits(individual_digits=True), spaced):
        if stop - start == 1 and start % 2:
            mask[start // 2] = True
    return mask


def _words(candidates: Mask) -> Mask:
    r"""``\w+|[^\w\s]+`` cuts between a letter and what is not part of a word."""
    codes = np.flatnonzero(candidates)
    spaced = "".join(f"x{TEXT[at]} " for at in codes)
    mask = np.zeros(len(TEXT), bool)
    for start, stop in _runs(pre_tokenizers.Whitespace(), spaced):
        if stop - start == 2:
            mask[codes[start // 3]] = True
    return mask


def _probe_mapping(normalizer: Any, leave_out: range = range(0)) -> Mapping:
    """Of all characters that it changes; a line break between them keeps them apart."""
    lines = normalizer.normalize_str("\n".join(TEXT.replace("\n", "x"))).split("\n")
    pairs = zip(CODES, TEXT.replace("\n", "x"), lines, strict=True)
    return make_mapping(
        [
            (int(code), list(map(ord, line)))
            for code, letter, line in pairs
            if letter != line and code not in leave_out
        ]
    )


def _probe_compositions(decompositions: Mapping) -> list[tuple[int, int, int]]:
    """Whose two halves compose to it again: all but the last character, and the last."""
    differing = []
    for code in map(int, decompositions.keys):
        letters = "".join(map(chr, decompositions.get(code) or []))
        first = NFC.normalize_str(letters[:-1])
        if len(first) == 1 and NFC.normalize_str(letters) == chr(code):
            differing.append((ord(first), ord(letters[-1]), code))
    return sorted(differing)


def _probe_classes(decompositions: Mapping) -> list[tuple[int, int]]:
    """Marks whose order normal form D changes, with a class that orders them as it does.

    The numbers are ranks: only which of two is greater counts.
    """
    composed = {chr(code) for code in decompositions.keys}
    marks = [letter for letter in TEXT if letter not in composed and _is_reordered(letter)]
    ranks: list[str] = []
    for mark in marks:
        at = bisect_left(ranks, True, key=lambda other: not _goes_before(other, mark))
        if at == len(ranks) or _goes_before(mark, ranks[at]):
            ranks.insert(at, mark)
    return [
        (ord(mark), 1 + bisect_left(ranks, True, key=lambda other: not _goes_before(other, mark)))
        for mark in marks
    ]


def _goes_before(first: str, second: str) -> bool:
    """Whether it is of a lower class: from behind the other it moves before it."""
    return _ordered(second + first) != _ordered(second) + _ordered(first)


def _is_reordered(letter: str) -> bool:
    """Behind the mark of the highest class, or as the one before the mark of the lowest."""
    return _goes_before(letter, "\u0345") or _goes_before("\u0334", letter)


def _ordered(text: str) -> str:
    return str(NFD.normalize_str(text))


if __name__ == "__main__":
    save_tables(probe_tables())

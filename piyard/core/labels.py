"""Class names: label files, and the class that a name means."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from piyard.core.errors import WrongInput, did_you_mean
from piyard.core.parsing import read_text
from piyard.core.text import JOINERS

LINE_BREAK = re.compile(r"\r\n|\r|\n")
NUMBERED = re.compile(r"(\d+)([ \t]*[:;,=\t][ \t]*|[.)][ \t]+| +)(\S.*)")
"""``0: cat``, ``0 cat``, ``0,cat``, ``1. cat``"""
SYNSET = re.compile(r"(n\d{8})[\s,:]+(\S.*)")
"""``n01440764 tench, Tinca tinca``"""
QUOTED = re.compile(r"""(["'])(.*)\1,?""")
WORD_BREAK = re.compile(r"""[\s_/\\:*?"<>|-]+""")
"""What a folder's name cannot hold, or what stands for a blank."""
MAX_NAME_LENGTH = 1000
"""Characters of a name."""


def read_labels(path: Path) -> list[str]:
    """One name a line, in the order of the classes; blank lines at the end do not count.

    Raises ``WrongInput``, with the line's number, for a blank line among the names, which would
    shift all that follow, for unprintable characters, and for an unknown encoding.
    """
    lines = [line.strip() for line in LINE_BREAK.split(read_text(path))]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        _require_name(f"{path}:{number}", line)
    return lines


def read_numbered_labels(path: Path) -> list[str]:
    """The same for a list of any origin: quotes and numbers around every name are removed."""
    return _strip_numbers(_strip_quotes(read_labels(path)), path)


def format_labels(names: Sequence[str]) -> str:
    """The names as a file."""
    return "".join(f"{name}\n" for name in names)


def _require_name(where: str, line: str) -> None:
    if not line:
        raise WrongInput(
            f"{where} is blank: the names after it would belong to other classes",
            remedy="give the class a name, or take the line out",
        )
    if len(line) > MAX_NAME_LENGTH or not all(map(_is_printable, line)):
        raise WrongInput(f"{where} is not a class name", remedy="one printable name a line")


def _is_printable(char: str) -> bool:
    """Whether a terminal shows the character, and does not obey it."""
    category = unicodedata.category(char)
    return char == "\t" or char in JOINERS or not (category[0] == "C" or category in {"Zl", "Zp"})


def _strip_quotes(lines: list[str]) -> list[str]:
    matches = [QUOTED.fullmatch(line) for line in lines]
    if not all(match and match[2].strip() for match in matches):
        return lines
    return [match[2].strip() for match in matches if match]


def _strip_numbers(lines: list[str], path: Path) -> list[str]:
    """The names in the order of the numbers before them, where those number the classes."""
    matches = [match for match in map(NUMBERED.fullmatch, lines) if match]
    if not matches or len(matches) != len(lines):
        return lines
    numbers, names = [int(match[1]) for match in matches], [match[3].strip() for match in matches]
    first = min(numbers)
    has_separators = all(match[2].strip(" ") for match in matches)
    if len(set(names)) != len(names) or not (first == 0 or (has_separators and first == 1)):
        return lines  # such numbers are part of the names: 101 dalmatians
    expected = range(first, first + len(lines))
    if gap := sorted(set(expected) - set(numbers)):
        if not has_separators:
            return lines
        raise WrongInput(
            f"{path} numbers its classes, and number {gap[0]} is missing",
            remedy="number them without gaps, or remove the numbers",
        )
    return [name for _, name in sorted(zip(numbers, names, strict=True))]


class ClassNames:
    """The class that a name means: compared exactly, then without case and separators."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        keys_of: tuple[Callable[[str], Iterable[str]], ...] = (
            _exact_keys,
            _folded_keys,
            _synonym_keys,
        )
        self._levels = [_index_labels(labels, keys) for keys in keys_of]

    def find(self, name: str) -> int | None:
        """The class's index; None where there is none. Raises ``WrongInput`` for several."""
        for level, key in zip(self._levels, (normalize_name, fold_name, fold_name), strict=True):
            indices = level.get(key(name), [])
            if len(indices) == 1:
                return indices[0]
            if indices:
                several = ", ".join(f"{i} ({self.labels[i]})" for i in indices[:4])
                raise WrongInput(
                    f"'{name}' is the name of several classes: {several}",
                    remedy="name it as exactly one of them, or by its number",
                )
        return None

    def is_of(self, name: str, index: int) -> bool:
        """Whether the name may mean that class: it does not mean only others."""
        keys = zip(self._levels, (normalize_name, fold_name, fold_name), strict=True)
        indices = next((level[key(name)] for level, key in keys if key(name) in level), [index])
        return index in indices

    def nearest(self, name: str) -> str:
        """``, did you mean '…'?`` where a label is close."""
        return did_you_mean(name, self.labels)


def normalize_name(name: str) -> str:
    """In Unicode's composed form (NFC): macOS decomposes file names."""
    return unicodedata.normalize("NFC", name).strip()


def fold_name(name: str) -> str:
    """Without case, and with one blank between words."""
    return WORD_BREAK.sub(
        " ", unicodedata.normalize("NFC", normalize_name(name).casefold())
    ).strip()


def _index_labels(
    labels: Sequence[str], keys: Callable[[str], Iterable[str]]
) -> dict[str, list[int]]:
    indices: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        for key in dict.fromkeys(keys(label)):
            indices[key].append(index)
    return indices


def _exact_keys(label: str) -> Iterator[str]:
    yield normalize_name(label)


def _folded_keys(label: str) -> Iterator[str]:
    yield fold_name(label)


def _synonym_keys(label: str) -> Iterator[str]:
    """WordNet's number, what follows it, and the first of several synonyms."""
    synset = SYNSET.fullmatch(normalize_name(label))
    rest = synset[2] if synset else label
    if synset:
        yield fold_name(synset[1])
        yield fold_name(rest)
    yield fold_name(rest.partition(",")[0])

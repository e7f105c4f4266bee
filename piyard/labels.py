"""Class names: label files, and the class that a name means."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from piyard import textfile
from piyard.address import JOINERS
from piyard.errors import WrongInput, nearest

LINES = re.compile(r"\r\n|\r|\n")
NUMBERED = re.compile(r"(\d+)([ \t]*[:;,=\t][ \t]*|[.)][ \t]+| +)(\S.*)")
"""``0: cat``, ``0 cat``, ``0,cat``, ``1. cat``"""
SYNSET = re.compile(r"(n\d{8})[\s,:]+(\S.*)")
"""``n01440764 tench, Tinca tinca``"""
QUOTED = re.compile(r"""(["'])(.*)\1,?""")
APART = re.compile(r"""[\s_/\\:*?"<>|-]+""")
"""What a folder's name cannot hold, or what stands for a blank."""
LONGEST = 1000
"""Characters of a name."""


def read(path: Path) -> list[str]:
    """One name a line, in the order of the classes; blank lines at the end do not count.

    Raises ``WrongInput``, with the line's number, for a blank line among the names, which would
    shift all that follow, for unprintable characters, and for an unknown encoding.
    """
    lines = [line.strip() for line in LINES.split(textfile.read(path))]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        _require_name(f"{path}:{number}", line)
    return lines


def read_numbered(path: Path) -> list[str]:
    """The same for a list of any origin: quotes and numbers around every name are removed."""
    return _unnumbered(_unquoted(read(path)), path)


def text(names: Sequence[str]) -> str:
    """The names as a file."""
    return "".join(f"{name}\n" for name in names)


def _require_name(where: str, line: str) -> None:
    if not line:
        raise WrongInput(
            f"{where} is blank: the names after it would belong to other classes",
            remedy="give the class a name, or take the line out",
        )
    if len(line) > LONGEST or not all(map(_is_shown, line)):
        raise WrongInput(f"{where} is not a class name", remedy="one printable name a line")


def _is_shown(char: str) -> bool:
    """Whether a terminal shows the character, and does not obey it."""
    category = unicodedata.category(char)
    return char == "\t" or char in JOINERS or not (category[0] == "C" or category in {"Zl", "Zp"})


def _unquoted(lines: list[str]) -> list[str]:
    matches = [QUOTED.fullmatch(line) for line in lines]
    if not all(match and match[2].strip() for match in matches):
        return lines
    return [match[2].strip() for match in matches if match]


def _unnumbered(lines: list[str], path: Path) -> list[str]:
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


class Names:
    """The class that a name means: compared exactly, then without case and separators."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        keys_of: tuple[Callable[[str], Iterable[str]], ...] = (_exact, _folded, _parts)
        self._levels = [_indexed(labels, keys) for keys in keys_of]

    def find(self, name: str) -> int | None:
        """The class's index; None where there is none. Raises ``WrongInput`` for several."""
        for level, key in zip(self._levels, (normal, folded, folded), strict=True):
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
        keys = zip(self._levels, (normal, folded, folded), strict=True)
        indices = next((level[key(name)] for level, key in keys if key(name) in level), [index])
        return index in indices

    def nearest(self, name: str) -> str:
        """``, did you mean '…'?`` where a label is close."""
        return nearest(name, self.labels)


def normal(name: str) -> str:
    """In Unicode's composed form (NFC): macOS decomposes file names."""
    return unicodedata.normalize("NFC", name).strip()


def folded(name: str) -> str:
    """Without case, and with one blank between words."""
    return APART.sub(" ", unicodedata.normalize("NFC", normal(name).casefold())).strip()


def _indexed(labels: Sequence[str], keys: Callable[[str], Iterable[str]]) -> dict[str, list[int]]:
    indices: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        for key in dict.fromkeys(keys(label)):
            indices[key].append(index)
    return indices


def _exact(label: str) -> Iterator[str]:
    yield normal(label)


def _folded(label: str) -> Iterator[str]:
    yield folded(label)


def _parts(label: str) -> Iterator[str]:
    """WordNet's number, what follows it, and the first of several synonyms."""
    synset = SYNSET.fullmatch(normal(label))
    rest = synset[2] if synset else label
    if synset:
        yield folded(synset[1])
        yield folded(rest)
    yield folded(rest.partition(",")[0])

"""Names of classes: lists of them in files, and which class a name means."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from piyard import textfile
from piyard.errors import WrongInput, nearest

LINES = re.compile(r"\r\n|\r|\n")
NUMBERED = re.compile(r"(\d+)([ \t]*[:;,=\t][ \t]*|[.)][ \t]+| +)(\S.*)")
"""``0: cat``, ``0 cat``, ``0,cat``, ``1. cat``"""
JOINERS = "\u200c\u200d"
"""What Persian or Hindi names are spelled with."""
SYNSET = re.compile(r"(n\d{8})[\s,:]+(\S.*)")
"""``n01440764 tench, Tinca tinca``"""
QUOTED = re.compile(r"""(["'])(.*)\1,?""")
APART = re.compile(r"""[\s_/\\:*?"<>|-]+""")
"""What a folder's name cannot hold, or what is written in the place of a blank."""
LONGEST = 1000
"""Characters of a name."""


def read(path: Path) -> list[str]:
    """One name a line, in the order of the classes; blank lines at the end are none.

    Raises ``WrongInput``, with the line's number, for a blank line among the names, which would
    move all that follow, for what cannot be shown, and for an encoding that cannot be told.
    """
    lines = [line.strip() for line in LINES.split(textfile.read(path))]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        _require_name(f"{path}:{number}", line)
    return lines


def read_numbered(path: Path) -> list[str]:
    """The same of a list that others made: quotes and numbers around every name are taken off."""
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
        raise WrongInput(f"{where} is not a name", remedy="one printable name a line")


def _is_shown(char: str) -> bool:
    """Whether a terminal shows it, and does not obey it."""
    kind = unicodedata.category(char)
    return char == "\t" or char in JOINERS or not (kind[0] == "C" or kind in {"Zl", "Zp"})


def _unquoted(lines: list[str]) -> list[str]:
    found = [QUOTED.fullmatch(line) for line in lines]
    if not all(one and one[2].strip() for one in found):
        return lines
    return [one[2].strip() for one in found if one]


def _unnumbered(lines: list[str], path: Path) -> list[str]:
    """The names in the order of the numbers before them, where those are the classes' own."""
    found = [one for one in map(NUMBERED.fullmatch, lines) if one]
    if not found or len(found) != len(lines):
        return lines
    numbers, names = [int(one[1]) for one in found], [one[3].strip() for one in found]
    first = min(numbers)
    by_mark = all(one[2].strip(" ") for one in found)
    if len(set(names)) != len(names) or not (first == 0 or (by_mark and first == 1)):
        return lines  # such numbers are part of the names: 101 dalmatians
    wanted = range(first, first + len(lines))
    if gap := sorted(set(wanted) - set(numbers)):
        if not by_mark:
            return lines
        raise WrongInput(
            f"{path} numbers its classes, and none is {gap[0]}",
            remedy="number them without gaps, or leave the numbers out",
        )
    return [name for _, name in sorted(zip(numbers, names, strict=True))]


class Names:
    """Which class a name means: as it is written, else but for case, blanks and the like."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        ways: tuple[Callable[[str], Iterable[str]], ...] = (_exact, _folded, _parts)
        self._levels = [_indexed(labels, way) for way in ways]

    def find(self, name: str) -> int | None:
        """The class's index; None for a name of none. Raises ``WrongInput`` for one of several."""
        for level, key in zip(self._levels, (normal, folded, folded), strict=True):
            hits = level.get(key(name), [])
            if len(hits) == 1:
                return hits[0]
            if hits:
                several = ", ".join(f"{i} ({self.labels[i]})" for i in hits[:4])
                raise WrongInput(
                    f"'{name}' is the name of several classes: {several}",
                    remedy="name it as exactly one of them, or by its number",
                )
        return None

    def is_of(self, name: str, index: int) -> bool:
        """Whether the name may be that class's: it is no other one's alone."""
        keys = zip(self._levels, (normal, folded, folded), strict=True)
        hits = next((level[key(name)] for level, key in keys if key(name) in level), [index])
        return index in hits

    def nearest(self, name: str) -> str:
        """``, did you mean '…'`` where something is near."""
        return nearest(name, self.labels)


def normal(name: str) -> str:
    """Composed: macOS hands out file names in pieces."""
    return unicodedata.normalize("NFC", name).strip()


def folded(name: str) -> str:
    """Without case, and with a blank for whatever parts the words."""
    return APART.sub(" ", unicodedata.normalize("NFC", normal(name).casefold())).strip()


def _indexed(labels: Sequence[str], way: Callable[[str], Iterable[str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        for key in dict.fromkeys(way(label)):
            found[key].append(index)
    return found


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

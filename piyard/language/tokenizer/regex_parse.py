r"""Patterns of tokenizers, parsed: what Oniguruma's syntax has that pre-tokenizers use, no more.

Literals, classes with ``\p{…}``, ``\s``, ``\d``, ``\w``, groups, ``(?i:…)``, greedy repetitions by
``? * + {m,n}``, alternatives and looking ahead. All else is refused by name.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from string import ascii_lowercase

from piyard.language.tokenizer.unicode_tables import CATEGORIES, Flag

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
MAX_REPEAT = 64
"""Most copies of a counted group."""
INFINITE = 0
MAX_DEPTH = 20


class UnknownPattern(ValueError):
    """What of the pattern is not known."""


@dataclass(frozen=True)
class CharacterSet:
    """Characters by category, by a class of theirs, or by ranges."""

    categories: int = 0
    """A bit for each of ``CATEGORIES``."""
    flags: int = 0
    """``Flag`` of which one is enough."""
    missing_flags: int = 0
    """``Flag`` of which one that lacks is enough, as for ``\\S``."""
    ranges: tuple[tuple[int, int], ...] = ()
    negated: bool = False

    def __or__(self, other: CharacterSet) -> CharacterSet:
        """Both; neither may be negated."""
        return CharacterSet(
            self.categories | other.categories,
            self.flags | other.flags,
            self.missing_flags | other.missing_flags,
            self.ranges + other.ranges,
        )

    def has(self, code: int, flags: int) -> bool:
        """Whether a character of these flags is in it, as nnrun's ``CharacterSet::has``."""
        inside = bool(
            self.categories >> (flags & 31) & 1
            or self.flags & flags
            or self.missing_flags & ~flags
            or any(low <= code <= high for low, high in self.ranges)
        )
        return inside != self.negated


@dataclass(frozen=True)
class Repeat:
    """A part, from ``least`` to ``most`` times, as often as it can be."""

    part: Node
    least: int
    most: int
    """``INFINITE`` without a limit."""


@dataclass(frozen=True)
class Look:
    """What must follow, or must not."""

    part: Node
    negated: bool


@dataclass(frozen=True)
class Choice:
    """Alternatives; each is a list of what follows one another."""

    options: tuple[tuple[Node, ...], ...]


Node = CharacterSet | Repeat | Look | Choice


def parse_pattern(pattern: str) -> Choice:
    """Raises ``UnknownPattern``."""
    reader = _Reader(pattern)
    choice = reader.read_choice()
    if reader.at < len(pattern):
        raise UnknownPattern(f"')' at {reader.at} closes nothing")
    return choice


def literal(text: str) -> Choice:
    """A pattern that is a text."""
    return Choice((tuple(_letter(letter, ignores_case=False) for letter in text),))


def _letter(letter: str, *, ignores_case: bool) -> CharacterSet:
    code = ord(letter)
    if not ignores_case:
        return CharacterSet(ranges=((code, code),))
    if not letter.isascii():
        raise UnknownPattern(f"'{letter}' in either case")
    same = _case_variants().get(letter.casefold(), [code])
    return CharacterSet(ranges=tuple((each, each) for each in same))


def _in_either_case(characters: CharacterSet) -> CharacterSet:
    if any(low != high for low, high in characters.ranges):
        raise UnknownPattern("a range in either case")
    for low, _ in characters.ranges:
        characters |= _letter(chr(low), ignores_case=True)
    return characters


@cache
def _case_variants() -> dict[str, list[int]]:
    """All that is the same as an ASCII letter but for its case: K and the Kelvin sign are, too."""
    variants: dict[str, list[int]] = {}
    for code in range(sys.maxunicode + 1):
        folded = chr(code).casefold()
        if folded in ascii_lowercase:
            variants.setdefault(folded, []).append(code)
    return variants


def _category_set(name: str) -> CharacterSet:
    """``L`` is each category that begins so."""
    bits = sum(1 << at for at, category in enumerate(CATEGORIES) if category.startswith(name))
    if not bits or not name:
        raise UnknownPattern(f"\\p{{{name}}}")
    return CharacterSet(categories=bits)


ALL_CATEGORIES = (1 << len(CATEGORIES)) - 1
SHORTHANDS = {
    "s": CharacterSet(flags=int(Flag.SPACE)),
    "S": CharacterSet(missing_flags=int(Flag.SPACE)),
    "w": CharacterSet(flags=int(Flag.WORD)),
    "W": CharacterSet(missing_flags=int(Flag.WORD)),
    "d": _category_set("Nd"),
    "D": CharacterSet(categories=ALL_CATEGORIES & ~_category_set("Nd").categories),
}


@dataclass
class _Reader:
    pattern: str
    at: int = 0
    ignores_case: bool = False
    depth: int = field(default=0)

    def peek(self, count: int = 1) -> str:
        return self.pattern[self.at : self.at + count]

    def take(self, count: int = 1) -> str:
        taken = self.peek(count)
        if len(taken) < count:
            raise UnknownPattern("it ends too early")
        self.at += count
        return taken

    def skip(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def read_choice(self) -> Choice:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnknownPattern(f"groups nested deeper than {MAX_DEPTH}")
        options = [self.read_sequence()]
        while self.skip("|"):
            options.append(self.read_sequence())
        self.depth -= 1
        return Choice(tuple(options))

    def read_sequence(self) -> tuple[Node, ...]:
        parts: list[Node] = []
        while self.peek() not in {"", "|", ")"}:
            parts.append(self.read_repeats(self.read_part()))
        return tuple(parts)

    def read_part(self) -> Node:
        if self.skip("("):
            return self.read_group()
        if self.skip("["):
            return self.read_class()
        letter = self.take()
        if letter == "\\":
            return self.read_escape()
        if letter in ".^$*+?{":
            raise UnknownPattern(f"'{letter}' at {self.at - 1}")
        return _letter(letter, ignores_case=self.ignores_case)

    def read_group(self) -> Node:
        for opening, negated in (("?!", True), ("?=", False)):
            if self.skip(opening):
                return Look(self.read_inside(), negated)
        outer = self.ignores_case
        if self.skip("?i:"):
            self.ignores_case = True
        elif not self.skip("?:") and self.peek() == "?":
            raise UnknownPattern(f"'({self.peek(3)}' at {self.at - 1}")
        inside = self.read_inside()
        self.ignores_case = outer
        return inside

    def read_inside(self) -> Choice:
        inside = self.read_choice()
        if not self.skip(")"):
            raise UnknownPattern("a group is not closed")
        return inside

    def read_escape(self) -> CharacterSet:
        letter = self.take()
        if letter in "pP":
            return self.read_property(negated=letter == "P")
        if letter in SHORTHANDS:
            return SHORTHANDS[letter]
        if letter in ESCAPES:
            return _letter(ESCAPES[letter], ignores_case=False)
        if letter.isalnum():
            raise UnknownPattern(f"'\\{letter}' at {self.at - 2}")
        return _letter(letter, ignores_case=False)

    def read_property(self, *, negated: bool) -> CharacterSet:
        if not self.skip("{"):
            raise UnknownPattern(f"\\p without braces at {self.at}")
        negated ^= self.skip("^")
        end = self.pattern.find("}", self.at)
        name = self.take(max(end - self.at, 0))
        self.take()
        characters = _category_set(name)
        return (
            CharacterSet(categories=ALL_CATEGORIES & ~characters.categories)
            if negated
            else characters
        )

    def read_class(self) -> CharacterSet:
        negated = self.skip("^")
        characters = CharacterSet()
        while not self.skip("]"):
            if self.peek() == "[" or self.peek(2) == "&&":
                raise UnknownPattern(f"'{self.peek(2)}' in a class at {self.at}")
            characters |= self.read_member()
        if self.ignores_case:
            characters = _in_either_case(characters)
        return CharacterSet(
            characters.categories,
            characters.flags,
            characters.missing_flags,
            characters.ranges,
            negated,
        )

    def read_member(self) -> CharacterSet:
        first = self.read_letter()
        if not (self.peek() == "-" and self.peek(2) != "-]" and len(first.ranges) == 1):
            return first
        self.take()
        last = self.read_letter()
        low, high = first.ranges[0][0], last.ranges[0][1] if last.ranges else -1
        if low > high:
            raise UnknownPattern(f"a range without an end at {self.at}")
        return CharacterSet(ranges=((low, high),))

    def read_letter(self) -> CharacterSet:
        letter = self.take()
        return self.read_escape() if letter == "\\" else _letter(letter, ignores_case=False)

    def read_repeats(self, part: Node) -> Node:
        counts = self.read_counts()
        if counts is None:
            return part
        if isinstance(part, Look):
            raise UnknownPattern("looking ahead, repeated")
        if self.peek() in {"?", "+", "*", "{"}:
            raise UnknownPattern(f"'{self.peek()}' behind a repetition at {self.at}")
        return Repeat(part, *counts)

    def read_counts(self) -> tuple[int, int] | None:
        for sign, counts in {"?": (0, 1), "*": (0, INFINITE), "+": (1, INFINITE)}.items():
            if self.skip(sign):
                return counts
        if not self.skip("{"):
            return None
        end = self.pattern.find("}", self.at)
        low, comma, high = self.take(max(end - self.at, 0)).partition(",")
        self.take()
        numbers = [int(text) if text.isdecimal() else -1 for text in (low, high or "0")]
        if min(numbers) < 0 or max(numbers) > MAX_REPEAT:
            raise UnknownPattern(f"'{{{low}{comma}{high}}}'")
        least, most = numbers[0], numbers[1] if comma else numbers[0]
        if (most != INFINITE and most < least) or (not comma and not least):
            raise UnknownPattern(f"'{{{low}{comma}{high}}}'")
        return least, most

"""A pattern as a program, which nnrun runs, going back where one fails.

Its twin is runner/src/text/pattern.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from piyard.language.tokenizer.regex_parse import (
    INFINITE,
    CharacterSet,
    Choice,
    Look,
    Node,
    Repeat,
    UnknownPattern,
    literal,
    parse_pattern,
)
from piyard.language.tokenizer.unicode_tables import load_tables

MAX_INSTRUCTIONS = 2000


class Op(IntEnum):
    """What an instruction does; each has three arguments."""

    MATCH = 0
    """The end."""
    ONE = 1
    """A character of set a."""
    RUN = 2
    """As many of set a as there are, from b to c (0: any number), fewer when the rest fails."""
    SPLIT = 3
    """Go on here; when that fails, at a."""
    JUMP = 4
    """Go on at a."""
    LOOK = 5
    """What follows here up to MATCH must match (b 0) or must not (b 1); then go on at a."""


class PatternPrograms:
    """All patterns of a tokenizer, and the sets of characters they share."""

    def __init__(self) -> None:
        self.instructions: list[tuple[int, int, int, int]] = []
        self.starts: list[int] = []
        self._sets: dict[CharacterSet, int] = {}

    def add(self, pattern: Choice) -> int:
        """The number of the pattern. Raises ``UnknownPattern`` where it could match nothing."""
        if _least_length(pattern) == 0:
            raise UnknownPattern("it matches nothing, too")
        self.starts.append(len(self.instructions))
        self._emit(pattern)
        self._write(Op.MATCH)
        if len(self.instructions) > MAX_INSTRUCTIONS:
            raise UnknownPattern("it is too long")
        return len(self.starts) - 1

    def add_expression(self, expression: str) -> int:
        """The number of a regular expression."""
        return self.add(parse_pattern(expression))

    def add_text(self, text: str) -> int:
        """The number of a pattern that is a text."""
        return self.add(literal(text))

    def _write(self, op: Op, a: int = 0, b: int = 0, c: int = 0) -> int:
        self.instructions.append((op, a, b, c))
        return len(self.instructions) - 1

    def _aim(self, at: int) -> None:
        """Let an instruction go on behind the last one."""
        op, _, b, c = self.instructions[at]
        self.instructions[at] = (op, len(self.instructions), b, c)

    def _set(self, characters: CharacterSet) -> int:
        return self._sets.setdefault(characters, len(self._sets))

    def _emit(self, node: Node) -> None:
        if isinstance(node, CharacterSet):
            self._write(Op.ONE, self._set(node))
        elif isinstance(node, Look):
            look = self._write(Op.LOOK, 0, int(node.negated))
            self._emit(node.part)
            self._write(Op.MATCH)
            self._aim(look)
        elif isinstance(node, Repeat):
            self._emit_repeat(node)
        else:
            self._emit_choice(node)

    def _emit_choice(self, choice: Choice) -> None:
        ends = []
        for number, option in enumerate(choice.options):
            is_last = number == len(choice.options) - 1
            split = None if is_last else self._write(Op.SPLIT)
            for part in option:
                self._emit(part)
            if split is not None:
                ends.append(self._write(Op.JUMP))
                self._aim(split)
        for end in ends:
            self._aim(end)

    def _emit_repeat(self, repeat: Repeat) -> None:
        if isinstance(repeat.part, CharacterSet):
            self._write(Op.RUN, self._set(repeat.part), repeat.least, repeat.most)
            return
        if repeat.most == INFINITE:
            raise UnknownPattern("a group that is repeated without a limit")
        for _ in range(repeat.least):
            self._emit(repeat.part)
        splits = []
        for _ in range(repeat.most - repeat.least):
            splits.append(self._write(Op.SPLIT))
            self._emit(repeat.part)
        for split in splits:
            self._aim(split)

    def pack_sets(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """A row a set, and the ranges of all.

        A row: 128 bits for ASCII, categories, flags, missing flags, negated, first range, ranges.
        """
        rows: list[list[int]] = []
        ranges: list[tuple[int, int]] = []
        for character_set in self._sets:
            tail = (
                character_set.categories,
                character_set.flags,
                character_set.missing_flags,
                int(character_set.negated),
            )
            rows.append(
                [*_ascii_bits(character_set), *tail, len(ranges), len(character_set.ranges)]
            )
            ranges.extend(sorted(character_set.ranges))
        return np.array(rows, np.uint32).reshape(-1, 10), np.array(ranges, np.uint32).reshape(-1, 2)


def _ascii_bits(character_set: CharacterSet) -> Iterator[int]:
    flags = load_tables().flags
    for word in range(0, 128, 32):
        yield sum(
            character_set.has(code, int(flags[code])) << (code - word)
            for code in range(word, word + 32)
        )


def _least_length(node: Node) -> int:
    """Fewest characters that it matches."""
    if isinstance(node, CharacterSet):
        return 1
    if isinstance(node, Look):
        return 0
    if isinstance(node, Repeat):
        return node.least * _least_length(node.part)
    return min(sum(map(_least_length, option)) for option in node.options)

"""Normalizers and pre-tokenizers as rows of numbers: a kind, and three arguments."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from piyard.language.tokenizer import definition
from piyard.language.tokenizer.definition import Behavior, Pattern, PrependScheme
from piyard.language.tokenizer.pattern_program import PatternPrograms
from piyard.language.tokenizer.regex_parse import CharacterSet, Choice, UnknownPattern
from piyard.language.tokenizer.unicode_tables import Flag

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What ``ByteLevel`` cuts by: https://github.com/openai/gpt-2/blob/master/src/encoder.py."""
BEHAVIORS: tuple[Behavior, ...] = (
    *("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"),
)
SCHEMES: tuple[PrependScheme, ...] = ("never", "first", "always")
Row = tuple[int, int, int, int]


class NormalizerKind(IntEnum):
    """nnrun: runner/src/text/preparation.cpp."""

    NFC = 1
    LOWER = 2
    REPLACE = 3
    """Each match of pattern a by string b."""
    PREPEND = 4
    """String a, before a text that is not empty."""


class SplitKind(IntEnum):
    """nnrun: runner/src/text/preparation.cpp."""

    PATTERN = 1
    """By pattern a, as behaviour b of ``BEHAVIORS`` says, c: matches and gaps change places."""
    METASPACE = 2
    """Blanks become string a, and as scheme b says it begins a piece."""
    PREFIX_SPACE = 3
    """A piece begins with a blank."""


class Stages:
    """What a tokenizer does before its model; ``add_...`` raises ``UnknownPattern``."""

    def __init__(self) -> None:
        self.programs = PatternPrograms()
        self.strings: list[bytes] = []
        self.normalizers: list[Row] = []
        self.splits: list[Row] = []
        self.is_byte_level = False

    def add_string(self, text: str) -> int:
        """Its number."""
        self.strings.append(text.encode())
        return len(self.strings) - 1

    def add_normalizer(self, part: definition.Normalizer | None) -> None:
        """It and all within it."""
        if isinstance(part, definition.Chain):
            for each in part.normalizers or []:
                self.add_normalizer(each)
        elif part:
            self.normalizers.append(self._normalizer_row(part))

    def _normalizer_row(self, part: definition.Normalizer) -> Row:
        if isinstance(part, definition.Nfc):
            return (NormalizerKind.NFC, 0, 0, 0)
        if isinstance(part, definition.Lowercase):
            return (NormalizerKind.LOWER, 0, 0, 0)
        if isinstance(part, definition.Replace):
            pattern = self._add_pattern(part.pattern)
            return (NormalizerKind.REPLACE, pattern, self.add_string(part.content), 0)
        if isinstance(part, definition.Prepend):
            return (NormalizerKind.PREPEND, self.add_string(part.prepend), 0, 0)
        raise UnknownPattern(f"the normalizer {type(part).__name__}")

    def add_pre_tokenizer(self, part: definition.PreTokenizer | None) -> None:
        """It and all within it."""
        if isinstance(part, definition.Chain):
            for each in part.pretokenizers or []:
                self.add_pre_tokenizer(each)
        elif part:
            if self.is_byte_level:
                raise UnknownPattern(f"{type(part).__name__} behind ByteLevel")
            self.splits.extend(self._split_rows(part))
            self.is_byte_level = isinstance(part, definition.ByteLevel)

    def _split_rows(self, part: definition.PreTokenizer) -> Iterator[Row]:
        if isinstance(part, definition.Split):
            pattern = self._add_pattern(part.pattern)
            yield _pattern_row(pattern, part.behavior, invert=part.invert)
        elif isinstance(part, definition.Digits):
            behavior: Behavior = "Isolated" if part.individual_digits else "Contiguous"
            yield _pattern_row(self.programs.add(_one_of(Flag.NUMERIC)), behavior)
        elif isinstance(part, definition.Metaspace):
            yield from self._metaspace_rows(part)
        elif isinstance(part, definition.ByteLevel):
            if part.add_prefix_space:
                yield (SplitKind.PREFIX_SPACE, 0, 0, 0)
            if part.use_regex:
                yield _pattern_row(self.programs.add_expression(GPT2_PATTERN), "Isolated")

    def _metaspace_rows(self, part: definition.Metaspace) -> Iterator[Row]:
        if len(part.replacement) != 1:
            raise UnknownPattern(f"Metaspace with '{part.replacement}' for a blank")
        scheme = SCHEMES.index(part.scheme)
        yield (SplitKind.METASPACE, self.add_string(part.replacement), scheme, 0)
        if part.split:
            yield _pattern_row(self.programs.add_text(part.replacement), "MergedWithNext")

    def _add_pattern(self, pattern: Pattern) -> int:
        if pattern.Regex is not None:
            return self.programs.add_expression(pattern.Regex)
        if not pattern.String:
            raise UnknownPattern("an empty pattern")
        return self.programs.add_text(pattern.String)


def _one_of(flag: Flag) -> Choice:
    return Choice(((CharacterSet(flags=int(flag)),),))


def _pattern_row(pattern: int, behavior: Behavior, *, invert: bool = False) -> Row:
    return (SplitKind.PATTERN, pattern, BEHAVIORS.index(behavior), int(invert))

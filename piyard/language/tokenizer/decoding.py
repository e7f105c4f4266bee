"""What each token adds to a text, found out once for all: nnrun has only to join these pieces.

Three things depend on more than a token: bytes that are not UTF-8, blanks at the start of a text,
and runs of tokens that stand for a byte each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from piyard.language.tokenizer import definition
from piyard.language.tokenizer.byte_letters import bytes_of
from piyard.language.tokenizer.regex_parse import UnknownPattern

BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class DecoderKind(IntEnum):
    """nnrun: runner/src/text/text_stream.h."""

    TEXTS = 0
    """Pieces are texts, but those of tokens that stand for a byte."""
    BYTES = 1
    """Pieces are bytes; what is not UTF-8 in all of them becomes U+FFFD."""


class Decoder(NamedTuple):
    """What to do with the pieces of a text."""

    kind: DecoderKind
    parts: tuple[definition.Decoder, ...]
    first_blanks: int = 0
    """Blanks that are taken from the start of a text."""
    clears_first: bool = False
    """The first token loses all of its blanks."""
    has_bytes: bool = False
    """Whether ``<0x0A>`` is a byte."""

    def piece(self, token: str) -> tuple[bytes, bool]:
        """What it adds, and whether it stands for a byte. nnrun joins these."""
        if self.kind is DecoderKind.BYTES:
            token_bytes = bytes_of(token)
            return (token.encode() if token_bytes is None else token_bytes), False
        for part in self.parts:
            if isinstance(part, definition.Replace):
                token = token.replace(part.pattern.String or "", part.content)
            elif isinstance(part, definition.Metaspace):
                token = token.replace(part.replacement, " ")
        byte = BYTE_TOKEN.fullmatch(token) if self.has_bytes else None
        return (bytes([int(byte[1], 16)]), True) if byte else (token.encode(), False)


def read_decoder(part: definition.Decoder | None) -> Decoder:
    """Raises ``UnknownPattern`` for an order of parts that is not known."""
    parts = tuple(_flatten(part))
    kinds = [type(each) for each in parts]
    if kinds == [definition.ByteLevel]:
        return Decoder(DecoderKind.BYTES, parts)
    if len(parts) == 1 and isinstance(only := parts[0], definition.Metaspace):
        return Decoder(DecoderKind.TEXTS, parts, clears_first=only.scheme != "never")
    return _read_texts(parts)


def _read_texts(parts: tuple[definition.Decoder, ...]) -> Decoder:
    """Texts to replace, then perhaps bytes, then perhaps all in one and blanks at its start."""
    names = ",".join(type(each).__name__ for each in parts)
    if not re.fullmatch(r"(Replace,)*Replace(,ByteFallback)?(,Fuse(,Strip)?)?", names):
        raise UnknownPattern(f"a decoder of {names.replace(',', ', ') or 'nothing'}")
    for each in parts:
        if isinstance(each, definition.Replace) and not each.pattern.String:
            raise UnknownPattern("a decoder that replaces a regular expression")
    last = parts[-1]
    blanks = 0
    if isinstance(last, definition.Strip):
        if last.content != " " or last.stop or last.start < 0:
            raise UnknownPattern("a decoder that strips anything but blanks at the start")
        blanks = last.start
    has_bytes = any(isinstance(each, definition.ByteFallback) for each in parts)
    return Decoder(DecoderKind.TEXTS, parts, first_blanks=blanks, has_bytes=has_bytes)


def _flatten(part: definition.Decoder | None) -> Iterator[definition.Decoder]:
    if isinstance(part, definition.Chain):
        for each in part.decoders or []:
            yield from _flatten(each)
    elif part:
        yield part

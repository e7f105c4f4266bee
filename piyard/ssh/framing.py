"""The command line that goes to a board, and the frame around what the command says.

The login shell may be bash, fish, zsh or csh, and its start-up files may print. So the line has
only characters that all of them read alike, hands over to ``sh`` at once, and what the command says
lies between two markers, random ones, on both of its streams. What is outside them is noise.
"""

from __future__ import annotations

import re
import secrets

import msgspec

UNSAFE = re.compile(rb"[^A-Za-z0-9_/.,:=@+% -]")
WORD = 800
"""Bytes of a word: BSD's csh takes about a thousand."""
NOISE_BYTES = 2000
CODE = re.compile(rb" (\d{1,3});")
CODE_BYTES = 8
BEGIN = (
    "a=$1 b=$2; shift 2; unset CDPATH LANGUAGE LC_ALL; LC_MESSAGES=C; export LC_MESSAGES; "
    '[ -z "$SSH_CONNECTION" ] || cd; '
    'printf %s%s "$a" "$b"; printf %s%s "$a" "$b" >&2; c=$(IFS=; printf %b "$*"); eval "$c"; c=$?; '
    'printf "%s%s %s;" "$a" "$b" "$c"; printf "%s%s %s;" "$a" "$b" "$c" >&2'
)
"""For ``sh -c`` in single quotes, so without any of ``'!\\`` and newlines. The marker comes in two
halves: a shell that prints what it runs must not print the marker. Messages are in English, and a
session begins in the login folder, wherever start-up files went."""


class Frame(msgspec.Struct, frozen=True):
    """The two halves of a marker that nothing else contains."""

    first: str
    second: str

    @property
    def marker(self) -> bytes:
        return (self.first + self.second).encode()

    def line(self, command: bytes) -> bytes:
        """The line for the login shell that has ``sh`` run a command within this frame."""
        words = b" ".join(b"'%s'" % word for word in _words(UNSAFE.sub(_octal, command)))
        head = f"exec sh -c '{BEGIN}' piyard {self.first} {self.second} "
        return head.encode() + words


def new() -> Frame:
    """A frame for one command."""
    return Frame(secrets.token_hex(12), secrets.token_hex(12))


def _octal(found: re.Match[bytes]) -> bytes:
    return b"\\0%03o" % found[0][0]


def _words(escaped: bytes) -> list[bytes]:
    """Pieces of a length that each shell takes, none of them cut within an escape."""
    pieces = re.findall(rb"(?:\\0[0-7]{3}|[^\\]){1,%d}" % (WORD // 5), escaped)
    return pieces or [b""]


class FramedStream:
    """Takes one stream out of its frame, block by block; each byte is passed on at once."""

    def __init__(self, frame: Frame) -> None:
        self._marker, self._held = frame.marker, b""
        self.begun = False
        """Whether the command began to run."""
        self.code: int | None = None
        """Its exit code, once it ended."""
        self.noise = b""
        """The last of what came before the frame."""

    def content(self, block: bytes) -> bytes:
        """What of the stream so far is the command's own and was not passed on yet."""
        if self.code is not None:
            return b""
        self._held += block
        if not self.begun and not self._find_begin():
            return b""
        return self._until_end()

    def rest(self) -> bytes:
        """What is held back as it may be part of a marker: the stream ended without one."""
        rest, self._held = self._held, b""
        if self.begun:
            return rest
        self._hear(rest)
        return b""

    def _find_begin(self) -> bool:
        before, marker, after = self._held.partition(self._marker)
        self.begun = bool(marker)
        keep = after if self.begun else before[-len(self._marker) + 1 :]
        self._hear(before if self.begun else before[: len(before) - len(keep)])
        self._held = keep
        return self.begun

    def _hear(self, noise: bytes) -> None:
        self.noise = (self.noise + noise)[-NOISE_BYTES:]

    def _until_end(self) -> bytes:
        at = self._held.find(self._marker)
        if at < 0:
            at = len(self._held) - self._partial()
        elif ended := CODE.match(self._held, at + len(self._marker)):
            self.code = int(ended[1])
        elif len(self._held) > at + len(self._marker) + CODE_BYTES:
            at += len(self._marker)  # the command itself says it: no end
        content, self._held = self._held[:at], self._held[at:]
        return content

    def _partial(self) -> int:
        """How many bytes at the end may be the beginning of a marker."""
        sizes = range(min(len(self._marker) - 1, len(self._held)), 0, -1)
        return next((size for size in sizes if self._held.endswith(self._marker[:size])), 0)

"""One command on a board: a script's text, the frame around its output, its standard streams.

The login shell may be bash, fish, zsh or csh, and its start-up files may print. So the line has
only characters that all of them read alike, starts ``sh`` at once, and the command's output lies
between two random markers on both of its streams. Anything outside them is noise.

Scripts are POSIX shell, constant text: nothing a user typed is ever part of one; what varies comes
in as ``$1``, ``$2``.
"""

from __future__ import annotations

import re
import secrets

import msgspec

UNSAFE = re.compile(rb"[^A-Za-z0-9_/.,:=@+% -]")
WORD = 800
"""Maximum bytes of a word: BSD's csh takes about a thousand."""
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
halves: a shell that echoes its commands must not print the marker. Messages are in English, and a
session begins in the login folder, whatever start-up files change to."""


class Frame(msgspec.Struct, frozen=True):
    """The two halves of a random marker."""

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


def _octal(match: re.Match[bytes]) -> bytes:
    return b"\\0%03o" % match[0][0]


def _words(escaped: bytes) -> list[bytes]:
    """Pieces of a length that every shell accepts, never cut within an escape."""
    pieces = re.findall(rb"(?:\\0[0-7]{3}|[^\\]){1,%d}" % (WORD // 5), escaped)
    return pieces or [b""]


class FramedStream:
    """Extracts the output of one stream from its frame, block by block, without delay."""

    def __init__(self, frame: Frame) -> None:
        self._marker, self._buffer = frame.marker, b""
        self.begun = False
        """Whether the command started."""
        self.code: int | None = None
        """Its exit code, once it ended."""
        self.noise = b""
        """The last bytes before the frame."""

    def content(self, block: bytes) -> bytes:
        """The command's output in the stream so far, without what was returned before."""
        if self.code is not None:
            return b""
        self._buffer += block
        if not self.begun and not self._find_begin():
            return b""
        return self._until_end()

    def rest(self) -> bytes:
        """The bytes held back as a possible part of a marker, once the stream ended."""
        rest, self._buffer = self._buffer, b""
        if self.begun:
            return rest
        self._add_noise(rest)
        return b""

    def _find_begin(self) -> bool:
        before, marker, after = self._buffer.partition(self._marker)
        self.begun = bool(marker)
        pending = after if self.begun else before[-len(self._marker) + 1 :]
        self._add_noise(before if self.begun else before[: len(before) - len(pending)])
        self._buffer = pending
        return self.begun

    def _add_noise(self, noise: bytes) -> None:
        self.noise = (self.noise + noise)[-NOISE_BYTES:]

    def _until_end(self) -> bytes:
        at = self._buffer.find(self._marker)
        if at < 0:
            at = len(self._buffer) - self._partial()
        elif ended := CODE.match(self._buffer, at + len(self._marker)):
            self.code = int(ended[1])
        elif len(self._buffer) > at + len(self._marker) + CODE_BYTES:
            at += len(self._marker)  # the command printed it itself
        content, self._buffer = self._buffer[:at], self._buffer[at:]
        return content

    def _partial(self) -> int:
        """How many bytes at the end may be the start of a marker."""
        sizes = range(min(len(self._marker) - 1, len(self._buffer)), 0, -1)
        return next((size for size in sizes if self._buffer.endswith(self._marker[:size])), 0)

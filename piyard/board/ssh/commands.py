"""One command on a board: a script's text, the frame around its output, its standard streams.

The login shell may be bash, fish, zsh or csh, and its start-up files may print. So the line has
only characters that all of them read alike, starts ``sh`` at once, and the command's output lies
between two random markers on both of its streams. Anything outside them is noise.

Scripts are POSIX shell, constant text: nothing a user typed is ever part of one; what varies comes
in as ``$1``, ``$2``.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from piyard.board.ssh.errors import CommandNotBegun, TooMuchOutput
from piyard.core.paths import PACKAGE

if TYPE_CHECKING:
    from paramiko import Channel


SCRIPT_FOLDER = PACKAGE / "board" / "scripts"
LEASE_SCRIPTS = ("process", "governor", "lease")
SCRIPT_NEEDS = {
    "deploy": (*LEASE_SCRIPTS, "facts", "blob", "need"),
    "start": (*LEASE_SCRIPTS, "blob", "need"),
    "probe": ("need", "blob"),
    "supervise": LEASE_SCRIPTS,
    "status": ("process",),
    "cancel": ("process",),
    "gc": LEASE_SCRIPTS,
    "rollback": LEASE_SCRIPTS,
    "facts_now": ("facts",),
    "locks": LEASE_SCRIPTS,
    "lease_take": LEASE_SCRIPTS,
    "governor_restore": LEASE_SCRIPTS,
}
"""The scripts whose functions another one uses."""


@cache
def script_text(name: str) -> str:
    """The text of a script with the functions it needs before it."""
    parts = (*SCRIPT_NEEDS.get(name, ()), name)
    return "\n".join((SCRIPT_FOLDER / f"{part}.sh").read_text(encoding="utf-8") for part in parts)


UNSAFE_BYTES = re.compile(rb"[^A-Za-z0-9_/.,:=@+% -]")
WORD_BYTES = 800
"""Maximum bytes of a word: BSD's csh takes about a thousand."""
NOISE_BYTES = 2000
EXIT_CODE = re.compile(rb" (\d{1,3});")
EXIT_CODE_BYTES = 8
FRAME_SCRIPT = (
    "a=$1 b=$2; shift 2; unset CDPATH LANGUAGE LC_ALL; LC_MESSAGES=C; export LC_MESSAGES; "
    '[ -z "$SSH_CONNECTION" ] || cd; '
    'printf %s%s "$a" "$b"; printf %s%s "$a" "$b" >&2; c=$(IFS=; printf %b "$*"); eval "$c"; c=$?; '
    'printf "%s%s %s;" "$a" "$b" "$c"; printf "%s%s %s;" "$a" "$b" "$c" >&2'
)
"""For ``sh -c`` in single quotes, so without any of ``'!\\`` and newlines. The marker comes in two
halves: a shell that echoes its commands must not print the marker. Messages are in English, and a
session begins in the login folder, whatever start-up files change to."""


class CommandFrame(msgspec.Struct, frozen=True):
    """The two halves of a random marker."""

    first: str
    second: str

    @property
    def marker(self) -> bytes:
        return (self.first + self.second).encode()

    def line(self, command: bytes) -> bytes:
        """The line for the login shell that has ``sh`` run a command within this frame."""
        words = b" ".join(
            b"'%s'" % word for word in _split_words(UNSAFE_BYTES.sub(_escape_byte, command))
        )
        head = f"exec sh -c '{FRAME_SCRIPT}' piyard {self.first} {self.second} "
        return head.encode() + words


def new_frame() -> CommandFrame:
    """A frame for one command."""
    return CommandFrame(secrets.token_hex(12), secrets.token_hex(12))


def _escape_byte(match: re.Match[bytes]) -> bytes:
    return b"\\0%03o" % match[0][0]


def _split_words(escaped: bytes) -> list[bytes]:
    """Pieces of a length that every shell accepts, never cut within an escape."""
    pieces = re.findall(rb"(?:\\0[0-7]{3}|[^\\]){1,%d}" % (WORD_BYTES // 5), escaped)
    return pieces or [b""]


class FramedStream:
    """Extracts the output of one stream from its frame, block by block, without delay."""

    def __init__(self, frame: CommandFrame) -> None:
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
        elif ended := EXIT_CODE.match(self._buffer, at + len(self._marker)):
            self.code = int(ended[1])
        elif len(self._buffer) > at + len(self._marker) + EXIT_CODE_BYTES:
            at += len(self._marker)  # the command printed it itself
        content, self._buffer = self._buffer[:at], self._buffer[at:]
        return content

    def _partial(self) -> int:
        """How many bytes at the end may be the start of a marker."""
        sizes = range(min(len(self._marker) - 1, len(self._buffer)), 0, -1)
        return next((size for size in sizes if self._buffer.endswith(self._marker[:size])), 0)


SLICE_BYTES = 256 * 1024
"""Paramiko copies the rest of a buffer for every packet: small slices keep that cheap."""
BEGIN_LIMIT_S = 60
"""For the start-up files of the login shell, which run before each command."""

GOODBYE_S = 2
"""For SSH's own notice that the session ended, which nothing depends on."""
MAX_OUTPUT_BYTES = 64 << 20
"""The most output held in memory; larger output is read as a stream."""
MAX_LINE_BYTES = 1 << 20


class CommandOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a command on a board."""

    code: int
    out: str
    err: str
    begun: bool = True
    """Whether the login shell started it at all."""
    noise: str = ""
    """Output of the login shell's start-up files, which is not part of ``out``."""


class RunningCommand:
    """A running command: read its lines or bytes, send it bytes, and wait for its end.

    Every read raises ``TimeoutError`` without data from the board for ``silence_s``, or
    ``within_s`` after the start, even with data.
    """

    def __init__(
        self, channel: Channel, silence_s: float, frame: CommandFrame, *, within_s: float = math.inf
    ) -> None:
        self._channel, self._silence_s = channel, silence_s
        self._within_s, self._end_by = within_s, math.inf
        self._out, self._err = FramedStream(frame), FramedStream(frame)
        self._rest = b""
        self._begin_by = time.monotonic() + BEGIN_LIMIT_S
        channel.settimeout(silence_s)

    def line(self) -> str | None:
        """The next line without its newline; None when there is no more."""
        while b"\n" not in self._rest:
            block = self._receive(SLICE_BYTES)
            if not block:
                last, self._rest = self._rest, b""
                return last.decode(errors="surrogateescape") if last else None
            self._rest += block
            if len(self._rest) > MAX_LINE_BYTES + SLICE_BYTES and b"\n" not in self._rest:
                raise TooMuchOutput(f"a line of more than {MAX_LINE_BYTES:,} bytes")
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="surrogateescape")

    def read(self, size: int = SLICE_BYTES) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if self._rest:
            block, self._rest = self._rest[:size], self._rest[size:]
            return block
        return self._receive(size)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        for start in range(0, len(view), SLICE_BYTES):
            self._channel.sendall(bytes(view[start : start + SLICE_BYTES]))

    def end_input(self) -> None:
        """Close the command's stdin."""
        self._channel.shutdown_write()

    def end(self) -> CommandOutcome:
        """Read the rest and wait for the exit code; -1 if the board never sent it."""
        out = bytearray()
        while block := self.read():
            out += block
            if len(out) > MAX_OUTPUT_BYTES:
                raise TooMuchOutput(f"more than {MAX_OUTPUT_BYTES >> 20} MB")
        return CommandOutcome(
            code=self._code(),
            out=out.decode(errors="surrogateescape"),
            err=self._errors(),
            begun=self._out.begun,
            noise=(self._out.noise + self._err.noise).decode(errors="replace"),
        )

    def _receive(self, size: int) -> bytes:
        """The command's next bytes; its own children may keep the stream open."""
        while self._out.code is None:
            block = self._block(size)
            if not block:
                return self._out.rest()
            if content := self._out.content(block):
                return content
        return b""

    def _block(self, size: int) -> bytes:
        """The stream's next bytes; ``CommandNotBegun`` if none come in time."""
        if self._out.begun:
            self._limit_wait()
            return self._channel.recv(size)
        left = min(self._silence_s, self._begin_by - time.monotonic())
        if left <= 0:
            raise self._not_begun()
        self._channel.settimeout(left)
        try:
            return self._channel.recv(size)
        except TimeoutError:
            raise self._not_begun() from None
        finally:
            self._channel.settimeout(self._silence_s)

    def _limit_wait(self) -> None:
        """Limit the next read by silence and by the command's whole time."""
        now = time.monotonic()
        self._end_by = min(self._end_by, now + self._within_s)
        if now >= self._end_by:
            raise TimeoutError(f"it takes more than {self._within_s:g} s")
        self._channel.settimeout(min(self._silence_s, self._end_by - now))

    def _not_begun(self) -> CommandNotBegun:
        self._out.rest()
        return CommandNotBegun(self._out.noise)

    def _code(self) -> int:
        ended = self._out.code
        limit_s = self._silence_s if ended is None else GOODBYE_S
        received = self._channel.status_event.wait(limit_s)
        if ended is not None:
            return ended
        if not received:
            raise TimeoutError("the board did not send the command's exit code")
        return self._channel.recv_exit_status()

    def _errors(self) -> str:
        errors = bytearray()
        while self._err.code is None and (block := self._channel.recv_stderr(SLICE_BYTES)):
            errors += self._err.content(block)
            if self._out.begun:
                self._limit_wait()
            if len(errors) > MAX_OUTPUT_BYTES:
                raise TooMuchOutput(f"more than {MAX_OUTPUT_BYTES >> 20} MB of errors")
        errors += self._err.rest() if self._err.code is None else b""
        return (bytes(errors) or self._complaint()).decode(errors="replace")

    def _complaint(self) -> bytes:
        """The output of a login shell that did not start the command."""
        return b"" if self._out.begun else self._out.noise + self._err.noise


def script_argv(name: str, *arguments: str) -> list[str]:
    """The command that runs a script of piyard/board/scripts/."""
    return ["sh", "-c", script_text(name), "piyard", *arguments]

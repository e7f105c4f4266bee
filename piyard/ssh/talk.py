"""One command on a board: a script's text, the frame around its output, its standard streams.

The login shell may be bash, fish, zsh or csh, and its start-up files may print. So the line has
only characters that all of them read alike, starts ``sh`` at once, and the command's output lies
between two random markers on both of its streams. Anything outside them is noise.

Scripts are POSIX shell, constant text: nothing a user typed is ever part of one; what varies comes
in as ``$1``, ``$2``.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import msgspec

from piyard.ssh.framing import Frame, FramedStream

if TYPE_CHECKING:
    from paramiko import Channel

SLICE = 256 * 1024
"""Paramiko copies the rest of a buffer for every packet: small slices keep that cheap."""
BEGIN_LIMIT_S = 60
"""For the start-up files of the login shell, which run before each command."""

GOODBYE_S = 2
"""For SSH's own notice that the session ended, which nothing depends on."""
MOST_BYTES = 64 << 20
"""The most output held in memory; larger output is read as a stream."""
LONGEST_LINE = 1 << 20


class TooMuch(Exception):
    """More output than is held in memory."""


class NotBegun(TimeoutError):
    """The login shell did not start our command; ``noise`` is its own output."""

    def __init__(self, noise: bytes) -> None:
        super().__init__("the login shell did not run the command")
        self.noise = noise.decode(errors="replace")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a command on a board."""

    code: int
    out: str
    err: str
    begun: bool = True
    """Whether the login shell started it at all."""
    noise: str = ""
    """Output of the login shell's start-up files, which is not part of ``out``."""


class Talk:
    """A running command: read its lines or bytes, send it bytes, and wait for its end.

    Every read raises ``TimeoutError`` without data from the board for ``silence_s``, or
    ``within_s`` after the start, even with data.
    """

    def __init__(
        self, channel: Channel, silence_s: float, frame: Frame, *, within_s: float = math.inf
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
            block = self._receive(SLICE)
            if not block:
                last, self._rest = self._rest, b""
                return last.decode(errors="surrogateescape") if last else None
            self._rest += block
            if len(self._rest) > LONGEST_LINE + SLICE and b"\n" not in self._rest:
                raise TooMuch(f"a line of more than {LONGEST_LINE:,} bytes")
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="surrogateescape")

    def read(self, size: int = SLICE) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if self._rest:
            block, self._rest = self._rest[:size], self._rest[size:]
            return block
        return self._receive(size)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        for start in range(0, len(view), SLICE):
            self._channel.sendall(bytes(view[start : start + SLICE]))

    def end_input(self) -> None:
        """Close the command's stdin."""
        self._channel.shutdown_write()

    def end(self) -> Outcome:
        """Read the rest and wait for the exit code; -1 if the board never sent it."""
        out = bytearray()
        while block := self.read():
            out += block
            if len(out) > MOST_BYTES:
                raise TooMuch(f"more than {MOST_BYTES >> 20} MB")
        return Outcome(
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
        """The stream's next bytes; raises ``NotBegun`` if the command does not start in time."""
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

    def _not_begun(self) -> NotBegun:
        self._out.rest()
        return NotBegun(self._out.noise)

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
        while self._err.code is None and (block := self._channel.recv_stderr(SLICE)):
            errors += self._err.content(block)
            if self._out.begun:
                self._limit_wait()
            if len(errors) > MOST_BYTES:
                raise TooMuch(f"more than {MOST_BYTES >> 20} MB of errors")
        errors += self._err.rest() if self._err.code is None else b""
        return (bytes(errors) or self._complaint()).decode(errors="replace")

    def _complaint(self) -> bytes:
        """The output of a login shell that did not start the command."""
        return b"" if self._out.begun else self._out.noise + self._err.noise

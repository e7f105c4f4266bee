"""One command on a board, spoken with over its standard streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from paramiko import Channel

SLICE = 256 * 1024
"""Paramiko copies what is left of a buffer for every packet: small slices keep that cheap."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a command on a board said."""

    code: int
    out: str
    err: str


class Talk:
    """A running command: read its lines or bytes, send it bytes, and hear how it ended.

    Every read gives up with ``TimeoutError`` when the board says nothing for the given limit.
    """

    def __init__(self, channel: Channel, silence_s: float) -> None:
        self._channel, self._silence_s = channel, silence_s
        self._rest = b""
        channel.settimeout(silence_s)

    def line(self) -> str | None:
        """The next line without its newline; None when there is no more."""
        while b"\n" not in self._rest:
            block = self._channel.recv(SLICE)
            if not block:
                last, self._rest = self._rest, b""
                return last.decode(errors="surrogateescape") if last else None
            self._rest += block
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="surrogateescape")

    def read(self, size: int = SLICE) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if self._rest:
            block, self._rest = self._rest[:size], self._rest[size:]
            return block
        return self._channel.recv(size)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        for start in range(0, len(view), SLICE):
            self._channel.sendall(bytes(view[start : start + SLICE]))

    def end_input(self) -> None:
        """There is nothing more to come from here."""
        self._channel.shutdown_write()

    def end(self) -> Outcome:
        """Read what is left and wait for the exit code; -1 when the board never told it."""
        out = bytearray()
        while block := self.read():
            out += block
        if not self._channel.status_event.wait(self._silence_s):
            raise TimeoutError("the board did not say how the command ended")
        return Outcome(
            code=self._channel.recv_exit_status(),
            out=out.decode(errors="surrogateescape"),
            err=self._errors(),
        )

    def _errors(self) -> str:
        said = bytearray()
        while block := self._channel.recv_stderr(SLICE):
            said += block
        return said.decode(errors="replace")

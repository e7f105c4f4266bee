"""Frames that are decoded here and sent to a run on a board, always the newest one."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from piyard.board.release import HOME
from piyard.board.ssh.commands import RunningCommand, script_argv
from piyard.board.ssh.session import Session
from piyard.core.errors import PiyardError, UnreadableLog
from piyard.core.text import mask_secrets
from piyard.predict.ending import DecoderReport

READY_LIMIT_S = 60
"""For the run on the board to want frames."""
LONGEST_HEADER = 200
LARGEST_FRAME = 64 << 20
"""Bytes; nnrun takes none larger."""
EVIDENCE_BYTES = 2000
END_LIMIT_S = 5


class NewestFrame:
    """Hands frames from a thread that reads to one that sends; what is older is dropped."""

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._has_ended = False
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, frame: bytes) -> None:
        """Offer a frame in place of the one before."""
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def end(self) -> None:
        """There are no more."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def take(self, limit_s: float) -> bytes | None:
        """The newest frame; None at the end, or after ``limit_s`` seconds without one."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._has_ended, limit_s)
            frame, self._frame = self._frame, None
            return frame


class Relay:
    """ffmpeg's frames (its format mpjpeg) on their way to a run."""

    def __init__(self, argv: Sequence[str], silence_s: float) -> None:
        self._argv, self._silence_s = argv, silence_s
        self._newest = NewestFrame()
        self.error: PiyardError | None = None
        """Why the frames did not reach the board."""
        self.code: int | None = None
        """ffmpeg's exit code, where it ended by itself."""
        self.said = ""
        """The end of what ffmpeg said."""

    def report(self) -> DecoderReport:
        """How ffmpeg fared."""
        said = self.said or (self.error.what if self.error else "")
        return DecoderReport(code=self.code, said=said)

    @property
    def dropped(self) -> int:
        """Frames that were decoded and not sent."""
        return self._newest.dropped

    @contextmanager
    def running(self, session: Session, run_id: str, limit_s: int) -> Iterator[None]:
        """Send frames while the block runs; afterwards ffmpeg has ended."""
        with subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            threads = [
                threading.Thread(target=self._read, args=(process.stdout,), daemon=True),
                threading.Thread(target=self._listen, args=(process.stderr,), daemon=True),
                threading.Thread(
                    target=self._send, args=(process, session, run_id, limit_s), daemon=True
                ),
            ]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._newest.end()
                _stop(process)
                for thread in threads:
                    thread.join(END_LIMIT_S)

    def _read(self, stream: IO[bytes]) -> None:
        try:
            for frame in read_parts(stream):
                self._newest.put(frame)
        except PiyardError as error:
            self.error = error
        except (OSError, ValueError):  # ffmpeg was ended
            pass
        self._newest.end()

    def _listen(self, stream: IO[bytes]) -> None:
        said = b""
        with suppress(OSError, ValueError):
            while block := stream.read(EVIDENCE_BYTES):
                said = (said + block)[-EVIDENCE_BYTES:]
        self.said = mask_secrets(said.decode(errors="replace"))

    def _send(
        self, process: subprocess.Popen[bytes], session: Session, run_id: str, limit_s: int
    ) -> None:
        argv = script_argv("send", HOME, run_id, str(READY_LIMIT_S))
        try:
            with session.start(argv, limit_s=limit_s + READY_LIMIT_S) as talk:
                self._send_frames(talk)
                with suppress(subprocess.TimeoutExpired):
                    self.code = process.wait(END_LIMIT_S / 2)
                talk.end_input()
                talk.end()
        except PiyardError as error:
            self.error = error
        except OSError:  # the run has ended, and its reader with it
            pass
        finally:
            _stop(process)

    def _send_frames(self, talk: RunningCommand) -> None:
        while frame := self._newest.take(self._silence_s):
            talk.send(frame)


def read_parts(stream: IO[bytes]) -> Iterator[bytes]:
    """The bodies of a multipart stream whose parts have a Content-length, as ffmpeg writes it.

    Raises ``UnreadableLog`` for anything else.
    """
    length = None
    while line := stream.readline(LONGEST_HEADER):
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "content-length":
            length = _parse_length(value)
        elif not line.strip() and length is not None:
            body = stream.read(length)
            if len(body) < length:
                return
            yield body
            length = None


def _parse_length(text: str) -> int:
    digits = text.strip()
    if not digits.isascii() or not digits.isdecimal() or not 0 < int(digits) <= LARGEST_FRAME:
        raise UnreadableLog(f"ffmpeg's stream has a frame of {digits[:20]} bytes")
    return int(digits)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()

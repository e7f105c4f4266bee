"""Live results: what a model sees in a camera or a stream, while it sees it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.ssh.tunnel import LOOPBACK, open_tunnel
from piyard.core import console
from piyard.core.errors import HostUnreachable, UnreadableLog
from piyard.core.tables import number_cell
from piyard.core.text import sanitize_line
from piyard.predict.relay import Relay
from piyard.vision.predictions import FRAME_TYPES, Frame, parse_frame
from piyard.vision.tasks.base import Row
from piyard.vision.tasks.detect import score_cell

if TYPE_CHECKING:
    from piyard.run.log import LogLine
    from piyard.run.record import Record

LINE_PERIOD_S = 1.0
"""Between two lines for people; a program gets each frame's."""
JSON_FORMAT, LINES_FORMAT = "json", "plain"
_printing = threading.Lock()


class LiveView:
    """Shows one run's results as they come, and its preview in a browser; a ``LiveRun``.

    ``form`` is the format of standard output, empty where a table is printed at the end alone.
    """

    def __init__(self, host: str, form: str, relay: Relay | None) -> None:
        self._host, self._form, self._relay = host, form, relay
        self._rate = FrameRate()
        self._printed = 0.0
        self._stack: ExitStack | None = None
        self._connection: BoardConnection | None = None

    @contextmanager
    def attend(self, connection: BoardConnection, record: Record) -> Iterator[None]:
        """Send the frames that are decoded here, and keep the tunnel of the preview open."""
        with ExitStack() as stack:
            self._stack, self._connection = stack, connection
            if self._relay:
                running = self._relay.running(connection.session, record.id, record.limit_s)
                stack.enter_context(running)
            yield
        self._stack = None

    def see(self, line: LogLine) -> None:
        """Print a frame, or open the preview."""
        if line["type"] == "preview":
            self._open_preview(line)
        elif line["type"] in FRAME_TYPES:
            self._show_frame(line)

    def _open_preview(self, line: LogLine) -> None:
        port, connection = line.get("port"), self._connection
        if self._stack is None or connection is None or not isinstance(port, int):
            return
        try:
            tunnel = open_tunnel(connection.transport, self._host, port)
            here = self._stack.enter_context(tunnel)
        except HostUnreachable as error:
            console.info(f"✗ no preview: {error.what}; {error.remedy}")
        else:
            console.info(f"{self._host}: look at http://{LOOPBACK}:{here}/ (Ctrl-C ends it)")

    def _show_frame(self, line: LogLine) -> None:
        self._rate.count(line)
        if self._form == JSON_FORMAT:
            _print(json.dumps({"board": self._host, **line}, ensure_ascii=False))
        elif (now := time.monotonic()) >= self._printed + LINE_PERIOD_S:
            self._printed = now
            text = self._text(line)
            if self._form == LINES_FORMAT:
                _print(text)
            else:
                console.info(text)

    def _text(self, line: LogLine) -> str:
        dropped = f", {line['dropped']} dropped" if line.get("dropped") else ""
        head = f"{self._host}  {self._rate.seconds:.0f} s  frame {line.get('frame', '?')}{dropped}"
        text = f"{head}  {self._rate.per_second():.1f} fps  {describe_line(line)}"
        width = shutil.get_terminal_size().columns
        return text if len(text) <= width else f"{text[: width - 1]}…"


class FrameRate:
    """Frames a second since the last line, by the board's clock where it tells the time."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = self._now = 0.0
        self._frames = 0

    @property
    def seconds(self) -> float:
        """Since the first frame."""
        return self._now - (self._first or 0.0)

    def count(self, line: LogLine) -> None:
        """Count that frame."""
        at = line.get("at")
        self._now = at if isinstance(at, float | int) else time.monotonic()
        if self._first is None:
            self._first = self._last = self._now
        else:
            self._frames += 1

    def per_second(self) -> float:
        """The rate since it was asked last."""
        passed, frames = self._now - self._last, self._frames
        self._last, self._frames = self._now, 0
        return frames / passed if passed > 0 else 0.0


def describe_line(line: LogLine) -> str:
    """What a line of nnrun's log has seen, for people: ``3 person, 1 dog``, or ``tabby 0.83``."""
    try:
        frame = parse_frame(line)
    except UnreadableLog:
        return ""
    if frame.top:
        best = frame.top[0]
        return sanitize_line(f"{class_name(frame)} {best.score:.2f}")
    counts = Counter(each.name for each in frame.objects)
    seen = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return sanitize_line(seen or "nothing")


def class_name(frame: Frame) -> str:
    """The best class of a picture, by its number where nnrun got no labels."""
    best = frame.top[0]
    return best.label if best.label is not None else str(best.index)


LIVE_COLUMNS = ("Class", "Frames", "Most at once", "Score")


class _Tally(msgspec.Struct, kw_only=True):
    frames: int = 0
    most: int = 0
    best: float = 0.0


def live_rows(frames: Sequence[Frame]) -> list[Row]:
    """A row a class: in how many frames, how many at once, its best score; most frequent first."""
    tallies: dict[str, _Tally] = {}
    for frame in frames:
        for name, scores in _scores_by_class(frame).items():
            tally = tallies.setdefault(name, _Tally())
            tally.frames += 1
            tally.most = max(tally.most, len(scores))
            tally.best = max(tally.best, *scores)
    ranked = sorted(tallies.items(), key=lambda each: -each[1].frames)
    return [
        [name, number_cell(each.frames), number_cell(each.most), score_cell(each.best)]
        for name, each in ranked
    ]


def _scores_by_class(frame: Frame) -> dict[str, list[float]]:
    if frame.top:
        return {class_name(frame): [frame.top[0].score]}
    scores: dict[str, list[float]] = {}
    for each in frame.objects:
        scores.setdefault(each.name, []).append(each.score)
    return scores


def _print(text: str) -> None:
    with _printing:
        print(text, flush=True)

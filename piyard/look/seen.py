"""What a finished run saw, read from its log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from piyard import log
from piyard import run as runs
from piyard.look import lines
from piyard.look.lines import Frame, Wrong
from piyard.record import Record

FILM = "drawn.mjpeg"
TASKS = frozenset({"classify", "detect", "segment", "pose", "track"})


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that a model saw on one board."""

    host: str
    run: str
    task: str
    emulated: bool = False
    frames: list[Frame]
    wrong: list[Wrong]
    """Pictures that could not be read."""

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return runs.folder_of(self.run)

    @property
    def drawn(self) -> list[Path]:
        """Annotated pictures."""
        return sorted((self.folder / runs.OUTPUTS).glob("*.jpg"))

    @property
    def film(self) -> Path | None:
        """The annotated film."""
        made = self.folder / FILM
        return made if made.is_file() else None


def is_of(record: Record) -> bool:
    """Whether that run looked at pictures, and was no benchmark."""
    return record.what.get("task") in TASKS


def conclude(done: Record) -> Seen:
    """What the run of that record saw; raises ``UnreadableLog``."""
    told = log.read(runs.folder_of(done.id) / runs.LOG)
    named = dict(done.what.get("inputs") or {})
    frames = [lines.frame(line) for line in told.lines if line["type"] in lines.FRAMES]
    wrong = [lines.wrong(line) for line in told.of("error")]
    return Seen(
        host=done.host,
        run=done.id,
        task=str(done.what["task"]),
        emulated=done.emulated,
        frames=[_renamed(one, named) for one in frames],
        wrong=[
            msgspec.structs.replace(one, name=_here(one.name, named), error=_about(one))
            for one in wrong
        ],
    )


def _renamed(frame: Frame, named: Mapping[str, str]) -> Frame:
    return msgspec.structs.replace(frame, name=_here(frame.name, named))


def _here(there: str, named: Mapping[str, str]) -> str:
    """The file here that was pushed there under another name."""
    return named.get(Path(there).name, there)


def _about(one: Wrong) -> str:
    """The error without the name that the board knows the picture by."""
    return one.error.removeprefix(f"{one.name}: ")

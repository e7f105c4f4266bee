"""What a finished run saw, read from its log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from piyard import log, whole
from piyard import run as runs
from piyard.log import Line
from piyard.look import drawings, lines
from piyard.look.lines import Frame, Wrong
from piyard.record import Record

FILM = "drawn.mjpeg"
LINES = "found.jsonl"
"""What was found, a line a picture, by the pictures' names here."""
FEW = 4
"""Pictures that are opened one by one; of more, their folder."""
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
        """Annotated pictures, by the names of those they were drawn on."""
        named = sorted((self.folder / drawings.FOLDER).glob("*.jpg"))
        return named or sorted((self.folder / runs.OUTPUTS).glob("*.jpg"))

    @property
    def film(self) -> Path | None:
        """The annotated film."""
        made = self.folder / FILM
        return made if made.is_file() else None

    @property
    def shown(self) -> list[Path]:
        """What a viewer opens: the film, a few pictures, or the folder of many."""
        if self.film:
            return [self.film]
        return self.drawn if len(self.drawn) <= FEW else [self.drawn[0].parent]


def is_of(record: Record) -> bool:
    """Whether that run looked at pictures, and was no benchmark."""
    return record.what.get("task") in TASKS


def conclude(done: Record) -> Seen:
    """What the run of that record saw; raises ``UnreadableLog``.

    What was drawn, and nnrun's lines, get the names that the pictures have here.
    """
    folder = runs.folder_of(done.id)
    told = log.read(folder / runs.LOG)
    named = dict(done.what.get("inputs") or {})
    drawings.place(folder / runs.OUTPUTS, named)
    _write_lines(told.lines, named, folder / LINES)
    frames = [lines.frame(line) for line in told.lines if line["type"] in lines.FRAMES]
    wrong = [lines.wrong(line) for line in told.of("error")]
    return Seen(
        host=done.host,
        run=done.id,
        task=str(done.what["task"]),
        emulated=done.emulated,
        frames=[_renamed(one, named, str(done.what.get("film") or "")) for one in frames],
        wrong=[
            msgspec.structs.replace(one, name=_here(one.name, named), error=_about(one))
            for one in wrong
        ],
    )


def _write_lines(told: Iterable[Line], named: Mapping[str, str], final: Path) -> None:
    """nnrun's lines about pictures; the log itself stays what the board wrote."""
    shown = [
        {**line, "image": _here(str(line["image"]), named)} if "image" in line else dict(line)
        for line in told
        if line["type"] in lines.FRAMES
    ]
    whole.write(final, "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in shown))


def _renamed(frame: Frame, named: Mapping[str, str], film: str) -> Frame:
    """By the picture's name here, or the film's."""
    name = _here(frame.name, named)
    return msgspec.structs.replace(frame, name=f"{film}, {name}" if film else name)


def _here(there: str, named: Mapping[str, str]) -> str:
    """The file here that was pushed there under another name."""
    return named.get(Path(there).name, there)


def _about(one: Wrong) -> str:
    """The error without the name that the board knows the picture by."""
    return one.error.removeprefix(f"{one.name}: ")

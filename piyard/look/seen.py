"""Predictions of a finished run, read from its log."""

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
"""nnrun's lines about pictures, under the pictures' names here."""
FEW = 4
"""Pictures that are opened one by one; of more, their folder."""
TASKS = frozenset({"classify", "detect", "segment", "pose", "track"})


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A model's predictions on one board."""

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
        film = self.folder / FILM
        return film if film.is_file() else None

    @property
    def shown(self) -> list[Path]:
        """What a viewer opens: the film, a few pictures, or the folder of many."""
        if self.film:
            return [self.film]
        return self.drawn if len(self.drawn) <= FEW else [self.drawn[0].parent]


def is_of(record: Record) -> bool:
    """Whether that run made predictions, as opposed to a benchmark."""
    return record.what.get("task") in TASKS


def conclude(record: Record) -> Seen:
    """The predictions of that run; raises ``UnreadableLog``.

    What was drawn, and nnrun's lines, get the names that the pictures have here.
    """
    folder = runs.folder_of(record.id)
    nnrun_log = log.read(folder / runs.LOG)
    names = dict(record.what.get("inputs") or {})
    drawings.place(folder / runs.OUTPUTS, names)
    _write_lines(nnrun_log.lines, names, folder / LINES)
    frames = [lines.frame(line) for line in nnrun_log.lines if line["type"] in lines.FRAMES]
    errors = [lines.wrong(line) for line in nnrun_log.of("error")]
    return Seen(
        host=record.host,
        run=record.id,
        task=str(record.what["task"]),
        emulated=record.emulated,
        frames=[_renamed(each, names, str(record.what.get("film") or "")) for each in frames],
        wrong=[
            msgspec.structs.replace(each, name=_here(each.name, names), error=_about(each))
            for each in errors
        ],
    )


def _write_lines(log_lines: Iterable[Line], names: Mapping[str, str], final: Path) -> None:
    """nnrun's lines about pictures; the log itself stays what the board wrote."""
    renamed = [
        {**line, "image": _here(str(line["image"]), names)} if "image" in line else dict(line)
        for line in log_lines
        if line["type"] in lines.FRAMES
    ]
    whole.write(final, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in renamed))


def _renamed(frame: Frame, names: Mapping[str, str], film: str) -> Frame:
    """By the picture's name here, or the film's."""
    name = _here(frame.name, names)
    return msgspec.structs.replace(frame, name=f"{film}, {name}" if film else name)


def _here(path: str, names: Mapping[str, str]) -> str:
    """The file here that was pushed there under another name."""
    return names.get(Path(path).name, path)


def _about(error: Wrong) -> str:
    """The error without the name that the board knows the picture by."""
    return error.error.removeprefix(f"{error.name}: ")

"""Answers of nnrun on a board: the same pictures pushed, its lines read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard import log, say
from piyard import run as runs
from piyard.errors import BoardCommandFailed
from piyard.evaluate.dataset import Dataset
from piyard.look import one as looking
from piyard.look.arguments import Asked
from piyard.look.inputs import MOST, Inputs
from piyard.look.lines import Frame
from piyard.look.seen import Seen
from piyard.model import Model
from piyard.pictures import text_of
from piyard.proof.desktop import Footage
from piyard.seat import Seat

BATCH = 500
"""Pictures of a run; a clip whose frames belong together is one run."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A board's predictions for one set of pictures."""

    frames: list[Frame]
    labels: set[str]
    """The precisions that were actually computed."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A board's predictions for a data set."""

    frames: list[list[Frame]]
    """Film by film, in the order of the pictures."""
    precision: str
    """What was actually computed."""
    host: str
    hardware: str
    emulated: bool
    build: str


def answers(seat: Seat, model: Model, data: Dataset) -> Answered:
    """nnrun's predictions on that board; raises as ``watch``."""
    films = [watch(seat, model, film) for film in data.films]
    board = seat.line.board_with(seat.line.facts)
    return Answered(
        frames=[film_frames.frames for film_frames in films],
        precision=", ".join(sorted(set().union(*(film_frames.labels for film_frames in films)))),
        host=board.name,
        hardware=board.hardware,
        emulated=board.emulated,
        build=seat.build.key,
    )


def watch(seat: Seat, model: Model, film: Footage) -> Watched:
    """One set of pictures. Raises ``BoardCommandFailed`` for a picture that nnrun cannot read."""
    frames: list[Frame] = []
    labels: set[str] = set()
    for batch in batches(film):
        seen = _look(seat, model, film, batch)
        frames += in_order(batch, seen)
        labels.add(_label(seen))
    return Watched(frames=frames, labels=labels)


def batches(film: Footage) -> list[Sequence[Path]]:
    """Parts of a film that are not too long for one run; raises for a clip that is."""
    pictures = film.pictures
    if not film.ordered:
        return [pictures[at : at + BATCH] for at in range(0, len(pictures), BATCH)]
    if len(pictures) > MOST:
        raise BoardCommandFailed(
            f"a clip of {len(pictures)} frames is longer than the {MOST} of one run",
            remedy=f"--limit {MOST} takes the first ones",
        )
    return [pictures]


def in_order(pictures: Sequence[Path], seen: Seen) -> list[Frame]:
    """A frame a picture; raises for a picture that nnrun could not read."""
    if seen.wrong:
        error = seen.wrong[0]
        raise BoardCommandFailed(
            f"{seen.host}: nnrun cannot read {len(seen.wrong)} of the {len(pictures)} pictures",
            evidence=f"{error.name}: {error.error}",
            remedy="leave these pictures out: figures over different data cannot be compared",
        )
    frames = {frame.name: frame for frame in seen.frames}
    return [frames[text_of(path)] for path in pictures]


def _look(seat: Seat, model: Model, film: Footage, batch: Sequence[Path]) -> Seen:
    job = seat.job
    options = Asked(precision=job.precision, threads=job.threads, init=film.init, fps=film.fps)
    say.note(f"{seat.line.name}: {job.model} {job.precision} looks at {len(batch)} pictures")
    return looking.look(seat, Inputs(pictures=batch), options, model)


def _label(seen: Seen) -> str:
    return log.label(seen.folder / runs.LOG)

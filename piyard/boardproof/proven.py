"""A job on one board → what it computes, beside what the original does."""

from __future__ import annotations

import msgspec

from piyard import infer
from piyard.boardproof import seat as seats
from piyard.boardproof.seat import Seat
from piyard.conversion import names
from piyard.evaluate import board
from piyard.heads.agree import Agreement
from piyard.proof import Asked, Proved, compare, problems, tracks
from piyard.proof.judge import of_found, of_tracks
from piyard.proof.prove import Told


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """What came out."""

    model: str
    host: str
    asked: str
    """The precision that was asked for."""
    precision: str
    """What was really computed."""
    emulated: bool
    weights: str
    """What the model's YAML calls them."""
    runs: list[str]
    least: float
    """The cosine that is wanted."""
    figures: Told
    found: Agreement | None
    astray: str
    """What is wrong with what is found, or nothing."""
    followed: Agreement | None = None
    """What nnrun's tracker follows in a clip."""
    lost: str = ""
    """What is wrong with that, or nothing."""
    failed: list[str]
    """What is not alike enough, a line each; nothing when all is well."""
    where: list[str] = []
    """Where it begins."""
    masks: dict[str, int] = {}
    """Layer or type → mask, where the board showed that it needs one (see ``bear.needed``)."""

    @property
    def only_lost(self) -> bool:
        """Whether nothing is wrong but what a tracker follows."""
        return bool(self.lost) and len(self.failed) == 1

    def lowest(self, stem: str, kind: str) -> float:
        """The lowest cosine of that net's outputs for that kind of input; 1 where it has none."""
        told = self.figures[kind].items()
        return min((one.cosine for name, one in told if names.split(name)[0] == stem), default=1.0)

    def worst_kind(self, stem: str) -> str:
        """The kind of input that the net's outputs are furthest apart for."""
        return min(self.figures, key=lambda kind: self.lowest(stem, kind))

    def is_alike(self, stem: str) -> bool:
        """Whether the net computes what it should, and finds it too where it is the main one."""
        near = self.lowest(stem, self.worst_kind(stem)) >= self.least
        return near and not (stem == infer.STEM and self.astray)


def prove(seat: Seat, asked: Asked) -> Proven:
    """Whether the board's outputs are the original's, and mean the same."""
    answers = {stem: seats.compute(seat, stem, feed) for stem, feed in asked.fed.items()}
    main = answers[infer.STEM]
    way = main.precision
    figures, found = compare(asked, {stem: one.blobs for stem, one in answers.items()})
    followed = follow(seat, asked)
    proved = Proved(
        figures={way: figures},
        found={way: found} if found else {},
        tracks={way: followed} if followed else {},
    )
    return Proven(
        model=seat.job.model,
        host=seat.line.name,
        asked=seat.job.precision,
        precision=way,
        emulated=main.emulated,
        weights=seat.conversion.weights,
        runs=[one.run for one in answers.values()],
        least=asked.model.proof.least(way),
        figures=figures,
        found=found,
        astray=of_found(asked.model, way, found) if found else "",
        followed=followed,
        lost=of_tracks(asked.model, way, followed) if followed else "",
        failed=problems(asked.model, proved),
    )


def follow(seat: Seat, asked: Asked) -> Agreement | None:
    """How alike the tracks of a clip are, by nnrun's own tracker; None where none are asked for."""
    if asked.clip is None:
        return None
    seen = board.watch(seat.line, seat.job, seat.ready, seat.terms, asked.model, asked.clip.film)
    return tracks.agreement(asked.clip.wanted, [frame.objects for frame in seen.frames])

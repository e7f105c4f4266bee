"""A job on one board → what it computes, beside what the original does."""

from __future__ import annotations

import msgspec

from piyard import infer
from piyard.boardproof import tensors
from piyard.conversion import names
from piyard.evaluate import board
from piyard.heads.agree import Agreement
from piyard.model import Model
from piyard.proof import Asked, Proved, compare, problems, tracks
from piyard.proof.asked import PICTURES
from piyard.proof.empty import empty
from piyard.proof.judge import of_found, of_tracks
from piyard.proof.prove import Told
from piyard.seat import Seat

CLIP = "clip"
"""What a tracker is shown."""


class Meant(msgspec.Struct, frozen=True, kw_only=True):
    """What the outputs mean, beside what the original's mean."""

    kind: str
    """What was shown."""
    what: str
    agreement: Agreement
    problem: str
    """What differs too much, or nothing."""


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """The proof of one model on one board."""

    model: str
    host: str
    asked: str
    """The requested precision."""
    precision: str
    """What was really computed."""
    emulated: bool
    weights: str
    """What the model's YAML calls them."""
    least: float
    """The cosine that is wanted."""
    figures: Told
    meant: list[Meant]
    """By kind of what was shown; nothing where that means nothing."""
    empty: dict[str, str] = {}
    """Outputs of which even agreement proves nothing, and why."""
    failed: list[str]
    """What differs too much, a line each; empty when the proof holds."""
    where: list[str] = []
    """Where it begins."""
    masks: dict[str, int] = {}
    """Layer or type → mask, where the board showed that it needs one (see ``bear.needed``)."""
    slower: list[str] = []
    """Nets that take more with these masks than in fp32, by their stems (see ``worth``)."""

    @property
    def astray(self) -> list[str]:
        """The nets whose outputs differ from the original's, by their stems.

        A tracker that loses its objects is not listed: one of its nets is.
        """
        return [stem for stem in self._stems if not self._is_alike(stem)]

    @property
    def _stems(self) -> list[str]:
        outputs = (name for figures in self.figures.values() for name in figures)
        return list(dict.fromkeys(names.split(name)[0] for name in outputs))

    def lowest(self, stem: str, kind: str) -> float:
        """The lowest cosine of that net's outputs for that kind of input; 1 where it has none."""
        outputs = self.figures[kind].items()
        agreements = (each for name, each in outputs if names.split(name)[0] == stem)
        return min((each.agreement for each in agreements), default=1.0)

    def worst_kind(self, stem: str) -> str:
        """The kind of input that the net's outputs are furthest apart for."""
        return min(self.figures, key=lambda kind: self.lowest(stem, kind))

    def _is_alike(self, stem: str) -> bool:
        """The main net must find in pictures what it should, too."""
        is_near = self.lowest(stem, self.worst_kind(stem)) >= self.least
        is_wrong = any(each.problem for each in self.meant if each.kind == PICTURES)
        return is_near and not (stem == infer.STEM and is_wrong)


def prove(seat: Seat, inputs: Asked) -> Proven:
    """Whether the board's outputs are the original's, and mean the same."""
    answers = {stem: tensors.compute(seat, stem, feed) for stem, feed in inputs.fed.items()}
    main = answers[infer.STEM]
    precision = main.precision
    figures, agreement = compare(inputs, {stem: each.blobs for stem, each in answers.items()})
    followed = follow(seat, inputs)
    proved = Proved(
        figures={precision: figures},
        predictions={precision: agreement} if agreement else {},
        tracks={precision: followed} if followed else {},
    )
    return Proven(
        model=seat.job.model,
        host=seat.line.name,
        asked=seat.job.precision,
        precision=precision,
        emulated=main.emulated,
        weights=seat.conversion.weights,
        least=inputs.model.proof.min_cosine(precision),
        figures=figures,
        meant=_meant(inputs.model, precision, agreement, followed),
        empty=empty(inputs, proved.figures),
        failed=problems(inputs.model, proved),
    )


def _meant(
    model: Model, precision: str, objects: Agreement | None, track_agreement: Agreement | None
) -> list[Meant]:
    proofs = (
        (PICTURES, "what is found", objects, of_found),
        (CLIP, "tracks", track_agreement, of_tracks),
    )
    return [
        Meant(
            kind=kind, what=what, agreement=agreement, problem=problem(model, precision, agreement)
        )
        for kind, what, agreement, problem in proofs
        if agreement
    ]


def follow(seat: Seat, inputs: Asked) -> Agreement | None:
    """How alike the tracks of a clip are, by nnrun's tracker; None for a model without one."""
    if inputs.clip is None:
        return None
    watched = board.watch(seat, inputs.model, inputs.clip.film)
    return tracks.agreement(inputs.clip.expected, [frame.objects for frame in watched.frames])

"""A job on one board → what it computes, beside what the original does."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING

import msgspec

from piyard import infer
from piyard.boardproof import seat as seats
from piyard.boardproof.seat import Seat
from piyard.conversion import origins
from piyard.heads.agree import Agreement
from piyard.proof import Asked, Proved, compare, diverge, problems
from piyard.proof.prove import Told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Inputs = tuple[NDArray[np.float32], ...]
    Blobs = Mapping[str, NDArray[np.float32]]


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
    failed: list[str]
    """What is not alike enough, a line each, and where it begins; nothing when all is well."""
    masks: dict[str, int] = {}
    """Layer or type → mask, where the board showed that it needs one (see ``bear.needed``)."""

    def lowest(self, stem: str, kind: str) -> float:
        """The lowest cosine of that net's outputs for that kind of input."""
        return min(
            figures.cosine for name, figures in self.figures[kind].items() if _is_of(stem, name)
        )

    def worst_kind(self, stem: str) -> str:
        """The kind of input that the net's outputs are furthest apart for."""
        kinds = [kind for kind, told in self.figures.items() if any(_is_of(stem, n) for n in told)]
        return min(kinds, key=lambda kind: self.lowest(stem, kind))


def prove(seat: Seat, asked: Asked) -> Proven:
    """Whether the board's outputs are the original's; a failure names the first layer at fault."""
    answers = {stem: seats.compute(seat, stem, feed) for stem, feed in asked.fed.items()}
    main = answers[infer.STEM]
    figures, found = compare(asked, {stem: one.blobs for stem, one in answers.items()})
    told = {main.precision: found} if found else {}
    made = Proven(
        model=seat.job.model,
        host=seat.line.name,
        asked=seat.job.precision,
        precision=main.precision,
        emulated=main.emulated,
        weights=seat.conversion.weights,
        runs=[one.run for one in answers.values()],
        least=asked.model.proof.least(main.precision),
        figures=figures,
        found=found,
        failed=problems(asked.model, Proved(figures={main.precision: figures}, found=told)),
    )
    if not made.failed:
        return made
    return msgspec.structs.replace(made, failed=made.failed + _where(seat, asked, made))


def every_blob(seat: Seat, asked: Asked, stem: str, kind: str) -> tuple[Inputs, Blobs]:
    """The net's first input of that kind, and all that the board makes of it."""
    first = asked.fed[stem][kind][0]
    (blobs,) = seats.compute(seat, stem, {kind: [first]}, every=True).blobs[kind]
    return first, blobs


def _where(seat: Seat, asked: Asked, made: Proven) -> list[str]:
    """The first layer of each net that moves away from ncnn's fp32 on this machine, for good."""
    told = []
    # Of two vectors of length 1, the distance is the root of 2 - 2 cosine.
    bearable = sqrt(2 - 2 * made.least)
    for stem in asked.fed:
        folder, layers = seat.conversion.folder, infer.layers(seat.conversion.folder, stem)
        inputs, got = every_blob(seat, asked, stem, made.worst_kind(stem))
        exact = infer.blobs(infer.load(folder, stem), layers, *inputs)
        right = {
            name: diverge.distance(value, got[name].reshape(value.shape)) <= bearable
            for name, value in exact.items()
        }
        if layer := diverge.first_lost(layers, right):
            told.append(diverge.told(layer, origins.of(folder, stem).get(layer.name, "")))
    return told


def _is_of(stem: str, name: str) -> bool:
    return (name.partition(":")[0] if ":" in name else infer.STEM) == stem

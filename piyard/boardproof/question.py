"""Inputs of a proof on a board: a few of a conversion's, with the original's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard import model as models
from piyard import originals, proof, say
from piyard.conversion import Conversion
from piyard.proof import tracks
from piyard.torch_shim import inference

if TYPE_CHECKING:
    from piyard.proof import Asked, Feeds

PICTURES = 3
"""Real ones, where there are any: an emulated board takes a minute for a large one in halves."""
LEFT_OUT = "strided"
"""A tensor in a file has no strides."""


def question(conversion: Conversion, pictures: int = PICTURES) -> Asked:
    """One input of each kind, but so many pictures, and a tracker's clip unless that is none.

    Raises ``ConversionFailed``.
    """
    model = models.load(conversion.name)
    photos = proof.real_pictures(model, pictures) if pictures else []
    with say.step(f"ask the original of {conversion.name}"), inference():
        files = originals.choose(model, random_weights=not conversion.has_real_weights)
        nets = originals.nets(model, files)
        inputs = {stem: _in_files(feed) for stem, feed in proof.feeds(model, nets, photos).items()}
        is_meaningful = conversion.has_real_weights
        clip = tracks.ask(model, nets) if is_meaningful and pictures else None
        return proof.ask(model, nets, inputs, photos if is_meaningful else (), clip)


def _in_files(feed: Feeds) -> Feeds:
    return {kind: tensors for kind, tensors in proof.few(feed).items() if kind != LEFT_OUT}

"""The proof of a model that sees pictures: rows of embeddings, and logits behind a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.language.agreement import LogitAgreement
from piyard.convert.language.picture_tower import (
    PICTURE_STEM,
    PictureFeatures,
    ShownPicture,
    compare_towers,
    fuse_tower,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from piyard.models.transformer_files import TensorSource


class PictureProof(msgspec.Struct, frozen=True, kw_only=True):
    """Of the encoder, and of what a question about a picture makes the decoder say."""

    format: str
    """Of the encoder's matrices."""
    cosine: float
    """Of the twin's rows of embeddings with the original's, the least of any picture."""
    agreement: LogitAgreement
    """Behind a picture."""


PICTURE_BITS = {"fp32": 32}
USUAL_BITS = 16
LEAST_COSINES = {32: 0.9999, 16: 0.999}
"""By bits of the encoder's weights."""


def bits_of(precision: str) -> int:
    """Of the encoder's weights in a precision of the model."""
    return PICTURE_BITS.get(precision, USUAL_BITS)


def convert_tower(source: TensorSource, precision: str, at: Path) -> PictureFeatures | None:
    """Write the encoder's files and compute what it sees; None for a model without one."""
    from piyard.models.smolvlm import load_picture_tower

    if source.config.pictures is None:
        return None
    tower = load_picture_tower(source)
    fuse_tower(tower, bits_of(precision)).write(at, PICTURE_STEM)
    return compare_towers(tower, at)


def show_pictures(
    source: TensorSource, features: PictureFeatures | None, window: Sequence[int]
) -> list[ShownPicture]:
    """The question about each picture of the proof."""
    if features is None or source.config.pictures is None:
        return []
    token = source.config.pictures.token
    pairs = zip(features.original, features.twin, strict=True)
    return [ShownPicture(window, token, original, twin) for original, twin in pairs]


def judge_pictures(proof: PictureProof, precision: str) -> list[str]:
    """What is too far off in the encoder, a line each."""
    least = LEAST_COSINES[bits_of(precision)]
    if proof.cosine >= least:
        return []
    return [f"{proof.format}: what it makes of a picture has a cosine of {proof.cosine:.6f} only"]

"""The proof of a model that sees pictures: rows of embeddings, and logits behind a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.language.agreement import LogitAgreement
from piyard.convert.language.encoders import INTEGER_BLOCK
from piyard.convert.language.formats import Bits, Format
from piyard.convert.language.picture_tower import (
    PICTURE_FILES,
    PictureFeatures,
    ShownPicture,
    write_tower,
)
from piyard.core.parsing import Count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from piyard.convert.language.twin_pass import TwinPass
    from piyard.models.transformer_files import TensorSource


class PictureProof(msgspec.Struct, frozen=True, kw_only=True):
    """Of the encoder, and of what a question about a picture makes the decoder say."""

    format: Format
    """Of the encoder's matrices."""
    weight_bytes: Count
    """Of the encoder's .bin."""
    cosine: float
    """Of the twin's rows of embeddings with the original's, the least of any picture."""
    agreement: LogitAgreement
    """Behind a picture."""


TRIALS: dict[str, dict[Bits, float]] = {
    "fp32": {32: 0.9999},
    "fp16": {16: 0.999},
    "int8": {8: 0.998, 16: 0.999},
    "int4": {8: 0.998, 16: 0.999},
}
"""Precision → bits of the encoder's weights that are tried, and the least cosine with them.

A picture is encoded by rows of many patches, which int8 computes in two thirds of the time; of four
bits there would be little to gain, as an answer's tokens do not read the encoder again.
"""


def convert_tower(source: TensorSource, precision: str, at: Path) -> PictureFeatures | None:
    """Write the encoder's files and compute what it sees; None for a model without one."""
    from piyard.models.smolvlm import load_picture_tower

    if source.config.pictures is None:
        return None
    return write_tower(load_picture_tower(source), at, TRIALS[precision])


def show_pictures(
    source: TensorSource, features: PictureFeatures | None, window: Sequence[int]
) -> list[ShownPicture]:
    """The question about each picture of the proof."""
    if features is None or source.config.pictures is None:
        return []
    token = source.config.pictures.token
    pairs = zip(features.original, features.twin, strict=True)
    return [ShownPicture(window, token, original, twin) for original, twin in pairs]


def prove_pictures(features: PictureFeatures, twin: TwinPass, at: Path) -> PictureProof:
    """What the passes of the decoder have found of the questions about these pictures."""
    # Tokens behind a picture that they say nothing about are not text to be perplexed by.
    return PictureProof(
        format=Format(features.bits, INTEGER_BLOCK if features.bits < 16 else 0),
        weight_bytes=(at / PICTURE_FILES[-1]).stat().st_size,
        cosine=features.cosine,
        agreement=twin.seen.result("a question about a picture", is_text=False),
    )


def judge_pictures(proof: PictureProof, precision: str) -> list[str]:
    """What is too far off in the encoder, a line each."""
    if proof.cosine >= TRIALS[precision][proof.format.bits]:
        return []
    return [f"{proof.format.label}: a picture's rows have a cosine of {proof.cosine:.6f} only"]

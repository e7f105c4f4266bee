"""Converted language models: what they are made of, their files, and whether they were proved.

``artifacts/conversions/<key>/`` holds model.ncnn.param and .bin of nnrun's own layers, the
tokenizer where there is one, and what pnnx wrote of the first block.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.language.agreement import LogitAgreement, TableTrial, WidthTrial
from piyard.convert.language.block_graph import BlockProof
from piyard.convert.language.formats import Formats
from piyard.convert.language.fused_graph import LayerError
from piyard.convert.language.picture_proof import PictureProof
from piyard.convert.language.picture_tower import PICTURE_FILES
from piyard.core.errors import ConversionFailed
from piyard.core.parsing import Count
from piyard.core.store import Manifest, WeightsInfo
from piyard.language.config import TransformerConfig
from piyard.models.language_models import LanguageModel, LanguageProof

if TYPE_CHECKING:
    pass


PARAM_FILE, BIN_FILE = "model.ncnn.param", "model.ncnn.bin"
TOKENIZER_JSON, TOKENIZER_FILE = "tokenizer.json", "model.tokenizer"
"""As its publisher wrote it, and as nnrun reads it."""


class LanguageInputs(Manifest, frozen=True, kw_only=True):
    """Everything that decides a conversion's bytes, and what they had to pass."""

    format: int
    task: str
    network: str
    language: TransformerConfig
    precision: str
    formats: Formats
    """Before the width of a table is chosen."""
    weights: WeightsInfo
    tokenizer: str
    """sha256 of its files, or ``bytes`` of random weights; empty for one in the file of the
    weights, and for none."""
    calibration: str
    """sha256 of the text whose inputs rounding looked at; empty for rounding to nearest."""
    thresholds: LanguageProof
    versions: dict[str, str]


class LanguageManifest(LanguageInputs, frozen=True, kw_only=True):
    """The inputs, and what came out."""

    stored: Formats
    """As the .bin has them."""
    table: list[TableTrial]
    """What was tried for the table of the vocabulary; empty where its width is given."""
    widths: list[WidthTrial] = msgspec.field(default_factory=list)
    """What was tried for the blocks; empty but for int4 of real weights with a tokenizer."""
    params: Count
    weight_bytes: Count
    """Of the .bin, all of which a token reads but an embedding that is not the output too."""
    block: BlockProof
    """ncnn's own layers of the first block, beside torch."""
    agreement: LogitAgreement
    """The twin of what nnrun computes, beside the original."""
    pictures: PictureProof | None
    """The same with pictures, of a model that sees some."""
    errors: list[LayerError]
    failed: list[str]


class LanguageConversion(msgspec.Struct, frozen=True, kw_only=True):
    """A converted language model on this machine."""

    model: LanguageModel
    key: str
    folder: Path
    manifest: LanguageManifest
    fresh: bool

    @property
    def has_real_weights(self) -> bool:
        """Whether what it says means anything."""
        return self.manifest.weights.kind == "file"

    @property
    def files(self) -> list[str]:
        """As boards get them: net, weights, tokenizer and encoder of pictures where they are."""
        names = [PARAM_FILE, BIN_FILE, TOKENIZER_FILE, *PICTURE_FILES]
        return [name for name in names if (self.folder / name).is_file()]

    def require_proved(self) -> LanguageConversion:
        """Itself; raises ``ConversionFailed`` when its proof failed."""
        if self.manifest.failed:
            raise ConversionFailed(
                f"{self.model.title} in {self.manifest.precision} is too far from the original",
                evidence="\n".join(self.manifest.failed),
                remedy=f"kept: {self.folder}; a text like what it will read makes rounding better: "
                "--calibration FILE; int8 is nearer than int4: --precision int8; --force uses it "
                "all the same",
            )
        return self


FLOAT_TOP1 = 0.98
"""Share of places at which floats must agree about the likeliest token."""
MAX_DIVERGENCE = 0.5
"""Nats a token, of integers on tokens drawn by chance, where many tokens are about as likely."""


def judge_agreement(inputs: LanguageInputs, agreement: LogitAgreement) -> list[str]:
    """What is too far off, a line each."""
    limits, precision = inputs.thresholds, inputs.precision
    rounded = inputs.formats.blocks.is_integer
    if rounded and not agreement.is_text:
        far = agreement.divergence > MAX_DIVERGENCE
        return [f"{precision}: KL {agreement.divergence:.2g} nats a token"] if far else []
    failed = []
    if agreement.top1 < (limits.top1 if rounded else FLOAT_TOP1):
        failed.append(f"{precision}: likeliest token the same at {agreement.top1:.1%} of places")
    if agreement.is_text and agreement.rise > limits.perplexity:
        failed.append(f"{precision}: perplexity {agreement.rise:+.1%}")
    return failed


def describe_agreement(agreement: LogitAgreement) -> str:
    """In a few words."""
    rise = f", perplexity {agreement.rise:+.2%}" if agreement.is_text else ""
    return (
        f"likeliest token the same {agreement.top1:.1%}, KL {agreement.divergence:.2g} nats a "
        f"token{rise}"
    )


ERROR_COLUMNS = ("Model", "Layer", "Format", "Relative error")


def error_rows(conversion: LanguageConversion) -> list[Sequence[str]]:
    """What rounding has cost each matrix."""
    return [
        [conversion.model.name, each.layer, each.format, f"{each.error:.4f}"]
        for each in conversion.manifest.errors
    ]

"""What a language model's conversion is made of, before anything is made."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.language.conversions import LanguageInputs
from piyard.convert.language.formats import Format, Formats, find_formats
from piyard.convert.language.tokenizer_files import (
    TokenizerFiles,
    find_tokenizer,
    make_byte_tokenizer,
)
from piyard.convert.model_files import weights_path
from piyard.core.files import sha256_of_file
from piyard.core.store import key_of
from piyard.models.language_models import LanguageModel, open_weights
from piyard.models.transformer_files import GgufSource, TensorSource
from piyard.models.weights import RANDOM_WEIGHTS, ChosenWeights, choose_weights

if TYPE_CHECKING:
    pass


LANGUAGE_FORMAT = 4
"""Raise it when the code here makes other files from the same inputs."""
LANGUAGE_TOOLS = ("torch", "pnnx", "ncnn", "numpy")


class LanguagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a conversion is made of."""

    model: LanguageModel
    chosen: ChosenWeights
    source: Any
    tokenizer: TokenizerFiles | None
    calibration: Path | None
    inputs: LanguageInputs

    @property
    def key(self) -> str:
        """Of its folder."""
        return key_of(self.inputs)


def plan_language(
    model: LanguageModel,
    precision: str,
    *,
    random_weights: bool = False,
    calibration: Path | None = None,
) -> LanguagePlan:
    """What is to be made; weights are downloaded for it. Raises ``WrongInput`` and others."""
    formats = find_formats(precision)
    chosen = RANDOM_WEIGHTS if random_weights else choose_weights(model)
    source = open_weights(model, weights_path(chosen) if chosen.file else None)
    gguf = source.file if isinstance(source, GgufSource) else None
    is_random = chosen.file is None
    tokenizer = make_byte_tokenizer(source.config) if is_random else find_tokenizer(model, gguf)
    formats = keep_rounding(source, formats)
    inputs = LanguageInputs(
        format=LANGUAGE_FORMAT,
        task=model.task,
        network=model.network,
        language=model.language,
        precision=precision,
        formats=formats,
        weights=chosen.identity,
        tokenizer=tokenizer.identity if tokenizer else "",
        calibration=sha256_of_file(calibration) if calibration else "",
        thresholds=model.proof,
        versions={tool: metadata.version(tool) for tool in LANGUAGE_TOOLS},
    )
    return LanguagePlan(
        model=model,
        chosen=chosen,
        source=source,
        tokenizer=tokenizer,
        calibration=calibration,
        inputs=inputs,
    )


EXACT_TYPES = {"Q4_1": Format(4, 32, affine=True)}
"""GGUF's types that a format of ours can hold without rounding again."""


SMALL_HIDDEN = 256
"""Features of a token below which a model is small."""
SMALL_FORMATS = Formats(Format(4, 32), Format(8, 64))
"""Of a small model in int4: it loses more to rounding (stories260K's KL falls from 0.25 to 0.13),
and what a token reads is little whatever its table has."""


def keep_rounding(source: TensorSource, formats: Formats) -> Formats:
    """Of a GGUF file whose matrices are of such a type, int4 is exactly what the file holds."""
    if formats.blocks.bits != 4:
        return formats
    if source.config.hidden < SMALL_HIDDEN:
        formats = SMALL_FORMATS
    if not isinstance(source, GgufSource):
        return formats
    types = {tensor.type.name for tensor in source.file.tensors.values() if len(tensor.shape) > 1}
    exact = next((EXACT_TYPES[name] for name in sorted(types & EXACT_TYPES.keys())), None)
    return msgspec.structs.replace(formats, blocks=exact) if exact else formats

"""A language model as its YAML in models/language/ describes it, and its tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from piyard.core import paths
from piyard.core.config import Config, load_named, yaml_names
from piyard.core.errors import ConversionFailed
from piyard.language.config import TransformerConfig
from piyard.models.random_decoder import RandomSource
from piyard.models.tensor_file import is_tensor_file
from piyard.models.transformer_files import (
    FileSource,
    TensorSource,
    open_tensors,
    require_tensors,
)
from piyard.models.weights_file import Weights

GENERATE = "generate"
"""Their task."""
LANGUAGE_MODELS_FOLDER = paths.ROOT / "models" / "language"


class LanguageProof(Config):
    """What the proof of a precision allows over its text, against the original's logits."""

    top1: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of places at which the likeliest token is the same, at least."""
    perplexity: Annotated[float, Meta(gt=0)] = 0.15
    """By which part the perplexity may rise in integers, at most."""
    table: Annotated[float, Meta(gt=0)] = 0.01
    """By which part the table of the vocabulary alone may raise it, in int4."""
    blocks: Annotated[float, Meta(gt=0)] = 0.04
    """By which part the blocks alone may raise it on text as the model itself writes it, in int4,
    before some of their matrices get more bits."""


class LanguageDefinition(Config):
    """The keys of a file in models/language/."""

    title: str
    task: Literal["generate"]
    network: Literal["transformer"]
    language: TransformerConfig
    weights: Annotated[list[Weights], Meta(min_length=1)]
    """Accepted files; the first one is the official one. Safetensors, GGUF, or of llama2.c."""
    tokenizer: Weights | None = None
    """Its tokenizer.json, or a vocabulary of llama2.c; a GGUF file has its own."""
    tokenizer_config: Weights | None = None
    """Its tokenizer_config.json, for the chat template."""
    own: bool = False
    """Whether ``model.add`` wrote the file."""
    proof: LanguageProof = LanguageProof()

    @property
    def files(self) -> list[Weights]:
        """All that it names."""
        named = [self.tokenizer, self.tokenizer_config]
        return [*self.weights, *(file for file in named if file)]


class LanguageModel(LanguageDefinition, kw_only=True):
    """A definition, and the name of its file."""

    name: str


def language_model_names() -> list[str]:
    """All there are."""
    return yaml_names(LANGUAGE_MODELS_FOLDER)


def load_language_model(name: str) -> LanguageModel:
    """The model of that name; raises ``WrongInput`` for an unknown one, with the nearest."""
    definition = load_named(LANGUAGE_MODELS_FOLDER, "language model", name, LanguageDefinition)
    return LanguageModel(name=name, **msgspec.structs.asdict(definition))


COMPUTING_FIELDS = tuple(
    field.name
    for field in msgspec.structs.fields(TransformerConfig)
    if field.name not in {"bos", "eos", "context"}
)
"""Fields of a configuration that decide what is computed."""


def open_weights(model: LanguageModel, file: Path | None) -> TensorSource:
    """The tensors of a file of weights, or random ones. Raises ``ConversionFailed``.

    A GGUF file must describe the decoder that the YAML describes.
    """
    if file is None:
        return RandomSource(model.language)
    if is_tensor_file(file):
        source: TensorSource = FileSource(file, model.language)
        require_tensors(source)
        return source
    source = open_tensors(file)
    differing = [
        f"{name}: {getattr(source.config, name)} in the file, {getattr(model.language, name)} there"
        for name in COMPUTING_FIELDS
        if getattr(source.config, name) != getattr(model.language, name)
    ]
    if differing:
        raise ConversionFailed(
            f"{file.name} holds another decoder than `language` of {model.name}.yaml describes",
            evidence="\n".join(differing),
            remedy="correct `language` or `weights` in the model's YAML",
        )
    return source

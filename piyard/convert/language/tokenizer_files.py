"""The tokenizer of a language model: its tokenizer.json, and the flat file that nnrun reads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.convert.model_files import weights_path
from piyard.core.files import sha256_of_files
from piyard.core.parsing import JsonValues
from piyard.language.config import TransformerConfig
from piyard.language.gguf_file import GgufFile
from piyard.language.pictures import PictureConfig
from piyard.language.tokenizer.byte_tokens import BYTES, byte_tokens
from piyard.language.tokenizer.gguf import tokenizer_json
from piyard.language.tokenizer.llama2c import llama2c_json
from piyard.models.language_models import LanguageModel
from piyard.models.weights import choose_weights
from piyard.models.weights_file import Weights

GGUF_MODEL_KEY = "tokenizer.ggml.model"
JSON_BEGINNING = b"{"
BYTE_TOKENS = "bytes"
"""The name of a tokenizer that has nothing but them."""


class TokenizerFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tokenizer comes from: a GGUF file's metadata, or files of their own."""

    metadata: JsonValues | None = None
    file: Path | None = None
    """tokenizer.json, or a vocabulary of llama2.c."""
    config: Path | None = None
    """tokenizer_config.json, which has the chat template."""
    ends: tuple[int, ...] = ()
    """Tokens that end an answer."""
    pictures: PictureConfig | None = None
    """What the model sees pictures with."""
    name: str
    knows_words: bool = True
    """Whether its tokens are those that the model was trained on."""

    @property
    def identity(self) -> str:
        """Of the files; empty for a tokenizer that is in the file of the weights."""
        if not self.knows_words:
            return BYTE_TOKENS
        files = [file for file in (self.file, self.config) if file]
        return sha256_of_files(files) if files else ""

    def read_json(self) -> bytes:
        """A tokenizer.json. Raises ``ConversionFailed`` for what is broken or not known."""
        if self.metadata is not None:
            return tokenizer_json(self.metadata, self.name)
        data = self.file.read_bytes() if self.file else b""
        is_json = data.lstrip()[:1] == JSON_BEGINNING
        return data if is_json else llama2c_json(data, self.name)

    def compile(self) -> bytes:
        """The flat file, with the chat template where there is one. Raises likewise."""
        from piyard.language.tokenizer.sources import compile_gguf, compile_parts, read_chat_parts

        if self.metadata is not None:
            return compile_gguf(self.metadata, self.name)
        template, special = read_chat_parts(self.config) if self.config else ("", {})
        data = self.read_json()
        return compile_parts(data, self.name, template, special, self.ends, self.pictures)


def find_tokenizer(model: LanguageModel, gguf: GgufFile | None) -> TokenizerFiles | None:
    """A GGUF file's own tokenizer, else the one that the YAML names; None for none."""
    if gguf is not None and GGUF_MODEL_KEY in gguf.metadata:
        return TokenizerFiles(metadata=gguf.metadata, name=gguf.path.name)
    if model.tokenizer is None:
        return None
    return TokenizerFiles(
        file=_path_of(model.tokenizer),
        config=_path_of(model.tokenizer_config) if model.tokenizer_config else None,
        ends=model.language.eos,
        pictures=model.language.pictures,
        name=model.tokenizer.name,
    )


def make_byte_tokenizer(config: TransformerConfig) -> TokenizerFiles | None:
    """Bytes as tokens, for random weights; None for fewer tokens, and with pictures."""
    if config.vocabulary < BYTES or config.pictures:
        return None
    return TokenizerFiles(
        metadata=byte_tokens(config.vocabulary), name=BYTE_TOKENS, knows_words=False
    )


def _path_of(file: Weights) -> Path:
    return weights_path(choose_weights(_Listed(weights=[file])))


class _Listed(msgspec.Struct, frozen=True):
    """A file alone, as something whose accepted files are known."""

    weights: list[Weights]

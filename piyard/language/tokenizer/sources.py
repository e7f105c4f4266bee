"""Where tokenizers and chat templates come from: a model's folder, or a GGUF file's metadata."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.core.parsing import JsonValues, read_text
from piyard.language.pictures import PictureConfig
from piyard.language.tokenizer.chat import ChatSegments, read_chat
from piyard.language.tokenizer.compiling import compile_tokenizer
from piyard.language.tokenizer.gguf import tokenizer_json

TOKENIZER, CONFIG, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
"""What a template may name."""
MAX_BYTES = 1 << 28
"""Of a tokenizer.json, unpacked."""


class NamedTemplate(msgspec.Struct, frozen=True):
    """One of several templates."""

    name: str
    template: str


class WrittenToken(msgspec.Struct, frozen=True):
    """A token with its flags; only what it is called counts here."""

    content: str


class TokenizerConfig(msgspec.Struct, frozen=True):
    """What of ``tokenizer_config.json`` tokenizer.json does not say."""

    chat_template: str | list[NamedTemplate] | None = None
    bos_token: str | WrittenToken | None = None
    eos_token: str | WrittenToken | None = None
    unk_token: str | WrittenToken | None = None
    pad_token: str | WrittenToken | None = None

    def special_tokens(self) -> dict[str, str]:
        """Those that there are."""
        tokens = {name: getattr(self, name) for name in SPECIAL_TOKENS}
        return {
            name: token.content if isinstance(token, WrittenToken) else token
            for name, token in tokens.items()
            if token is not None
        }

    def template(self) -> str:
        """The one that is for talking; empty for none."""
        if isinstance(self.chat_template, str):
            return self.chat_template
        return next(
            (each.template for each in self.chat_template or [] if each.name == "default"), ""
        )


def compile_folder(folder: Path, ends: Sequence[int] = ()) -> bytes:
    """The flat file of a model's folder; ``ends`` are further ids that end a text.

    Raises ``ConversionFailed``, in one line, for what is not there, broken or not known.
    """
    data, name = _read_tokenizer(folder), str(folder / TOKENIZER)
    config = _read_config(folder / CONFIG)
    file = folder / TEMPLATE
    template = read_text(file) if file.is_file() else config.template()
    return compile_parts(data, name, template, config.special_tokens(), ends)


def read_chat_parts(file: Path) -> tuple[str, dict[str, str]]:
    """Template and special tokens of a tokenizer_config.json. Raises ``WrongInput``."""
    config = _read_config(file)
    return config.template(), config.special_tokens()


def compile_gguf(metadata: JsonValues, name: str) -> bytes:
    """The flat file of a GGUF file's tokenizer. Raises as ``compile_folder``."""
    data = tokenizer_json(metadata, name)
    tokens = metadata["tokenizer.ggml.tokens"]
    keys = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    ids = {short: metadata.get(f"tokenizer.ggml.{key}_token_id") for short, key in keys.items()}
    special = {
        f"{short}_token": tokens[number]
        for short, number in ids.items()
        if isinstance(number, int) and 0 <= number < len(tokens)
    }
    template = metadata.get("tokenizer.chat_template")
    ends = [metadata.get(f"tokenizer.ggml.{key}_token_id") for key in ("eot", "eom")]
    further = [number for number in ends if isinstance(number, int) and 0 <= number < len(tokens)]
    return compile_parts(
        data, name, template if isinstance(template, str) else "", special, further
    )


def compile_parts(
    data: bytes,
    name: str,
    template: str,
    special: Mapping[str, str],
    ends: Sequence[int],
    pictures: PictureConfig | None = None,
) -> bytes:
    """The flat file of a tokenizer.json, with a chat template where it is not empty."""
    shown = pictures.text if pictures else ""
    chat: ChatSegments | None = read_chat(template, special, name, shown) if template else None
    last = [special["eos_token"]] if "eos_token" in special else []
    return compile_tokenizer(
        data, name, chat=chat, end_tokens=last, end_ids=ends, pictures=pictures
    )


def _read_tokenizer(folder: Path) -> bytes:
    file = folder / TOKENIZER
    packed = folder / f"{TOKENIZER}.gz"
    try:
        if file.is_file() or not packed.is_file():
            return file.read_bytes()
        with gzip.open(packed) as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConversionFailed(
            f"{folder} has no {TOKENIZER}", remedy="download it from where the weights are"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConversionFailed(
            f"{packed} cannot be read: {error}", remedy="copy it again"
        ) from None
    if len(data) > MAX_BYTES:
        raise ConversionFailed(f"{packed} unpacks to more than {MAX_BYTES >> 20} MB")
    return data


def _read_config(file: Path) -> TokenizerConfig:
    if not file.is_file():
        return TokenizerConfig()
    try:
        return msgspec.json.decode(read_text(file), type=TokenizerConfig)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WrongInput(f"{file}: {error}", remedy="copy or download it again") from None

"""What stands in a ``tokenizer.json``, read strictly: what is not known here is refused by name.

The format is that of Hugging Face's ``tokenizers``: https://huggingface.co/docs/tokenizers.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from piyard.core.errors import ConversionFailed

REMEDY = "piyard computes byte-level and SentencePiece-like BPE; see docs/tokenizers.md"
Behavior = Literal["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PrependScheme = Literal["always", "first", "never"]


class Part(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """An object with a type."""


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either a regular expression or a text."""

    Regex: str | None = None
    String: str | None = None


class Replace(Part, frozen=True, tag="Replace"):
    """A normalizer, and a decoder."""

    pattern: Pattern
    content: str


class Chain(Part, frozen=True, tag="Sequence"):
    """Normalizers, pre-tokenizers, post-processors or decoders, one after the other."""

    normalizers: list[Normalizer] | None = None
    pretokenizers: list[PreTokenizer] | None = None
    processors: list[PostProcessor] | None = None
    decoders: list[Decoder] | None = None


class Nfc(Part, frozen=True, tag="NFC"):
    """Normal form C."""


class Lowercase(Part, frozen=True, tag="Lowercase"):
    """Each character by itself."""


class Prepend(Part, frozen=True, tag="Prepend"):
    """A text before any that is not empty."""

    prepend: str


class Split(Part, frozen=True, tag="Split"):
    """Cut a text by a pattern."""

    pattern: Pattern
    behavior: Behavior
    invert: bool = False


class Digits(Part, frozen=True, tag="Digits"):
    """Numbers apart from all else."""

    individual_digits: bool = False


class ByteLevel(Part, frozen=True, tag="ByteLevel"):
    """Bytes as letters; a pre-tokenizer with GPT-2's pattern, a post-processor and a decoder."""

    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


class Metaspace(Part, frozen=True, tag="Metaspace"):
    """Blanks as another character, and words that begin with it."""

    replacement: str
    prepend_scheme: PrependScheme | None = None
    split: bool = True
    add_prefix_space: bool | None = None
    """What files before 2024 have instead of the scheme."""
    str_rep: str | None = None

    @property
    def scheme(self) -> PrependScheme:
        """When a text begins with the replacement."""
        return self.prepend_scheme or ("never" if self.add_prefix_space is False else "always")


class TemplatePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A special token, or the text's own."""

    id: str
    type_id: int


class TemplateItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either of two keys."""

    SpecialToken: TemplatePart | None = None
    Sequence: TemplatePart | None = None


class TemplateToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A special token that a template names."""

    id: str
    ids: list[int]
    tokens: list[str]


class TemplateProcessing(Part, frozen=True, tag="TemplateProcessing"):
    """Special tokens around a text."""

    single: list[TemplateItem]
    pair: list[TemplateItem]
    special_tokens: dict[str, TemplateToken]


class RobertaProcessing(Part, frozen=True, tag="RobertaProcessing"):
    """A token before a text and one behind it; CLIP has it."""

    sep: tuple[str, int]
    cls: tuple[str, int]
    trim_offsets: bool = True
    add_prefix_space: bool = True


class BertProcessing(Part, frozen=True, tag="BertProcessing"):
    """A token before a text and one behind it."""

    sep: tuple[str, int]
    cls: tuple[str, int]


class ByteFallback(Part, frozen=True, tag="ByteFallback"):
    """``<0x0A>`` is a byte."""


class Fuse(Part, frozen=True, tag="Fuse"):
    """One text of all tokens."""


class Strip(Part, frozen=True, tag="Strip"):
    """As a decoder: so many of a character at the start and the end."""

    content: str = " "
    start: int = 0
    stop: int = 0


Normalizer = Chain | Nfc | Lowercase | Prepend | Replace
PreTokenizer = Chain | Split | Digits | ByteLevel | Metaspace
PostProcessor = Chain | ByteLevel | TemplateProcessing | RobertaProcessing | BertProcessing
Decoder = Chain | ByteLevel | Metaspace | Replace | ByteFallback | Fuse | Strip


class AddedToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token that is found before anything is cut."""

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False


class Bpe(Part, frozen=True, tag="BPE"):
    """Byte-pair encoding: pairs of tokens, the first ones merged first."""

    vocab: dict[str, int]
    merges: list[str | tuple[str, str]]
    dropout: float | None = None
    unk_token: str | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False


class TokenizerDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    model: Bpe
    added_tokens: list[AddedToken] = []
    normalizer: Normalizer | None = None
    pre_tokenizer: PreTokenizer | None = None
    post_processor: PostProcessor | None = None
    decoder: Decoder | None = None
    version: str = "1.0"
    truncation: Any = None
    padding: Any = None


def read_definition(data: bytes, name: str) -> TokenizerDefinition:
    """Raises ``ConversionFailed``, in one line, for what is broken or not known."""
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ConversionFailed(
            f"{name} is not a readable tokenizer.json: {error}", remedy="copy or download it again"
        ) from None
    return convert_definition(raw, name)


def convert_definition(raw: Any, name: str) -> TokenizerDefinition:
    """Of what stands in a file, or was made of a GGUF file's metadata."""
    try:
        return msgspec.convert(_with_model_type(raw), TokenizerDefinition)
    except msgspec.ValidationError as error:
        raise refuse(name, _describe(str(error))) from None


def refuse(name: str, what: str) -> ConversionFailed:
    """The one kind of error here: what this tokenizer has that piyard cannot compute."""
    return ConversionFailed(f"{name}: {what}", remedy=REMEDY)


def _with_model_type(raw: Any) -> Any:
    """Files of before 2022 leave it out where the model is BPE."""
    model = raw.get("model") if isinstance(raw, dict) else None
    if isinstance(model, dict) and "type" not in model and "merges" in model:
        return {**raw, "model": {"type": "BPE", **model}}
    return raw


def _describe(error: str) -> str:
    """``model.type is 'WordPiece'``, which msgspec calls an invalid value at a path."""
    problem, _, where = error.partition(" - at ")
    path = where.strip("`").removeprefix("$.")
    if path.endswith("type") and problem.startswith("Invalid value"):
        kind = problem.removeprefix("Invalid value ").strip("'")
        return f"{path.removesuffix('.type')} is '{kind}', which piyard does not know"
    return f"{path or 'it'}: {problem}"

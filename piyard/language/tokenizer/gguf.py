"""The tokenizer of a GGUF file's metadata, as the ``tokenizer.json`` that means the same.

Keys: github.com/ggml-org/ggml, docs/gguf.md. A file names a pre-tokenizer by ``tokenizer.ggml.pre``
and holds no pattern; those below are what llama.cpp's src/llama-vocab.cpp means by these names.
``llama`` is SentencePiece's BPE, which has scores in place of merges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from piyard.core.errors import ConversionFailed
from piyard.core.text import sanitize_line
from piyard.language.tokenizer.definition import AddedToken

MAX_PIECE = 256
"""Characters of a token that may be merged."""
UNKNOWN, CONTROL, USER_DEFINED = 2, 3, 4
"""Types of tokens."""
BLANK = "▁"

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3_PATTERN = (
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace("{1,3}", "")


class GgufTokenizer(msgspec.Struct, frozen=True, kw_only=True):
    """What the metadata says."""

    model: str
    tokens: list[str]
    pre: str = ""
    token_type: list[int] = []
    merges: list[str] = []
    scores: list[float] = []
    add_bos_token: bool | None = None
    add_eos_token: bool = False
    add_space_prefix: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    unknown_token_id: int | None = None


def tokenizer_json(metadata: Mapping[str, Any], name: str) -> bytes:
    """Raises ``ConversionFailed``, in one line, for a tokenizer that is not known or not there."""
    known = _read(metadata, name)
    if known.model == "gpt2":
        parts = _byte_level(known, name)
    elif known.model == "llama":
        parts = _sentence_piece(known, name)
    else:
        raise _refuse(name, f"its tokenizer is '{sanitize_line(known.model)}'")
    return msgspec.json.encode({"version": "1.0", **parts, **_ends(known)})


def _read(metadata: Mapping[str, Any], name: str) -> GgufTokenizer:
    prefix = "tokenizer.ggml."
    values = {
        key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)
    }
    try:
        known = msgspec.convert(values, GgufTokenizer)
    except msgspec.ValidationError as error:
        raise _refuse(name, f"its tokenizer cannot be read: {error}") from None
    count = len(known.tokens)
    for table in (known.token_type, known.scores):
        if table and len(table) != count:
            raise _refuse(name, f"its {count} tokens have {len(table)} types or scores")
    ids = (known.bos_token_id, known.eos_token_id, known.unknown_token_id)
    if any(number is not None and not 0 <= number < count for number in ids):
        raise _refuse(name, f"a special token is none of its {count} tokens")
    if len(set(known.tokens)) != count:
        raise _refuse(name, "two of its tokens are the same")
    return known


def _refuse(name: str, what: str) -> ConversionFailed:
    return ConversionFailed(
        f"{name}: {what}", remedy="take the model's Hugging Face folder, with its tokenizer.json"
    )


def _byte_level(known: GgufTokenizer, name: str) -> dict[str, Any]:
    """GPT-2's kind: bytes as letters, a pattern by name, and merges."""
    parts = {
        "gpt-2": {"pre_tokenizer": _letters(use_regex=True)},
        "smollm": {"pre_tokenizer": _chain({"type": "Digits", "individual_digits": True})},
        "llama-bpe": {"pre_tokenizer": _split(LLAMA3_PATTERN)},
        "qwen2": {"pre_tokenizer": _split(QWEN2_PATTERN), "normalizer": {"type": "NFC"}},
    }
    if known.pre not in parts:
        raise _refuse(name, f"its pre-tokenizer is '{sanitize_line(known.pre)}'")
    model = {
        "type": "BPE",
        "vocab": {token: number for number, token in enumerate(known.tokens)},
        "merges": known.merges,
        "ignore_merges": known.pre == "llama-bpe",
    }
    return {
        "model": model,
        "added_tokens": list(_added_tokens(known)),
        "decoder": _letters(use_regex=True),
        **parts[known.pre],
    }


def _letters(*, use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _chain(first: dict[str, Any], *, use_regex: bool = True) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [first, _letters(use_regex=use_regex)]}


def _split(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    return _chain({**split, "invert": False}, use_regex=False)


def _sentence_piece(known: GgufTokenizer, name: str) -> dict[str, Any]:
    """Blanks as ``▁``, bytes where there is no token, merges by the score of what they give."""
    if len(known.scores) != len(known.tokens):
        raise _refuse(name, "its tokens have no scores")
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    prepend = {"type": "Prepend", "prepend": BLANK}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    has_prefix = known.add_space_prefix
    decoders = [
        {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        *([strip] if has_prefix else []),
    ]
    unknown = known.unknown_token_id
    model = {
        "type": "BPE",
        "vocab": {token: number for number, token in enumerate(known.tokens)},
        "merges": merges_by_score(known.tokens, known.scores),
        "unk_token": None if unknown is None else known.tokens[unknown],
        "fuse_unk": True,
        "byte_fallback": True,
    }
    return {
        "model": model,
        "added_tokens": list(_added_tokens(known)),
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*([prepend] if has_prefix else []), blanks],
        },
        "decoder": {"type": "Sequence", "decoders": decoders},
    }


def merges_by_score(tokens: Sequence[str], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Every pair of tokens whose text is a token, the highest score first.

    Of one score: the shorter left token, then the shorter right one, as transformers'
    convert_slow_tokenizer orders them.
    """
    ids = {token: number for number, token in enumerate(tokens)}
    merges = [
        (-scores[number], len(left), len(right), ids[left], ids[right], left, right)
        for number, token in enumerate(tokens)
        if len(token) <= MAX_PIECE
        for left, right in _halves(token)
        if left in ids and right in ids
    ]
    return [(left, right) for *_, left, right in sorted(merges)]


def _halves(token: str) -> Iterator[tuple[str, str]]:
    for at in range(1, len(token)):
        yield token[:at], token[at:]


def _added_tokens(known: GgufTokenizer) -> Iterator[AddedToken]:
    """Control tokens and those that somebody added are found in a text as they are."""
    special = {UNKNOWN, CONTROL}
    for number, kind in enumerate(known.token_type):
        if kind in {*special, USER_DEFINED} and known.tokens[number]:
            yield AddedToken(
                number, known.tokens[number], normalized=False, special=kind in special
            )


def _ends(known: GgufTokenizer) -> dict[str, Any]:
    """Special tokens at the ends of a text, where the file or its kind of tokenizer has them."""
    default = known.model == "llama" or known.pre == "llama-bpe"
    has_bos = default if known.add_bos_token is None else known.add_bos_token
    bos = known.bos_token_id if has_bos else None
    eos = known.eos_token_id if known.add_eos_token else None
    named = {number: known.tokens[number] for number in (bos, eos) if number is not None}
    if not named:
        return {}

    def item(number: int | None) -> list[dict[str, Any]]:
        return [] if number is None else [{"SpecialToken": {"id": named[number], "type_id": 0}}]

    text = {"Sequence": {"id": "A", "type_id": 0}}
    tokens = {
        token: {"id": token, "ids": [number], "tokens": [token]} for number, token in named.items()
    }
    template = {"single": [*item(bos), text, *item(eos)], "pair": [text, text]}
    return {"post_processor": {"type": "TemplateProcessing", **template, "special_tokens": tokens}}

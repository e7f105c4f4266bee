"""The tokenizer of a GGUF file's metadata, as the ``tokenizer.json`` that means the same.

Keys: github.com/ggml-org/ggml, docs/gguf.md. A file names a pre-tokenizer by ``tokenizer.ggml.pre``
and holds no pattern; those below are what llama.cpp's src/llama-vocab.cpp means by these names.
``llama`` is SentencePiece's BPE, which has scores in place of merges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from piyard.core.errors import ConversionFailed
from piyard.core.parsing import JsonObject, JsonValues
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


def tokenizer_json(metadata: JsonValues, name: str) -> bytes:
    """Raises ``ConversionFailed``, in one line, for a tokenizer that is not known or not there."""
    facts = _read(metadata, name)
    if facts.model == "gpt2":
        parts = _byte_level(facts, name)
    elif facts.model == "llama":
        parts = _sentence_piece(facts, name)
    else:
        raise _refuse(name, f"its tokenizer is '{sanitize_line(facts.model)}'")
    return msgspec.json.encode({"version": "1.0", **parts, **_ends(facts)})


def _read(metadata: JsonValues, name: str) -> GgufTokenizer:
    prefix = "tokenizer.ggml."
    values = {
        key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)
    }
    try:
        facts = msgspec.convert(values, GgufTokenizer)
    except msgspec.ValidationError as error:
        raise _refuse(name, f"its tokenizer cannot be read: {error}") from None
    count = len(facts.tokens)
    for table in (facts.token_type, facts.scores):
        if table and len(table) != count:
            raise _refuse(name, f"its {count} tokens have {len(table)} types or scores")
    ids = (facts.bos_token_id, facts.eos_token_id, facts.unknown_token_id)
    if any(number is not None and not 0 <= number < count for number in ids):
        raise _refuse(name, f"a special token is none of its {count} tokens")
    if len(set(facts.tokens)) != count:
        raise _refuse(name, "two of its tokens are the same")
    return facts


def _refuse(name: str, what: str) -> ConversionFailed:
    return ConversionFailed(
        f"{name}: {what}", remedy="take the model's Hugging Face folder, with its tokenizer.json"
    )


def _byte_level(facts: GgufTokenizer, name: str) -> JsonObject:
    """GPT-2's kind: bytes as letters, a pattern by name, and merges."""
    parts = {
        "gpt-2": {"pre_tokenizer": _letters(use_regex=True)},
        "smollm": {"pre_tokenizer": _chain({"type": "Digits", "individual_digits": True})},
        "llama-bpe": {"pre_tokenizer": _split(LLAMA3_PATTERN)},
        "qwen2": {"pre_tokenizer": _split(QWEN2_PATTERN), "normalizer": {"type": "NFC"}},
    }
    if facts.pre not in parts:
        raise _refuse(name, f"its pre-tokenizer is '{sanitize_line(facts.pre)}'")
    model = {
        "type": "BPE",
        "vocab": {token: number for number, token in enumerate(facts.tokens)},
        "merges": facts.merges,
        "ignore_merges": facts.pre == "llama-bpe",
    }
    return {
        "model": model,
        "added_tokens": list(_added_tokens(facts)),
        "decoder": _letters(use_regex=True),
        **parts[facts.pre],
    }


def _letters(*, use_regex: bool) -> JsonObject:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _chain(first: JsonObject, *, use_regex: bool = True) -> JsonObject:
    return {"type": "Sequence", "pretokenizers": [first, _letters(use_regex=use_regex)]}


def _split(pattern: str) -> JsonObject:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    return _chain({**split, "invert": False}, use_regex=False)


def _sentence_piece(facts: GgufTokenizer, name: str) -> JsonObject:
    """Blanks as ``▁``, bytes where there is no token, merges by the score of what they give."""
    if len(facts.scores) != len(facts.tokens):
        raise _refuse(name, "its tokens have no scores")
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    prepend = {"type": "Prepend", "prepend": BLANK}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    has_prefix = facts.add_space_prefix
    decoders = [
        {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        *([strip] if has_prefix else []),
    ]
    unknown = facts.unknown_token_id
    model = {
        "type": "BPE",
        "vocab": {token: number for number, token in enumerate(facts.tokens)},
        "merges": merges_by_score(facts.tokens, facts.scores),
        "unk_token": None if unknown is None else facts.tokens[unknown],
        "fuse_unk": True,
        "byte_fallback": True,
    }
    return {
        "model": model,
        "added_tokens": list(_added_tokens(facts)),
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


def _added_tokens(facts: GgufTokenizer) -> Iterator[AddedToken]:
    """Control tokens and those that somebody added are found in a text as they are."""
    special = {UNKNOWN, CONTROL}
    for number, kind in enumerate(facts.token_type):
        if kind in {*special, USER_DEFINED} and facts.tokens[number]:
            yield AddedToken(
                number, facts.tokens[number], normalized=False, special=kind in special
            )


def _ends(facts: GgufTokenizer) -> JsonObject:
    """Special tokens at the ends of a text, where the file or its kind of tokenizer has them."""
    default = facts.model == "llama" or facts.pre == "llama-bpe"
    has_bos = default if facts.add_bos_token is None else facts.add_bos_token
    bos = facts.bos_token_id if has_bos else None
    eos = facts.eos_token_id if facts.add_eos_token else None
    named = {number: facts.tokens[number] for number in (bos, eos) if number is not None}
    if not named:
        return {}

    def item(number: int | None) -> list[JsonObject]:
        return [] if number is None else [{"SpecialToken": {"id": named[number], "type_id": 0}}]

    text = {"Sequence": {"id": "A", "type_id": 0}}
    tokens = {
        token: {"id": token, "ids": [number], "tokens": [token]} for number, token in named.items()
    }
    template = {"single": [*item(bos), text, *item(eos)], "pair": [text, text]}
    return {"post_processor": {"type": "TemplateProcessing", **template, "special_tokens": tokens}}

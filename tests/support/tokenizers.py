"""A tiny tokenizer of each family, trained on the spot, as the package ``tokenizers`` writes it."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.support.texts import SENTENCES

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")
CLIP = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")
FAMILIES = ("gpt2", "llama3", "qwen", "smollm", "clip", "llama2", "gemma", "metaspace")


@cache
def train(family: str) -> Tokenizer:
    """One of some hundred tokens."""
    tokenizer = Tokenizer(models.BPE(**_model_options(family)))
    _prepare(tokenizer, family)
    ends: dict[str, Any] = {"end_of_word_suffix": "</w>"} if family == "clip" else {}
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        show_progress=False,
        special_tokens=_first_tokens(family),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if _is_byte_level(family) else [],
        **ends,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    _add_tokens(tokenizer, family)
    return tokenizer


def json_of(family: str) -> bytes:
    """Its ``tokenizer.json``."""
    return str(train(family).to_str()).encode()


def pictured_json() -> bytes:
    """One with the tokens around a picture, as SmolVLM's is extended."""
    tokenizer = Tokenizer.from_str(train("gpt2").to_str())
    names = ("<fake_token_around_image>", "<global-img>", "<image>", "<end_of_utterance>")
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names])
    return str(tokenizer.to_str()).encode()


def real(folder: Path, name: str) -> bytes:
    """A published ``tokenizer.json`` of the mirror."""
    with gzip.open(folder / "tokenizers" / name / "tokenizer.json.gz") as stream:
        return stream.read()


def _is_byte_level(family: str) -> bool:
    return family not in {"llama2", "gemma", "metaspace"}


def _model_options(family: str) -> dict[str, Any]:
    if not _is_byte_level(family):
        return {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": family != "metaspace"}
    if family == "clip":
        return {"unk_token": "<s>", "end_of_word_suffix": "</w>"}
    return {"ignore_merges": family == "llama3"}


def _first_tokens(family: str) -> list[str]:
    if _is_byte_level(family):
        return list(SPECIAL)
    return ["<unk>", *SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]


def _prepare(tokenizer: Tokenizer, family: str) -> None:
    if family in {"llama2", "gemma"}:
        blanks = [normalizers.Replace(" ", "▁")]
        prepend = [normalizers.Prepend("▁")] if family == "llama2" else []
        tokenizer.normalizer = normalizers.Sequence([*prepend, *blanks])
        strip = [decoders.Strip(" ", 1, 0)] if family == "llama2" else []
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        if family == "gemma":
            tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    elif family == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=True)
        tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="first", split=True)
    else:
        _prepare_bytes(tokenizer, family)


def _prepare_bytes(tokenizer: Tokenizer, family: str) -> None:
    by_pattern = {"llama3": LLAMA3, "qwen": QWEN}
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = whole
    if family in by_pattern:
        split = pre_tokenizers.Split(Regex(by_pattern[family]), "isolated")
        letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, letters])
    if family == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, whole])
    if family == "gpt2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    if family == "qwen":
        tokenizer.normalizer = normalizers.NFC()
    if family == "clip":
        split = pre_tokenizers.Split(Regex(CLIP), "removed", invert=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, whole])
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )


def _add_tokens(tokenizer: Tokenizer, family: str) -> None:
    """Tokens with every flag, and a template that begins and ends a text."""
    tokenizer.add_special_tokens([AddedToken("<|eot_id|>", normalized=False)])
    tokenizer.add_tokens(
        [
            AddedToken("Hi", single_word=True, normalized=False),
            AddedToken("[INST]", lstrip=True, rstrip=True, normalized=False),
            AddedToken("the end", normalized=True),
            AddedToken("blank", single_word=True, lstrip=True, normalized=True),
            AddedToken("\n\n", normalized=False),
            AddedToken("\n\n\n", normalized=False),
        ]
    )
    begin, end = (tokenizer.get_vocab()[token] for token in ("<s>", "</s>"))
    if family == "clip":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", end), ("<s>", begin))
        return
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if family != "qwen" else "$A",
        special_tokens=[("<s>", begin), ("</s>", end)],
    )

"""Tokenizers from a model's folder, from GGUF metadata, and from llama2.c."""

from __future__ import annotations

import gzip
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from piyard.core.errors import ConversionFailed
from piyard.language.tokenizer.compiling import compile_tokenizer
from piyard.language.tokenizer.gguf import merges_by_score, tokenizer_json
from piyard.language.tokenizer.llama2c import llama2c_json
from piyard.language.tokenizer.sources import compile_folder, compile_gguf
from tests.support.chat_templates import CHATML
from tests.support.tokenizers import json_of

MIRROR = os.environ.get("PIYARD_MIRROR", "")
PREFIX = "tokenizer.ggml."
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
PIECES = ["▁", "a", "b", "c", "ab", "▁a", "abc", "▁ab"]


def sentence_piece(**changes: Any) -> dict[str, Any]:
    tokens = ["<unk>", "<s>", "</s>", *BYTES, *PIECES]
    values = {
        "model": "llama",
        "tokens": tokens,
        "scores": [0.0] * 259 + [-float(number) for number in range(len(PIECES))],
        "token_type": [2, 3, 3, *[6] * 256, *[1] * len(PIECES)],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unknown_token_id": 0,
    }
    return {PREFIX + key: value for key, value in (values | changes).items()}


def byte_level(family: str, pre: str, **changes: Any) -> dict[str, Any]:
    """What a GGUF file of this tokenizer would say."""
    reference = json.loads(json_of(family))
    vocab, added = reference["model"]["vocab"], reference["added_tokens"]
    tokens = [*vocab, *(token["content"] for token in added if token["content"] not in vocab)]
    special = {token["content"]: 3 if token["special"] else 4 for token in added}
    values = {
        "model": "gpt2",
        "pre": pre,
        "tokens": tokens,
        "token_type": [special.get(token, 1) for token in tokens],
        "merges": [" ".join(pair) for pair in reference["model"]["merges"]],
        "bos_token_id": tokens.index("<s>"),
        "eos_token_id": tokens.index("</s>"),
    }
    return {PREFIX + key: value for key, value in (values | changes).items()}


def test_merges_of_scores_are_in_their_order():
    tokens = ["a", "b", "c", "ab", "bc", "abc"]
    assert merges_by_score(tokens, [0, 0, 0, -2, -1, -3]) == [
        *(("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c")),
    ]


def test_a_vocabulary_with_scores():
    tokenizer = Tokenizer.from_buffer(tokenizer_json(sentence_piece(), "x.gguf"))
    assert tokenizer.encode("ab abc</s>é").tokens == [
        *("<s>", "▁ab", "▁", "abc", "</s>", "▁", "<0xC3>", "<0xA9>"),
    ]
    assert tokenizer.decode(tokenizer.encode("ab abc").ids) == "ab abc"
    bare = sentence_piece(add_space_prefix=False, add_bos_token=False)
    assert Tokenizer.from_buffer(tokenizer_json(bare, "x")).encode("ab").tokens == ["ab"]


@pytest.mark.parametrize(
    ("family", "pre"),
    [("llama3", "llama-bpe"), ("qwen", "qwen2"), ("smollm", "smollm")],
)
def test_a_pre_tokenizer_by_its_name(family, pre):
    metadata = byte_level(family, pre)
    tokenizer = Tokenizer.from_buffer(tokenizer_json(metadata, "x.gguf"))
    reference = json.loads(json_of(family))
    reference["post_processor"] = None
    for token in reference["added_tokens"]:
        token |= {"normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
    original = Tokenizer.from_str(json.dumps(reference))
    for text in ("I'm 12345 years old,  isn't it?\n\n\n e\u0301", "<|eot_id|>the end x"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert ids == original.encode(text, add_special_tokens=False).ids
    assert tokenizer.encode("").tokens == (["<s>"] if pre == "llama-bpe" else [])


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "cannot be read"),
        (sentence_piece(model="bert"), "bert"),
        (sentence_piece(scores=[1.0]), "types or scores"),
        (sentence_piece(scores=[]), "no scores"),
        (sentence_piece(bos_token_id=99999), "special token"),
        (sentence_piece(tokens=[*sentence_piece()[PREFIX + "tokens"][:-1], "a"]), "same"),
        (byte_level("qwen", "jais"), "jais"),
        (byte_level("qwen", "qwen2", tokens=7), "cannot be read"),
        (byte_level("qwen", "qwen2", merges=["a zz"]), "zz"),
    ],
    ids=str,
)
def test_metadata_that_is_not_known_is_refused(metadata, words):
    with pytest.raises(ConversionFailed, match=words):
        compile_gguf(metadata, "x.gguf")


def test_a_chat_template_of_metadata_is_taken():
    metadata = byte_level("qwen", "qwen2")
    plain = compile_gguf(metadata, "x.gguf")
    assert len(compile_gguf({**metadata, "tokenizer.chat_template": CHATML}, "x.gguf")) > len(plain)


def llama2c_file(pieces: list[str]) -> bytes:
    tokens = ["<unk>", "\n<s>\n", "\n</s>\n", *BYTES, *pieces]
    entries = b"".join(
        struct.pack("<fi", -max(0, number - 259), len(token.encode())) + token.encode()
        for number, token in enumerate(tokens)
    )
    return struct.pack("<i", 7) + entries


def test_a_vocabulary_of_llama2c():
    data = llama2c_file([" ", "a", "b", "ab", " ab"])
    tokenizer = Tokenizer.from_buffer(llama2c_json(data, "tok5.bin"))
    assert tokenizer.encode("ab a\n").tokens == ["<s>", "▁ab", "▁", "a", "<0x0A>"]
    for broken in (b"", data[:4], data[:-1], data[:2000], b"\xff" * 5000):
        with pytest.raises(ConversionFailed, match=r"tok5\.bin is not a readable vocabulary"):
            llama2c_json(broken, "tok5.bin")


def test_a_folder(tmp_path):
    with pytest.raises(ConversionFailed, match=r"has no tokenizer\.json"):
        compile_folder(tmp_path)
    with gzip.open(tmp_path / "tokenizer.json.gz", "wb") as stream:
        stream.write(json_of("qwen"))
    assert compile_folder(tmp_path) == compile_tokenizer(json_of("qwen"))
    config = {"chat_template": CHATML, "eos_token": {"content": "</s>", "lstrip": False}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with_chat = compile_folder(tmp_path)
    assert len(with_chat) > len(compile_tokenizer(json_of("qwen")))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text(CHATML)
    assert len(compile_folder(tmp_path)) == len(with_chat)
    (tmp_path / "tokenizer.json.gz").write_bytes(b"\x1f\x8bnone")
    with pytest.raises(ConversionFailed, match="cannot be read"):
        compile_folder(tmp_path)


@pytest.mark.skipif(not MIRROR, reason="PIYARD_MIRROR names no folder of tokenizers")
@pytest.mark.parametrize("name", ["smollm2", "llama2"])
def test_a_published_folder(name):
    assert compile_folder(Path(MIRROR) / "tokenizers" / name)

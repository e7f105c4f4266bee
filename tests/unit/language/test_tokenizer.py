"""A tokenizer.json is read strictly: what cannot be computed is refused by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from piyard.core.errors import ConversionFailed
from piyard.language.tokenizer.compiling import compile_tokenizer
from piyard.language.tokenizer.regex_parse import UnknownPattern, parse_pattern
from piyard.language.tokenizer.unicode_tables import (
    CATEGORIES,
    TABLES_FILE,
    Flag,
    load_tables,
    save_tables,
)
from tests.support.tokenizers import CLIP, LLAMA3, json_of


def changed(family: str = "qwen", **parts: Any) -> dict[str, Any]:
    reference: dict[str, Any] = json.loads(json_of(family))
    return reference | parts


def model(**parts: Any) -> dict[str, Any]:
    return {**changed()["model"], **parts}


def refuse(content: dict[str, Any], *parts: str) -> None:
    """One line and a remedy."""
    with pytest.raises(ConversionFailed) as caught:
        compile_tokenizer(json.dumps(content).encode(), "x/tokenizer.json")
    assert str(caught.value).count("\n") == 1, caught.value
    for part in ("x/tokenizer.json", *parts):
        assert part in str(caught.value), caught.value


SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"normalizer": {"type": "StripAccents"}}, ["normalizer", "StripAccents"]),
        ({"pre_tokenizer": {"type": "Punctuation"}}, ["pre_tokenizer", "Punctuation"]),
        ({"decoder": {"type": "WordPiece", "prefix": "##"}}, ["decoder", "WordPiece"]),
        ({"decoder": None}, ["a decoder of nothing"]),
        ({"post_processor": {"type": "Reverse"}}, ["post_processor", "Reverse"]),
        ({"model": {"type": "WordLevel", "vocab": {}}}, ["model", "WordLevel"]),
        ({"model": {"type": "Unigram", "vocab": [["a", 0.0]]}}, ["model", "Unigram"]),
        ({"model": model(dropout=0.1)}, ["dropout"]),
        ({"model": model(unk_token="<none>")}, ["<none>"]),
        ({"model": model(merges=[["Zq", "Qz"]])}, ["Zq"]),
        ({"model": model(extra=1)}, ["extra"]),
        ({"extra": 1}, ["extra"]),
        ({"pre_tokenizer": SPLIT | {"pattern": {"Regex": r"(?<=a)b"}}}, ["(?<="]),
        ({"pre_tokenizer": SPLIT | {"pattern": {"Regex": "a*"}}}, ["nothing"]),
        ({"pre_tokenizer": SPLIT | {"pattern": {"Regex": r"\p{Greek}"}}}, ["Greek"]),
    ],
    ids=str,
)
def test_what_is_not_known_is_refused_by_name(parts, words):
    refuse(changed(**parts), *words)


def test_parts_behind_byte_level_are_refused():
    order = changed()["pre_tokenizer"]
    refuse(
        changed(pre_tokenizer=order | {"pretokenizers": order["pretokenizers"][::-1]}), "ByteLevel"
    )


def test_ids_that_two_tokens_have_are_refused():
    vocab = model()["vocab"]
    first, second = list(vocab)[40:42]
    refuse(changed(model=model(vocab=vocab | {first: vocab[second]})), "two tokens of one id")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"model": 1}', b"[" * 100_000])
def test_a_broken_file_is_refused(content):
    with pytest.raises(ConversionFailed) as caught:
        compile_tokenizer(content, "x/tokenizer.json")
    assert "x/tokenizer.json" in str(caught.value)


def test_a_cut_file_is_refused():
    whole = json_of("qwen")
    with pytest.raises(ConversionFailed, match="not a readable"):
        compile_tokenizer(whole[: len(whole) // 2])


def test_the_same_tokenizer_is_the_same_bytes():
    assert compile_tokenizer(json_of("clip")) == compile_tokenizer(json_of("clip"))


@pytest.mark.parametrize("pattern", [LLAMA3, CLIP, r"[^\r\n]?+", "a{3}", "(?i:x|[y1])?z", "[-a-c]"])
def test_patterns_that_are_known(pattern):
    if pattern.endswith("?+"):
        with pytest.raises(UnknownPattern, match="behind a repetition"):
            parse_pattern(pattern)
    else:
        assert parse_pattern(pattern).options


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(",
            "a)",
            "[a",
            "[z-a]",
            r"\p{}",
            r"\pL",
            "a**",
            "a+?",
            "^a",
            "a$",
            ".",
            r"\b",
            "(?s:a)",
        ),
        *("a{2,1}", "a{,2}", "a{999}", "[[:alpha:]]", "[a&&b]", "(" * 50, "(?i:[a-z])", "\\"),
    ],
)
def test_patterns_that_are_not_known(pattern):
    with pytest.raises(UnknownPattern):
        parse_pattern(pattern)


def test_what_unicode_says():
    flags = load_tables().flags
    for letter, category in {
        "A": "Lu",
        "ß": "Ll",
        "中": "Lo",
        "5": "Nd",
        "½": "No",
        " ": "Zs",
    }.items():
        assert CATEGORIES[int(flags[ord(letter)]) & 31] == category
    assert flags[ord("\u3000")] & int(Flag.SPACE)
    assert not flags[0x200B] & int(Flag.SPACE)
    assert load_tables().lower.get(ord("İ")) == [ord("i"), 0x307]
    assert load_tables().decompositions.get(0x1E69) == [ord("s"), 0x323, 0x307]


@pytest.mark.slow
def test_the_tables_are_those_of_the_installed_package(tmp_path):
    """``python -m piyard.language.tokenizer.unicode_probe`` writes them anew."""
    from piyard.language.tokenizer.unicode_probe import probe_tables

    save_tables(probe_tables(), tmp_path / "probed.npz")
    with np.load(tmp_path / "probed.npz") as probed, np.load(TABLES_FILE) as stored:
        assert probed.files == stored.files
        assert [name for name in stored if not np.array_equal(stored[name], probed[name])] == []

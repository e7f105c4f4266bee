"""CLIP's tokenizer: OpenAI's list of merges, and texts as tokens."""

from __future__ import annotations

import gzip
import json

import pytest

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.language.clip_tokens import encode_text, fill_prompt
from piyard.language.clip_vocabulary import (
    MERGES,
    VOCABULARY,
    byte_letters,
    load_tokenizer,
    make_tokenizer_json,
    read_tokenizer_json,
)
from piyard.vision.schema import TextConfig

CLIP = TextConfig(context=77, start=49406, end=49407, activation="softmax")


def test_bytes_come_first_as_openai_orders_them():
    letters = byte_letters()
    assert len(set(letters)) == 256
    assert [letters[at] for at in (0, 93, 94, 187, 188, 255)] == ["!", "~", "¡", "ÿ", "Ā", "Ń"]


def test_without_merges_a_text_is_its_bytes():
    tokenizer = load_tokenizer(make_tokenizer_json([]), "x")
    # é is C3 A9 in UTF-8: the letters of both bytes, the last one at a word's end
    assert encode_text(tokenizer, CLIP, "A  hi é") == [49406, 320, 71, 328, 127, 358, 49407]


def test_merges_join_letters_and_ends_of_words():
    merges = [("c", "a"), ("ca", "t</w>"), ("ca", "t")]
    tokenizer = load_tokenizer(make_tokenizer_json(merges), "x")
    assert tokenizer.encode("cat cats").ids == [513, 514, ord("s") - 33 + 256]


def test_a_file_of_merges_may_be_longer_than_what_counts(tmp_path):
    letters = byte_letters()
    pairs = [f"{left} {right}" for left in letters for right in letters][: MERGES + 5]
    file = tmp_path / "bpe.txt.gz"
    file.write_bytes(gzip.compress("\n".join(["#version: 0.2", *pairs]).encode()))
    model = json.loads(read_tokenizer_json(file))["model"]
    assert len(model["merges"]) == MERGES
    assert model["vocab"]["<|endoftext|>"] == VOCABULARY - 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b\x08broken", b"\xff\xfe", b"#version\na b\nc", b"#v\n" + b"a\n" * 50000],
)
def test_what_is_no_tokenizer_is_refused_in_a_line(tmp_path, content):
    file = tmp_path / "bpe.txt"
    file.write_bytes(content)
    with pytest.raises(ConversionFailed, match=r"bpe\.txt is neither a tokenizer"):
        read_tokenizer_json(file)


def test_a_description_that_the_package_does_not_read_is_refused():
    with pytest.raises(ConversionFailed, match=r"not a tokenizer\.json that"):
        load_tokenizer('{"model": {"type": "Unknown"}}', "tokenizer.json")


def test_a_text_that_does_not_fit_is_refused_not_cut():
    tokenizer = load_tokenizer(make_tokenizer_json([]), "x")
    assert len(encode_text(tokenizer, CLIP, "a" * 75)) == 77
    with pytest.raises(WrongInput, match=r"78 tokens .* the limit is 77"):
        encode_text(tokenizer, CLIP, "a" * 76)


def test_a_filled_text_is_as_long_as_the_context():
    tokenizer = load_tokenizer(make_tokenizer_json([]), "x")
    filled = TextConfig(context=6, end=1, activation="sigmoid", filled=True)
    assert encode_text(tokenizer, filled, "hi") == [71, 328, 1, 1, 1, 1]


def test_a_prompt_is_filled_with_the_label():
    assert fill_prompt("a photo of a {}", "red car") == "a photo of a red car"


def test_openais_own_file_gives_openais_tokens(assets):
    file = assets / "weights" / "clip" / "bpe_simple_vocab_16e6.txt.gz"
    tokenizer = load_tokenizer(read_tokenizer_json(file), file.name)
    # openai/CLIP's own test: "a photo of a cat." by its simple_tokenizer
    assert encode_text(tokenizer, CLIP, "A photo of a cat.") == [
        *(49406, 320, 1125, 539, 320, 2368, 269, 49407),
    ]

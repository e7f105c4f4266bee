"""Texts that nnrun continues: in characters, up to a stop string, and as a schema wants them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from piyard.language.tokenizer.compiling import compile_tokenizer
from tests.runner.outcome import Outcome, Run, assert_refused
from tests.support import tokenizers
from tests.support.tiny_language import Decoder

pytestmark = pytest.mark.docker

PROMPT = "The cat sat — naïve, 猫! "
FAMILIES = ("gpt2", "llama2")


def flags(folder: Path, family: str = "gpt2") -> list[Any]:
    """A model with that tokenizer."""
    (folder / "tokenizer.bin").write_bytes(compile_tokenizer(tokenizers.json_of(family), family))
    decoder = Decoder(vocabulary=tokenizers.train(family).get_vocab_size(), seed=5)
    words = [*decoder.write(folder), "--cache", "fp32", "--decode-threads", 1]
    return [*words, "--tokenizer", folder / "tokenizer.bin"]


def shown(done: Outcome) -> str:
    """The answer, as it came."""
    return "".join(line["text"] for line in done.lines if line["type"] in {"token", "rest"})


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_text(nnrun: Run, tmp_path: Path, family: str):
    done = nnrun("generate", *flags(tmp_path, family), "--prompt", PROMPT, "--max-tokens", 60)
    tokenizer = tokenizers.train(family)
    prompt = tokenizer.encode(PROMPT).ids
    decoder = Decoder(vocabulary=tokenizer.get_vocab_size(), seed=5)
    ids = [line["id"] for line in done.of("token")]
    assert ids[:5] == decoder.greedy(prompt, 5)
    assert done.line("header")["input"]["prompt_tokens"] == len(prompt)
    assert done.line("summary")["text"] == shown(done)
    (tmp_path / "prompt.txt").write_text(PROMPT)
    again = nnrun(
        *("generate", *flags(tmp_path, family), "--prompt-file", tmp_path / "prompt.txt"),
        *("--max-tokens", 60),
    )
    assert shown(again) == shown(done)
    if family == "gpt2":
        assert shown(done) == tokenizer.decode(ids)


def test_a_stop_string_ends_it_before(nnrun: Run, tmp_path: Path):
    line = [*flags(tmp_path), "--prompt", PROMPT, "--max-tokens", 60, "--temperature", 1]
    whole = shown(nnrun("generate", *line))
    stop = whole[20:27]
    done = nnrun("generate", *line, "--stop", stop, "--stop", "not in it at all")
    assert shown(done) == whole[: whole.index(stop)]
    assert done.line("summary")["ending"] == "stop"


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "colour": {"enum": ["red", "green"]},
        "sizes": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        "more": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    },
    "required": ["name", "colour", "sizes", "more"],
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lookup", [0, 7])
def test_an_answer_keeps_to_its_schema(nnrun: Run, tmp_path: Path, family: str, lookup: int):
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    line = [*flags(tmp_path, family), "--prompt", PROMPT, "--schema", tmp_path / "schema.json"]
    for seed in range(4):
        more = ["--temperature", 1.5, "--seed", seed, "--max-tokens", 400, "--lookup", lookup]
        done = nnrun("generate", *line, *more)
        answer = json.loads(shown(done))
        assert done.line("summary")["ending"] == "schema"
        assert list(answer) == SCHEMA["required"]
        assert len(answer["name"]) <= 12
        assert answer["colour"] in {"red", "green"}
        assert 1 <= len(answer["sizes"]) <= 3
        assert all(isinstance(size, int) for size in answer["sizes"])
        assert answer["more"] in {None, True, False}


def test_what_is_wrong_with_text_is_said(nnrun: Run, tmp_path: Path):
    line = flags(tmp_path)
    prompt = ["--prompt", PROMPT]
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "string", "format": "date"}')
    refused = nnrun("generate", *line, *prompt, "--schema", schema)
    assert_refused(refused, 4, "schema.json", '"format" is not supported')
    assert_refused(nnrun("generate", *line[:-2], *prompt), 2, "need --tokenizer")
    assert_refused(nnrun("generate", *line), 2, "exactly one of --prompt")
    assert_refused(nnrun("generate", *line, "--prompt="), 2, "--prompt needs a value")
    (tmp_path / "empty.txt").write_text("")
    empty = ["--prompt-file", tmp_path / "empty.txt"]
    assert_refused(nnrun("generate", *line, *empty), 4, "the prompt is empty")
    (tmp_path / "tokenizer.bin").write_bytes(b"no tokenizer")
    assert_refused(nnrun("generate", *line, *prompt), 3, "tokenizer.bin")
    small = Decoder(vocabulary=64)
    compiled = compile_tokenizer(tokenizers.json_of("gpt2"), "gpt2")
    (tmp_path / "tokenizer.bin").write_bytes(compiled)
    small.write(tmp_path)
    assert_refused(nnrun("generate", *line, *prompt), 4, "does the tokenizer belong to it?")


def test_a_prompt_that_is_no_utf8_is_read(nnrun: Run, tmp_path: Path):
    (tmp_path / "prompt.txt").write_bytes(b"caf\xe9 \xff\xfe")
    line = [*flags(tmp_path), "--prompt-file", tmp_path / "prompt.txt", "--max-tokens", 2]
    (tmp_path / "same.txt").write_text("caf\ufffd \ufffd\ufffd")
    same = [*line[:-3], tmp_path / "same.txt", *line[-2:]]
    assert shown(nnrun("generate", *line)) == shown(nnrun("generate", *same))

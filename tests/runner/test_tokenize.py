"""nnrun's tokenizer gives the ids, and the texts, that the package ``tokenizers`` gives."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from piyard.language.tokenizer.chat import read_chat, render_template
from piyard.language.tokenizer.compiling import compile_tokenizer
from tests.runner.outcome import Line, Run, assert_refused
from tests.support import chat_templates
from tests.support.texts import BROKEN, random_lines
from tests.support.tokenizers import FAMILIES, json_of, real, train

REAL = ("clip", "gemma3", "llama2", "llama3_1", "qwen3", "smollm2")
MIRROR = os.environ.get("PIYARD_MIRROR", "")
Tokenize = Callable[..., list[Line]]


@pytest.fixture
def tokenize(nnrun_path: Path) -> Tokenize:
    """The lines between the header and the summary."""

    def run(tokenizer: Path, texts: list[bytes], *flags: str, each: str = "nul") -> list[Line]:
        separator = b"\0" if each == "nul" else b"\n"
        line = [str(nnrun_path), "tokenize", "--tokenizer", str(tokenizer), "--each", each, *flags]
        content = b"".join(text + separator for text in texts)
        done = subprocess.run(line, input=content, capture_output=True, check=True, timeout=120)
        header, *lines, summary = map(json.loads, done.stdout.splitlines())
        assert (header["type"], summary["type"]) == ("header", "summary")
        assert summary["texts"] == len(texts) == len(lines)
        return lines

    return run


def write(folder: Path, data: bytes) -> Path:
    file = folder / "tokenizer.bin"
    file.write_bytes(compile_tokenizer(data))
    return file


def assert_equal(tokenize: Tokenize, file: Path, reference: Tokenizer, lines: list[bytes]) -> None:
    """Ids with and without ends, and the texts of the ids with and without special tokens."""
    texts = [line.decode(errors="replace") for line in lines]
    for flags in ((), ("--ends",)):
        registered = [
            each.ids for each in reference.encode_batch(texts, add_special_tokens=bool(flags))
        ]
        for line, ids, text in zip(tokenize(file, lines, *flags), registered, texts, strict=True):
            assert line["ids"] == ids, ascii(text)
        for skips in ((), ("--skip-special",)):
            numbers = [" ".join(map(str, ids)).encode() for ids in registered]
            shown = tokenize(file, numbers, "--decode", *skips, each="line")
            for line, ids in zip(shown, registered, strict=True):
                assert line["text"] == reference.decode(ids, skip_special_tokens=bool(skips)), ids
                assert "".join(line["pieces"]) == line["text"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_of_each_family_is_equal(tokenize, tmp_path, family):
    file = write(tmp_path, json_of(family))
    assert_equal(tokenize, file, train(family), random_lines(600, seed=FAMILIES.index(family)))


@pytest.mark.skipif(not MIRROR, reason="PIYARD_MIRROR names no folder of tokenizers")
@pytest.mark.parametrize("name", REAL)
def test_a_published_tokenizer_is_equal(tokenize, tmp_path, name):
    data = real(Path(MIRROR), name)
    file = write(tmp_path, data)
    assert_equal(tokenize, file, Tokenizer.from_buffer(data), random_lines(500))


def test_any_id_has_the_text_that_the_package_gives(tokenize, tmp_path):
    """Also in an order that no text has: bytes of half a character, special tokens in between."""
    for family in ("llama2", "qwen"):
        reference = train(family)
        file = write(tmp_path, json_of(family))
        ids = [(start * 7919) % reference.get_vocab_size() for start in range(4000)]
        rows = [ids[start : start + 9] for start in range(0, len(ids), 9)]
        shown = tokenize(
            file, [" ".join(map(str, row)).encode() for row in rows], "--decode", each="line"
        )
        for line, row in zip(shown, rows, strict=True):
            assert line["text"] == reference.decode(row, skip_special_tokens=False), row


def test_what_is_not_utf8_is_taken_as_python_replaces_it(tokenize, tmp_path):
    file = write(tmp_path, json_of("qwen"))
    assert_equal(tokenize, file, train("qwen"), [b"a" + each + b"b" for each in BROKEN] + [*BROKEN])


def test_half_a_character_waits_for_the_rest(tokenize, tmp_path):
    """Each byte of the emoji is a token; nothing is shown before the last."""
    for family in ("gemma", "llama3"):
        file = write(tmp_path, json_of(family))
        ids = train(family).encode("𐎠", add_special_tokens=False).ids
        assert len(ids) == len("𐎠".encode())
        (line,) = tokenize(file, [" ".join(map(str, ids)).encode()], "--decode", each="line")
        assert line["pieces"] == ["", "", "", "𐎠", ""]


def test_a_text_without_blanks_takes_no_square_time(tokenize, tmp_path):
    """Were a step as long as the text, the test would not end."""
    for family in ("llama2", "llama3", "clip"):
        file = write(tmp_path, json_of(family))
        for unit in ("a", " ", "the", "\u0301"):
            (line,) = tokenize(file, [unit.encode() * (200_000 // len(unit.encode()))])
            assert line["ids"] or (family, unit) == ("clip", " ")


def test_a_text_of_the_command_line(nnrun: Run, tmp_path):
    file = write(tmp_path, json_of("smollm"))
    outcome = nnrun("tokenize", "--tokenizer", file, "--text", "Hi 42", "--text", "a")
    reference = train("smollm").encode_batch(["Hi 42", "a"], add_special_tokens=False)
    assert [line["ids"] for line in outcome.of("ids")] == [each.ids for each in reference]
    assert outcome.line("summary")["ids"] == sum(len(each.ids) for each in reference)


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--text", "a", "--file", "b"], ["--text", "--file"]),
        (["--text", "a", "--decode", "--ends"], ["--ends", "--decode"]),
        (["--text", "a", "--skip-special"], ["--skip-special", "--decode"]),
        (["--file", "a", "--each", "word"], ["--each", "word"]),
        (["--text", "a", "--chat", "--decode"], ["--chat", "--decode"]),
        (["--text", "a", "--no-thinking"], ["--no-thinking", "--chat"]),
    ],
)
def test_flags_that_do_not_go_together(nnrun: Run, tmp_path, flags, parts):
    assert_refused(nnrun("tokenize", "--tokenizer", tmp_path, *flags), 2, *parts)


@pytest.mark.parametrize("ids", ["x", "-1", "99999999", "1.5"])
def test_what_is_no_id_is_refused(nnrun: Run, tmp_path, ids):
    file = write(tmp_path, json_of("smollm"))
    outcome = nnrun("tokenize", "--tokenizer", file, "--decode", "--text", f"1 {ids}")
    assert_refused(outcome, 4, ids, "not a token id")


def test_a_broken_tokenizer_is_refused(nnrun: Run, tmp_path):
    whole = compile_tokenizer(json_of("qwen"))
    broken = {
        "empty": b"",
        "text": json_of("qwen")[:5000],
        "cut": whole[: len(whole) // 2],
        "head": whole[:64],
        "turned": bytes(reversed(whole)),
    }
    for name, content in broken.items():
        file = tmp_path / name
        file.write_bytes(content)
        assert_refused(nnrun("tokenize", "--tokenizer", file, "--text", "a"), 3, name)
    assert_refused(nnrun("tokenize", "--tokenizer", tmp_path / "none", "--text", "a"), 3, "none")
    assert_refused(nnrun("tokenize", "--tokenizer", tmp_path, "--text", "a"), 3, "regular file")


SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
TALK = [
    (SYSTEM, " Be brief.\n"),
    (USER, "  Hi, \tthe end?\n\n"),
    (ASSISTANT, "<think>\nHm. é\n</think>\n\n Yes\x1f "),
    (USER, "<|eot_id|> 👋🏽 naïve "),
]


def messages_json(talk: list[tuple[str, str]]) -> bytes:
    return json.dumps([{"role": role, "content": text} for role, text in talk]).encode()


@pytest.mark.parametrize("name", chat_templates.ALL)
def test_messages_become_the_ids_that_template_and_package_give(tokenize, tmp_path, name):
    template, special = chat_templates.ALL[name], chat_templates.SPECIAL
    for family in ("llama3", "llama2"):
        segments = read_chat(template, special, name)
        file = tmp_path / "tokenizer.bin"
        file.write_bytes(compile_tokenizer(json_of(family), chat=segments))
        talks = [TALK[1:2], TALK[1:], *([TALK[:2], TALK] if segments.start_system else [])]
        for flags, extra in (((), {}), (("--no-thinking",), {"enable_thinking": False})):
            calls = [
                {"messages": json.loads(messages_json(talk)), "add_generation_prompt": True} | extra
                for talk in talks
            ]
            shown = tokenize(file, [messages_json(talk) for talk in talks], "--chat", *flags)
            for line, text in zip(shown, render_template(template, special, calls), strict=True):
                assert line["ids"] == train(family).encode(text, add_special_tokens=False).ids


def test_an_answer_ends_with_what_the_template_ends_messages_with(nnrun: Run, tmp_path):
    file = tmp_path / "tokenizer.bin"
    segments = read_chat(chat_templates.CHATML, {}, "x")
    file.write_bytes(compile_tokenizer(json_of("qwen"), chat=segments, end_tokens=["</s>"]))
    header = nnrun("tokenize", "--tokenizer", file, "--text", "a").line("header")
    reference = train("qwen")
    stops = header["input"]["stops"]
    assert [reference.id_to_token(number) for number in stops] == ["</s>", "<|im_end|>"]


@pytest.mark.parametrize(
    ("talk", "part"),
    [
        ([], "no message"),
        (TALK[:1], "the last message"),
        (TALK[:3], "the last message"),
        (TALK[2:3], "must alternate"),
        ([TALK[1], TALK[1]], "must alternate"),
        ([TALK[1], TALK[0]], "must come first"),
        ([(USER, "")], "empty"),
        ([("tool", "a")], "'tool' is not a role"),
    ],
)
def test_messages_in_an_order_that_no_template_has(nnrun: Run, tmp_path, talk, part):
    file = tmp_path / "tokenizer.bin"
    segments = read_chat(chat_templates.CHATML, {}, "x")
    file.write_bytes(compile_tokenizer(json_of("qwen"), chat=segments))
    line = ("tokenize", "--tokenizer", file, "--chat", "--text", messages_json(talk).decode())
    assert_refused(nnrun(*line), 4, part)


def test_messages_that_a_template_does_not_take(nnrun: Run, tmp_path):
    file = write(tmp_path, json_of("qwen"))
    talk = messages_json(TALK).decode()
    line = ("tokenize", "--tokenizer", file, "--chat", "--text")
    assert_refused(nnrun(*line, talk), 3, "no chat template")
    segments = read_chat(chat_templates.NO_SYSTEM, chat_templates.SPECIAL, "x")
    file.write_bytes(compile_tokenizer(json_of("qwen"), chat=segments))
    assert_refused(nnrun(*line, talk), 4, "does not support system messages")
    for broken in ("[", "{}", '[{"role": "user"}]', '[{"role": 1, "content": "a"}]', "[1]"):
        assert_refused(nnrun(*line, broken), 4, "message")

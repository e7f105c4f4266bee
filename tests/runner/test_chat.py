"""Turns of a conversation: one model that stays loaded, and remembers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from piyard.language.tokenizer.chat import read_chat
from piyard.language.tokenizer.compiling import compile_tokenizer
from tests.runner.outcome import Outcome, Run, assert_refused
from tests.support import chat_templates, tokenizers
from tests.support.tiny_language import Decoder

pytestmark = pytest.mark.docker

SAID = "Hello, 猫!"


def flags(folder: Path, *, chat: bool = True) -> list[Any]:
    """A model, its tokenizer and its template."""
    segments = read_chat(chat_templates.CHATML, chat_templates.SPECIAL, "chat") if chat else None
    compiled = compile_tokenizer(tokenizers.json_of("gpt2"), "gpt2", chat=segments)
    (folder / "tokenizer.bin").write_bytes(compiled)
    decoder = Decoder(vocabulary=tokenizers.train("gpt2").get_vocab_size(), seed=5)
    words = [*decoder.write(folder), "--cache", "fp32", "--decode-threads", 1, "--max-tokens", 20]
    return [*words, "--tokenizer", folder / "tokenizer.bin"]


def converse(path: Path, line: list[Any], *turns: object) -> Outcome:
    """One object a line on stdin."""
    inputs = "".join(
        f"{turn if isinstance(turn, str) else json.dumps(turn)}\n" for turn in turns
    ).encode()
    words = [str(word) for word in [path, "chat", *line]]
    done = subprocess.run(words, input=inputs, capture_output=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_turns_follow_each_other(nnrun: Run, nnrun_path: Path, tmp_path: Path):
    line = flags(tmp_path)
    done = converse(
        nnrun_path, line, {"text": SAID}, {"text": "And?"}, {"reset": True}, {"text": SAID}
    )
    first, second, third = done.of("answer")
    alone = nnrun("generate", *line, "--chat", "--prompt", SAID).line("summary")
    assert first["text"] == alone["text"] == third["text"]
    assert first["prompt_tokens"] == alone["prompt_tokens"]
    assert second["prompt_tokens"] > first["prompt_tokens"]
    assert second["reused"] >= first["prompt_tokens"]
    assert done.line("summary")["turns"] == 4
    assert done.line("header")["task"] == "chat"


def test_what_is_wrong_with_a_turn_ends_no_conversation(nnrun_path: Path, tmp_path: Path):
    line = [*flags(tmp_path), "--context", 120]
    wrong = ["no JSON", {"txt": 1}, {"text": ""}, {"text": "x " * 500}]
    done = converse(nnrun_path, line, *wrong, {"text": SAID}, {"end": True}, {"text": "unheard"})
    assert len(done.of("error")) == 4
    assert "nothing was cut" in done.of("error")[3]["error"]
    assert len(done.of("answer")) == 1
    assert done.line("summary")["failed"] == 4


def test_a_file_of_turns_is_read_as_it_grows(nnrun_path: Path, tmp_path: Path):
    turns = tmp_path / "turns.jsonl"
    words = [nnrun_path, "chat", *flags(tmp_path), "--turns", turns, "--idle", 60]
    with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True) as chat:
        log = chat.stdout
        assert log is not None
        for said in (SAID, "And?"):
            with turns.open("a") as file:
                file.write(json.dumps({"text": said}) + "\n")
            kinds = iter(lambda: json.loads(log.readline())["type"], "answer")
            assert "token" in list(kinds)
        with turns.open("a") as file:
            file.write('{"end": true}\n')
        assert json.loads(log.readlines()[-1])["turns"] == 2
    assert chat.returncode == 0


def test_without_a_template_there_is_no_chat(nnrun: Run, nnrun_path: Path, tmp_path: Path):
    line = flags(tmp_path, chat=False)
    assert_refused(converse(nnrun_path, line), 3, "chat")
    assert_refused(nnrun("generate", *line, "--chat", "--prompt", SAID), 3, "chat")
    assert_refused(nnrun("generate", *line, "--prompt", SAID, "--system", "Be"), 2, "needs --chat")
    assert_refused(nnrun("chat", *line, "--idle", 3), 2, "needs --turns")

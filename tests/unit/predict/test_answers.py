"""What a language model answers: nnrun's flags, its last line, what is shown of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from piyard.core.errors import UnreadableLog
from piyard.predict import answers
from piyard.predict.answering import AnswerView
from piyard.predict.answers import (
    Answer,
    AnswerOptions,
    answer_row,
    is_answer,
    read_answer,
    show_text,
    summarise_answer,
)
from piyard.run.run_folders import LOG_FILE

SUMMARY: dict[str, Any] = {
    "type": "summary",
    "ending": "max_tokens",
    "text": " a time",
    "prompt_tokens": 3,
    "tokens": 4,
    "prefill_ms": [7.5],
    "step_ms": [10.0, 20.0, 30.0],
    "step_tokens": [1, 2, 1],
    "first_token_ms": 8.25,
    "drafted": 5,
    "accepted": 1,
    "weight_bytes": 1000,
    "cache_bytes": 64,
    "peak_rss_kb": 9000,
}


def answer(**changes: Any) -> Answer:
    fields = {key: value for key, value in SUMMARY.items() if key != "type"}
    return Answer(host="pi", run="r", **{"label": "int4+int6", **fields, **changes})


def test_flags_say_what_was_asked_for_and_a_text_is_one_word():
    options = AnswerOptions(
        prompt="unused", chat=True, system="-be brief", stops=("--stop", "\n"), context=64
    )
    words = options.arguments([2, 7])
    assert words[words.index("--context") + 1] == "64"
    assert [words[i + 1] for i, word in enumerate(words) if word == "--end-token"] == ["2", "7"]
    assert {"--stop=--stop", "--stop=\n", "--system=-be brief", "--chat"} <= set(words)
    assert "unused" not in words


def test_without_a_chat_or_a_context_their_flags_are_left_out():
    words = AnswerOptions(prompt="x").arguments([])
    assert not {"--chat", "--context", "--end-token", "--prefix-cache"} & set(words)
    assert words[words.index("--temperature") + 1] == "0"


def test_speed_is_of_the_median_step_and_bytes_are_of_the_weights_read_for_a_token():
    assert answer().tokens_per_s == pytest.approx(1000 * (4 / 3) / 20)
    assert answer().bytes_per_token == 750
    assert answer(step_ms=[], step_tokens=[]).tokens_per_s is None
    assert answer(step_ms=[], step_tokens=[]).bytes_per_token is None


def test_an_emulated_board_has_no_times_and_a_cut_answer_says_so():
    assert summarise_answer(answer()) == (
        "pi: int4+int6: 3 tokens read, 4 said, the first after 8.25 ms, 66.67 tokens/s, "
        "1 of 5 drafted ones accepted, it is cut: --max-tokens"
    )
    emulated = answer(emulated=True, ending="end", drafted=0)
    assert summarise_answer(emulated) == "pi: int4+int6: 3 tokens read, 4 said"
    drawn = summarise_answer(answer(emulated=True, ending="end", drafted=0, random_weights=True))
    assert drawn.endswith("4 said, random weights: it means nothing")
    assert answer_row(emulated) == ["pi", "3", "4", "", "", " a time"]


def test_tokens_that_an_earlier_run_kept_are_counted_apart():
    text = summarise_answer(answer(emulated=True, ending="end", drafted=0, restored=2))
    assert text == "pi: int4+int6: 3 tokens read, 2 of them from the prefix cache, 4 said"


def test_a_models_text_moves_no_cursor_but_keeps_its_lines():
    shown = show_text("a\tb\nc\x1b[2J\x07")
    assert shown.startswith("a\tb\nc")
    assert "\x1b" not in shown
    assert "\x07" not in shown


def lines(*texts: str) -> list[Any]:
    prefill = {"type": "prefill", "tokens": 2, "of": 3}
    return [prefill, *({"type": "token", "text": each} for each in texts), SUMMARY]


def test_a_persons_text_comes_in_whole_and_ends_with_its_line(capsys):
    view = AnswerView("pi", "plain", streams=True)
    for line in lines(" a", " time"):
        view.see(line)
    out, err = capsys.readouterr()
    assert out == " a time\n"
    assert "pi: 2 of 3 tokens of the prompt are read" in err


def test_several_boards_texts_do_not_mix(capsys):
    view = AnswerView("pi", "plain", streams=False)
    for line in lines(" a", " time"):
        view.see(line)
    assert not capsys.readouterr().out


def test_a_program_gets_every_line_with_its_board(capsys):
    view = AnswerView("pi", "json", streams=False)
    for line in lines("é", "\x1b"):
        view.see(line)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["board"] for row in rows} == {"pi"}
    assert [row["type"] for row in rows] == ["prefill", "token", "token", "summary"]
    assert rows[1]["text"] == "é"


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run whose log has a header of its own."""
    header = SimpleNamespace(precision=SimpleNamespace(label="fp32"))
    monkeypatch.setattr(answers, "read_log", lambda _path: SimpleNamespace(header=header))
    monkeypatch.setattr(answers, "run_folder", lambda _run: tmp_path)
    return tmp_path / LOG_FILE


RECORD: Any = SimpleNamespace(
    host="pi",
    id="r",
    emulated=True,
    what=SimpleNamespace(task="generate"),
    model=SimpleNamespace(random_seed=None),
)


def test_the_last_line_is_the_answer(stored):
    stored.write_text('{"type":"token"}\n' + json.dumps(SUMMARY) + "\n")
    read = read_answer(RECORD)
    assert read == answer(label="fp32", emulated=True)
    assert is_answer(RECORD)
    drawn: Any = SimpleNamespace(**vars(RECORD) | {"model": SimpleNamespace(random_seed=1)})
    assert read_answer(drawn).random_weights


@pytest.mark.parametrize("last", ["", "{", '{"type":"token","text":"a"}', "[" * 100000])
def test_a_log_without_a_summary_is_named(last, stored):
    stored.write_text(last)
    with pytest.raises(UnreadableLog, match="without the summary"):
        read_answer(RECORD)

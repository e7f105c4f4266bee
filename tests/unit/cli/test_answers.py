"""run --prompt and chat: flags that say nothing, boards that are away, one board for a chat."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from piyard.cli import answers, chat
from piyard.cli.prediction_requests import ChatRequest, RunRequest
from piyard.cli.runs import run_model
from piyard.core.errors import HostUnreachable, JobsFailed, WrongInput
from piyard.predict.answers import Answer
from piyard.run.outcomes import JobOutcomes

MODEL = "tinystories_656k"


def request(**flags: Any) -> RunRequest:
    return RunRequest.parse({"model": MODEL}).replace(prompt="Once", **flags)


def test_a_flag_for_pictures_is_refused_for_a_language_model() -> None:
    with pytest.raises(WrongInput, match="--topk says nothing to a language model"):
        answers.answer_prompt(request(topk=3))


def test_a_picture_is_refused_for_a_model_that_reads_texts() -> None:
    shown = ("a.jpg",)
    with pytest.raises(WrongInput, match=f"{MODEL} reads texts and sees no pictures"):
        answers.answer_prompt(request(inputs=shown))
    with pytest.raises(WrongInput, match=f"{MODEL} reads texts and sees no pictures"):
        chat.chat_with_model(ChatRequest.parse({"model": MODEL}).replace(inputs=shown))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ((), "answers about one picture, and is shown none"),
        (("a.png", "b.png"), "and is shown 2"),
        (("missing.png",), "there is no picture missing.png"),
        (("broken.png",), "broken.png"),
    ],
)
def test_a_model_that_sees_needs_one_whole_picture(
    shown: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    requests_sent = RunRequest.parse({"model": "smolvlm_256m"}).replace(
        prompt="What?", inputs=shown
    )
    with pytest.raises(WrongInput, match=said):
        answers.answer_prompt(requests_sent)


@pytest.mark.parametrize("flags", [{"temperature": 0.5}, {"chat": True}, {"thinking": False}])
def test_a_flag_for_answers_is_refused_for_pictures(flags: Any) -> None:
    shown = RunRequest.parse({"model": "squeezenet1_1"}).replace(**flags)
    with pytest.raises(WrongInput, match="is for language models, and squeezenet1_1 sees pictures"):
        run_model(shown)


ANSWER = Answer(
    host="a",
    run="r",
    text="upon a time",
    ending="end",
    prompt_tokens=1,
    tokens=2,
    prefill_ms=[1.0],
    step_ms=[1.0],
    step_tokens=[1],
)


def board(name: str) -> Any:
    return SimpleNamespace(name=name, target=SimpleNamespace(name="rpi5"), close=lambda: None)


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two, of which the second one does not answer."""
    both = [board("a"), board("b")]
    chosen = SimpleNamespace(connections=lambda: both, parallel=2, names=["a", "b"])
    away = {"b": HostUnreachable("b does not answer", remedy="is it on?")}
    outcomes: JobOutcomes[str, Answer] = JobOutcomes(["a"])
    outcomes.done(0, ANSWER)
    for module in (answers, chat):
        monkeypatch.setattr(module, "named_or_emulated", lambda _request: chosen)
    monkeypatch.setattr(answers, "identify_boards", lambda *_a, **_k: (both[:1], away))
    monkeypatch.setattr(answers, "_answer", lambda *_arguments: outcomes)


@pytest.mark.usefixtures("boards")
def test_a_board_that_does_not_answer_fails_the_command_after_the_others_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(JobsFailed) as raised:
        answers.answer_prompt(request(format="csv"))
    assert "b does not answer" in raised.value.evidence
    assert "upon a time" in capsys.readouterr().out


@pytest.mark.usefixtures("boards")
def test_a_conversation_is_with_one_board() -> None:
    with pytest.raises(WrongInput, match="--host @lab names 2 boards"):
        chat.chat_with_model(ChatRequest.parse({"host": "@lab", "model": MODEL}))

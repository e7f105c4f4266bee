"""A conversation over one run: turns travel once, answers come as they are made."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from piyard.board.release import HOME
from piyard.board.ssh.commands import script_argv
from piyard.board.ssh.session import Session
from piyard.core.errors import HostUnreachable
from piyard.predict import chatting
from piyard.predict.chatting import ChatView, Conversation
from piyard.run.remote import cancel_process
from tests.support.local_board import LocalBoard, new_board
from tests.support.local_runs import RUN, end_of, start, until_running

ECHO = """
import json, pathlib, time
turns, done = pathlib.Path("turns.jsonl"), 0
def say(**line):
    print(json.dumps(line), flush=True)
while True:
    lines = turns.read_text().splitlines() if turns.exists() else []
    for turn in map(json.loads, lines[done:]):
        done += 1
        if turn.get("end"):
            say(type="summary", turns=done)
            raise SystemExit
        if turn.get("text") == "crash":
            raise SystemExit(7)
        if turn.get("text") == "wrong":
            say(type="error", error="no such \\x1b[2J thing")
        elif "text" in turn:
            for letter in turn["text"]:
                say(type="token", text=letter)
            say(type="answer", text=turn["text"])
    time.sleep(0.02)
"""


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


@pytest.fixture
def view() -> ChatView:
    return ChatView("pi", "plain", streams=True)


@pytest.fixture
def conversation(
    board: LocalBoard, view: ChatView, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Conversation]:
    """With a program that says what it was told."""
    start(board, sys.executable, "-c", ECHO)
    until_running(board)
    monkeypatch.setattr(chatting, "collect_run", lambda _connection, _record, status: status)
    monkeypatch.setattr(chatting, "require_success", lambda _status: None)
    connection: Any = SimpleNamespace(session=board, reconnect=lambda: board, name="pi")
    record: Any = SimpleNamespace(id=RUN, host="pi")
    yield Conversation(connection, record, view)
    cancel_process(board, RUN)


def turns_of(board: LocalBoard) -> list[dict[str, Any]]:
    path = board.yard / "runs" / RUN / "turns.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_turn_is_answered_before_the_next(
    conversation: Conversation, board: LocalBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conversation.say("Hello; $(rm -rf /) 'é'")
    assert conversation.reset()
    assert conversation.say("again")
    done: Any = conversation.end()
    assert (done.state, done.code) == ("ended", 0)
    assert capsys.readouterr().out == "Hello; $(rm -rf /) 'é'\nagain\n"
    assert turns_of(board) == [
        {"text": "Hello; $(rm -rf /) 'é'"},
        {"reset": True},
        {"text": "again"},
        {"end": True},
    ]


def test_a_turn_that_cannot_be_answered_is_said_and_the_next_one_comes(
    conversation: Conversation, view: ChatView, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conversation.say("wrong")
    assert conversation.say("right")
    conversation.end()
    out, err = capsys.readouterr()
    assert out == "right\n"
    assert "✗ no such" in err
    assert "\x1b" not in err
    assert view.failed == 1


def test_a_program_that_ends_amid_a_turn_ends_the_conversation(
    conversation: Conversation,
) -> None:
    assert not conversation.say("crash")


def test_cancelling_ends_the_run(conversation: Conversation, board: LocalBoard) -> None:
    conversation.say("Hello")
    conversation.cancel()
    assert end_of(board).why == "cancelled"


def lose_once(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """The function, during whose first call the line is lost: before it did anything, or after."""
    lost: list[bool] = []

    def call(*arguments: Any) -> Any:
        if not lost:
            lost.append(True)
            if after:
                function(*arguments)
            raise HostUnreachable("pi is gone", remedy="wait")
        return function(*arguments)

    return call


@pytest.mark.parametrize("after", [False, True])
def test_a_turn_whose_line_was_lost_is_taken_once(
    after: bool,
    conversation: Conversation,
    board: LocalBoard,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Conversation, "_send", lose_once(Conversation._send, after=after))
    send = Conversation._send

    def forget(talk: Conversation, session: Session) -> None:
        before = talk._sent
        try:
            send(talk, session)
        except HostUnreachable:
            talk._sent = before  # whether it arrived is not known
            raise

    monkeypatch.setattr(Conversation, "_send", forget)
    assert conversation.say("Hello")
    conversation.end()
    out, err = capsys.readouterr()
    assert out == "Hello\n"
    assert "trying again" in err
    assert [turn.get("text") for turn in turns_of(board)] == ["Hello", None]


def test_a_turn_that_did_not_arrive_whole_is_no_turn(
    conversation: Conversation, board: LocalBoard
) -> None:
    with board.start(script_argv("say", HOME, RUN, "0", "100")) as talk:
        talk.send(b'{"text": "cut')
        talk.end_input()
        assert talk.end().code == 1
    assert not (board.yard / "runs" / RUN / "turns.jsonl").exists()
    assert conversation.say("whole")

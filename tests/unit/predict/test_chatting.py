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
from piyard.core.tables import render_table
from piyard.predict import chatting
from piyard.predict.chatting import ChatView, Conversation
from piyard.predict.exchanges import (
    EXCHANGE_COLUMNS,
    Exchange,
    History,
    exchange_rows,
    read_history,
)
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


def another_desktop(conversation: Conversation) -> tuple[Conversation, ChatView]:
    """One that knows nothing of the conversation but its run."""
    view = ChatView("pi", "plain", streams=True)
    return Conversation(conversation._connection, conversation.record, view), view


def test_another_desktop_goes_on_with_a_conversation(
    conversation: Conversation, board: LocalBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation.say("Hello")
    conversation.say("wrong")
    capsys.readouterr()
    history = read_history(board.yard / "runs" / RUN)
    assert [(each.said, each.answer) for each in history.exchanges] == [
        ("Hello", "Hello"),
        ("wrong", None),
    ]
    assert history.exchanges[1].note.startswith("no such")
    assert not history.is_pending
    there, _view = another_desktop(conversation)
    assert there.resume(history)
    assert there.say("again")
    there.end()
    assert capsys.readouterr().out == "again\n"  # what was seen before is not shown as new
    assert [turn.get("text") for turn in turns_of(board)] == ["Hello", "wrong", "again", None]


def test_a_turn_that_nobody_waited_for_is_answered_to_the_next_desktop(
    conversation: Conversation, board: LocalBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation.say("Hello")
    capsys.readouterr()
    turn = b'{"text": "pending"}\n'
    with board.start(script_argv("say", HOME, RUN, "1", str(len(turn)))) as talk:
        talk.send(turn)
        talk.end_input()
        assert talk.end().code == 0
    folder = board.yard / "runs" / RUN
    log = (folder / "log.jsonl").read_bytes().partition(b'"answer", "text": "Hello"}\n')
    history = History(
        turns=(folder / "turns.jsonl").read_bytes().splitlines(keepends=True),
        exchanges=[Exchange(said="pending", answer=None)],
        seen=(log[0] + log[1]).count(b"\n"),
    )
    assert history.is_pending
    there, view = another_desktop(conversation)
    assert there.resume(history)
    assert view.is_answered
    there.end()
    assert capsys.readouterr().out == "pending\n"


def test_a_conversation_is_read_from_its_files(tmp_path: Path) -> None:
    turns = [{"text": "one"}, {"text": "two"}, {"reset": True}, {"text": "three"}]
    lines = [
        {"type": "header"},
        {"type": "token", "text": "1"},
        {"type": "answer", "text": "1", "ending": "max_tokens"},
        {"type": "error", "error": "the context is full"},
        {"type": "token", "text": "3"},
    ]
    (tmp_path / "turns.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    (tmp_path / "log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"type": "answer", "text": "cut'
    )
    history = read_history(tmp_path)
    assert history.exchanges == [
        Exchange(said="one", answer="1", note="it is cut: --max-tokens", is_first=True),
        Exchange(said="two", answer=None, note="the context is full"),
        Exchange(said="three", answer=None, is_first=True),
    ]
    assert (history.seen, len(history.turns), history.is_pending) == (4, 4, True)
    table = json.loads(render_table(EXCHANGE_COLUMNS, exchange_rows(history.exchanges), "json"))
    assert [row["Answer"] for row in table] == ["1", None, None]
    assert read_history(tmp_path / "none").exchanges == []

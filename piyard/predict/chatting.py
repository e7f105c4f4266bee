"""A conversation with a language model on a board: one run there, turn after turn.

The run goes on when the line is lost. A turn is sent again on the next line, and the board takes it
once: it knows how many it has (``board/scripts/say.sh``).
"""

from __future__ import annotations

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.release import HOME
from piyard.board.ssh.commands import script_argv
from piyard.board.ssh.session import Session
from piyard.build.builder import Build
from piyard.convert.language.conversions import LanguageConversion
from piyard.core import console
from piyard.core.parsing import JsonValues
from piyard.core.text import sanitize_line
from piyard.predict.answering import AnswerView, answer_words, open_shown
from piyard.predict.answers import AnswerOptions
from piyard.predict.exchanges import TURN_ENDS, TURNS_FILE, History
from piyard.run import remote
from piyard.run.follow import LogFollower
from piyard.run.job import RunOptions
from piyard.run.language import start_language_run
from piyard.run.lifecycle import collect_run, require_success, suggest_attach
from piyard.run.log import LogLine
from piyard.run.record import Record, TaskInfo
from piyard.run.remote import ProcessStatus

CHAT = "chat"
"""The task of a run that converses, and nnrun's verb."""
IDLE_S = 900
"""Who says nothing for so long has left: the board's lock is free again."""
CHAT_LIMIT_S = 8 * 3600


class ChatView(AnswerView):
    """Shows the answers of a conversation as they come."""

    ends = TURN_ENDS

    def __init__(self, host: str, form: str, *, streams: bool) -> None:
        super().__init__(host, form, streams=streams)
        self.is_answered = False
        self.failed = 0

    def see(self, line: LogLine) -> None:
        """Show a line; the one that ends a turn is remembered."""
        super().see(line)
        if line["type"] in self.ends:
            self.is_answered = True
        if line["type"] == "error":
            self.failed += 1
            console.info(f"✗ {sanitize_line(str(line.get('error', '')))}")


class Conversation:
    """A run that answers turns."""

    def __init__(self, connection: BoardConnection, record: Record, view: ChatView) -> None:
        self.record = record
        self._connection, self._view = connection, view
        self._follower = LogFollower(view, until=lambda: view.is_answered)
        self._turns: list[bytes] = []
        self._sent = 0

    def resume(self, history: History) -> bool:
        """Go on where another process left it; whether the conversation goes on.

        A turn that waits for its answer is waited for, and what of it came already is shown.
        """
        self._turns, self._sent = list(history.turns), len(history.turns)
        self._follower.skip(history.seen)
        self._view.is_answered = not history.is_pending
        with suggest_attach(self.record):
            status = self._wait(waits=history.is_pending)
        return status.state in {"starting", "running"}

    def say(self, text: str) -> bool:
        """Ask, and show the answer; whether the conversation goes on."""
        self._view.is_answered = False
        return self._do({"text": text}, waits=True)

    def reset(self) -> bool:
        """Begin a new conversation; whether there can be one."""
        return self._do({"reset": True}, waits=False)

    def end(self) -> Record:
        """Let the run end, and fetch what it wrote. Raises what became of a run that failed."""
        self._turns.append(_encode_turn({"end": True}))
        with suggest_attach(self.record):
            status = self._wait(waits=False, to_the_end=True)
            done = collect_run(self._connection, self.record, status)
        require_success(done)
        return done

    def cancel(self) -> Record:
        """End it amid an answer, and fetch what it wrote."""
        with suggest_attach(self.record):
            status = remote.cancel_process(self._connection.session, self.record.id)
            return collect_run(self._connection, self.record, status)

    def _do(self, turn: JsonValues, *, waits: bool) -> bool:
        self._turns.append(_encode_turn(turn))
        with suggest_attach(self.record):
            status = self._wait(waits=waits)
        return status.state in {"starting", "running"}

    def _wait(self, *, waits: bool, to_the_end: bool = False) -> ProcessStatus:
        """Through lost connections: the turns that were not sent yet, then what comes of them."""

        def look(session: Session, run_id: str) -> ProcessStatus:
            status = remote.read_status(session, run_id)
            if status.state not in {"starting", "running"}:
                return status
            self._send(session)
            if waits or to_the_end:
                return self._follower.look(session, run_id)
            return status

        return remote.wait_for_process(
            self._connection.reconnect,
            self._connection.session,
            self.record.id,
            lambda _status: None,
            look=look,
            until=lambda: not to_the_end and (not waits or self._view.is_answered),
        )

    def _send(self, session: Session) -> None:
        for number in range(self._sent, len(self._turns)):
            turn = self._turns[number]
            argv = script_argv("say", HOME, self.record.id, str(number), str(len(turn)))
            with session.start(argv) as talk:
                talk.send(turn)
                talk.end_input()
                outcome = talk.end()
            if outcome.code:
                raise session.failure(argv, outcome)
            self._sent = number + 1


def _encode_turn(turn: JsonValues) -> bytes:
    return msgspec.json.encode(turn) + b"\n"


def start_conversation(
    connection: BoardConnection,
    build: Build,
    conversion: LanguageConversion,
    options: AnswerOptions,
    view: ChatView,
    run_options: RunOptions,
) -> Conversation:
    """A run that waits for the first turn."""
    words = ["--turns", TURNS_FILE, "--idle", str(IDLE_S)]
    with open_shown(conversion, options) as (shown, picture_words):
        words += picture_words
        record = start_language_run(
            connection,
            build,
            conversion,
            TaskInfo(task=CHAT, shown=options.system[:200] or None),
            [CHAT, *words, *answer_words(conversion, options)],
            run_options,
            inputs=shown,
            usual_limit_s=CHAT_LIMIT_S,
        )
    return Conversation(connection, record, view)

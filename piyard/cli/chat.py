"""A conversation with a language model on a board, in the terminal or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from piyard.board.connection import BoardConnection
from piyard.build import builder
from piyard.cli.answers import PLAIN_FORMAT, answer_options, convert_for_boards
from piyard.cli.boards import named_or_emulated
from piyard.cli.job_plan import run_options
from piyard.cli.prediction_requests import ChatRequest
from piyard.convert.language.formats import USUAL_PRECISION
from piyard.core import console
from piyard.core.errors import JobsFailed, WrongInput
from piyard.core.text import format_count
from piyard.models.language_models import load_language_model
from piyard.predict.answers import show_text
from piyard.predict.chatting import ChatView, Conversation, start_conversation
from piyard.predict.exchanges import Exchange, read_history
from piyard.predict.live import JSON_FORMAT
from piyard.predict.shown import find_shown
from piyard.run.plan import identify_boards
from piyard.run.record import Record
from piyard.run.run_folders import run_folder

PROMPT = "> "
QUIT, RESET = "/quit", "/reset"
FORMS = (PLAIN_FORMAT, JSON_FORMAT)


def chat_with_model(request: ChatRequest) -> None:
    """Answer what is typed, or each line of a pipe, until it ends."""
    if request.format not in FORMS:
        raise WrongInput(
            f"--format {request.format}: a conversation is not a table",
            remedy=f"leave it out, or give --format {JSON_FORMAT}",
        )
    model = load_language_model(request.models[0])
    picture = find_shown(model, request.inputs)
    precision = (request.precisions or (USUAL_PRECISION,))[0]
    boards = named_or_emulated(request)
    if len(boards.names) != 1:
        raise WrongInput(
            f"--host {request.hosts[0]} names {len(boards.names)} boards",
            remedy="a conversation is with one: name it",
        )
    (connection,) = boards.connections()
    try:
        _, unusable = identify_boards([connection], parallel=1, dry_run=request.dry_run)
        for error in unusable.values():
            raise error
        if request.dry_run:
            target = connection.target.name
            print(f"chat: {model.name} {precision}, on {connection.name} ({target})")
            return
        conversion = convert_for_boards(request, model, precision)
        build = builder.build_nnrun(connection.target)
        view = ChatView(connection.name, request.format, streams=request.format == PLAIN_FORMAT)
        options = answer_options(request, picture)
        conversation = start_conversation(
            connection, build, conversion, options, view, run_options(request)
        )
        converse(conversation, view)
    finally:
        connection.close()


def resume_chat(connection: BoardConnection, record: Record, form: str) -> None:
    """Show what was said in a conversation that still runs there, and go on with it."""
    history = read_history(run_folder(record.id))
    if form == PLAIN_FORMAT:
        _show_exchanges(history.exchanges)
    view = ChatView(record.host, form, streams=form == PLAIN_FORMAT)
    conversation = Conversation(connection, record, view)
    if conversation.resume(history):
        converse(conversation, view)
    else:
        conversation.end()


def _show_exchanges(exchanges: Sequence[Exchange]) -> None:
    for each in exchanges:
        if each.is_first and each is not exchanges[0]:
            print(RESET)
        print(f"{PROMPT}{show_text(each.said)}")
        for text in (each.answer, each.note):
            if text:
                print(show_text(text))


def converse(conversation: Conversation, view: ChatView) -> None:
    """Answer what is typed, until it ends."""
    turns = 0
    try:
        for text in read_turns():
            turns += text != RESET
            goes_on = conversation.reset() if text == RESET else conversation.say(text)
            if not goes_on:
                break
        conversation.end()
    except KeyboardInterrupt:
        conversation.cancel()
        raise
    console.info(f"✓ {format_count(turns - view.failed, 'answer')}: {conversation.record.id}")
    if view.failed:
        raise JobsFailed(
            f"{format_count(view.failed, 'turn')} could not be answered",
            remedy="the reasons are above",
        )


def read_turns() -> Iterator[str]:
    """What is typed, a turn a line, until ``/quit`` or the end of the input."""
    is_typed = sys.stdin.isatty()
    if is_typed:
        console.info(f"a line is a turn; {RESET} begins anew, {QUIT} or Ctrl-D ends")
    while True:
        if is_typed:
            print(PROMPT, end="", file=sys.stderr, flush=True)
        line = _read_line()
        if not line or line.strip() == QUIT:
            return
        if line.strip():
            yield line.strip()


def _read_line() -> str:
    try:
        return sys.stdin.readline()
    except UnicodeDecodeError as error:
        raise WrongInput(
            f"what is typed is no UTF-8: byte 0x{error.object[error.start]:02x}",
            remedy="give it in UTF-8",
        ) from None

"""A prompt to a language model on boards: what it answers, as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.board.connection import BoardConnection
from piyard.build import builder
from piyard.cli.base_requests import WorkRequest
from piyard.cli.boards import named_or_emulated
from piyard.cli.job_plan import run_options
from piyard.cli.prediction_requests import ChatRequest, RunRequest
from piyard.cli.request import require_known_flags
from piyard.convert.language.conversions import LanguageConversion
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.formats import USUAL_PRECISION
from piyard.convert.language.plan import plan_language
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import WrongInput
from piyard.core.tables import render_table
from piyard.models.language_models import LanguageModel, load_language_model
from piyard.predict.answering import AnswerView, answer_on_board
from piyard.predict.answers import (
    ANSWER_COLUMNS,
    Answer,
    AnswerOptions,
    answer_row,
    show_text,
    summarise_answer,
)
from piyard.predict.live import JSON_FORMAT
from piyard.predict.shown import find_shown
from piyard.run.outcomes import JobOutcomes
from piyard.run.plan import identify_boards
from piyard.run.schedule import LIVE_RUNS_END, run_on_boards

PLAIN_FORMAT = "plain"
OF_RUNS = frozenset(
    {
        *("host", "all", "target", "parallel", "no-wait", "strict", "dry-run", "link-limit"),
        *("limit", "model", "precision", "threads", "format", "random-weights", "force"),
    }
)
OF_ANSWERS = OF_RUNS | {
    *(
        "input",
        "prompt",
        "chat",
        "system",
        "max-tokens",
        "context",
        "temperature",
        "top-k",
        "top-p",
    ),
    *("min-p", "repetition-penalty", "seed", "stop", "lookup", "schema", "no-thinking"),
    "prefix-cache",
}
"""The flags of ``run`` that a language model heeds."""
ONLY_OF_ANSWERS = OF_ANSWERS - OF_RUNS - {"prompt", "input"}
"""Those that say nothing to a model of pictures; one of task clip has a prompt too."""


def answer_prompt(request: RunRequest) -> None:
    """Let the model continue the prompt on each board; one board's answer is shown as it comes."""
    model = load_language_model(request.models[0])
    require_known_flags(request, OF_ANSWERS, "a language model")
    picture = find_shown(model, request.inputs)
    _check_prompt(request, model)
    options = msgspec.structs.replace(
        answer_options(request, picture),
        prompt=request.prompt,
        chat=request.chat or picture is not None,
        schema=request.schema,
    )
    precision = (request.precisions or (USUAL_PRECISION,))[0]
    boards = named_or_emulated(request)
    connections = boards.connections()
    try:
        usable, unusable = identify_boards(
            connections, parallel=boards.parallel, dry_run=request.dry_run
        )
        outcomes: JobOutcomes[str, Answer] = JobOutcomes([])
        if request.dry_run:
            for each in usable:
                print(f"generate: {model.name} {precision}, on {each.name} ({each.target.name})")
        elif usable:
            outcomes = _answer(request, model, precision, options, usable)
        for error in unusable.values():
            outcomes.also_failed(error)
    finally:
        for connection in connections:
            connection.close()
    streamed = request.format == JSON_FORMAT or _streams(request, usable)
    if outcomes.results:
        print_answers(outcomes.results, request.format, shown=streamed)
    raise_if_requested()
    outcomes.require_all()


def _check_prompt(request: RunRequest, model: LanguageModel) -> None:
    if not request.prompt:
        raise WrongInput(
            "a language model needs a prompt", remedy='for example --prompt "Once upon a time"'
        )
    if request.system and not request.chat and not model.language.pictures:
        raise WrongInput("--system is for --chat", remedy="add --chat, or leave out --system")
    if request.schema and not request.schema.is_file():
        raise WrongInput(f"there is no file {request.schema}", remedy="check --schema")


def answer_options(request: RunRequest | ChatRequest, picture: Path | None = None) -> AnswerOptions:
    """What both tasks want of an answer."""
    return AnswerOptions(
        picture=picture,
        system=request.system,
        max_tokens=request.max_tokens,
        context=request.context or 0,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        seed=request.seed,
        stops=request.stop,
        lookup=request.lookup,
        keeps_prompt=request.prefix_cache,
        thinking=request.thinking,
        threads=(request.threads or (0,))[0],
    )


def _answer(
    request: RunRequest,
    model: LanguageModel,
    precision: str,
    options: AnswerOptions,
    usable: Sequence[BoardConnection],
) -> JobOutcomes[str, Answer]:
    conversion = convert_for_boards(request, model, precision)
    targets = {each.target.name: each.target for each in usable}
    builds = {name: builder.build_nnrun(target) for name, target in targets.items()}

    def ask(connection: BoardConnection, _name: str) -> Answer:
        view = AnswerView(connection.name, request.format, streams=_streams(request, usable))
        build = builds[connection.target.name]
        return answer_on_board(connection, build, conversion, options, view, run_options(request))

    return run_on_boards(
        usable,
        [each.name for each in usable],
        ask,
        group_of_job=lambda name: name,
        title=lambda name: f"{model.name} on {name}",
        parallel=request.parallel,
        stopping=LIVE_RUNS_END,
    )


def _streams(request: RunRequest, usable: Sequence[BoardConnection]) -> bool:
    """Whether the text is shown as it comes: that of one board, for a person."""
    return request.format == PLAIN_FORMAT and len(usable) == 1


def convert_for_boards(
    request: WorkRequest, model: LanguageModel, precision: str
) -> LanguageConversion:
    """The model for boards."""
    plan = plan_language(model, precision, random_weights=request.random_weights)
    return convert_language_model(plan, force=request.force)


def print_answers(answers: Sequence[Answer], form: str, *, shown: bool = False) -> None:
    """The answers, unless they were shown as they came; a summary of each."""
    if not shown:
        print(_render_answers(answers, form))
    for each in answers:
        console.info(f"✓ {summarise_answer(each)}")


def _render_answers(answers: Sequence[Answer], form: str) -> str:
    if form == PLAIN_FORMAT and len(answers) == 1:
        return show_text(answers[0].text)
    return render_table(ANSWER_COLUMNS, [answer_row(each) for each in answers], form)

"""``bench`` of language models, and with ``--engine`` of another engine, in tokens a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build.builder import build_nnrun
from piyard.build.engine import build_engine, load_engine_pin, plan_engine, require_target
from piyard.cli.answers import convert_for_boards
from piyard.cli.board_requests import BenchRequest
from piyard.cli.boards import Boards, named_or_emulated
from piyard.cli.job_plan import run_options
from piyard.cli.request import require_known_flags
from piyard.convert.language.conversions import LanguageConversion
from piyard.convert.language.formats import USUAL_PRECISION, find_formats
from piyard.core.errors import WrongInput
from piyard.core.tables import Column, render_items
from piyard.core.text import NOT_KNOWN, format_digits
from piyard.language.gguf_config import gguf_config
from piyard.language.gguf_file import GgufFile
from piyard.measure.engine import EngineContext, EngineJob, measure_engine
from piyard.measure.language_bench import (
    LanguageContext,
    LanguageJob,
    measure_language,
    plan_language_jobs,
)
from piyard.measure.token_rates import RUNS, TokenRate
from piyard.models.language_models import language_model_names, load_language_model
from piyard.report.columns import mark_invalid
from piyard.report.comments import describe_verdict
from piyard.run.outcomes import JobOutcomes
from piyard.run.plan import check_threads, identify_boards
from piyard.run.schedule import run_on_boards

APPLICABLE = {
    *("host", "all", "target", "parallel", "no-wait", "strict", "dry-run", "threads", "loops"),
    *("limit", "link-limit", "governor", "format", "engine", "gguf"),
}
"""The flags of ``bench`` that other engines heed."""
OF_MODELS = frozenset({"model", "precision", "random-weights", "force", "energy", "meter"})
"""Those that language models heed besides."""

TokenJob = EngineJob | LanguageJob
Outcomes = JobOutcomes[TokenJob, list[TokenRate]]


def is_of_tokens(request: BenchRequest) -> bool:
    """Whether tokens a second are asked for: of a language model, or of another engine."""
    return bool(request.engine or request.gguf or find_language_models(request))


def find_language_models(request: BenchRequest) -> list[str]:
    """The language models among those named."""
    text_models = language_model_names()
    return [name for name in request.models if name in text_models]


def bench_tokens(request: BenchRequest) -> None:
    """Build, convert, deploy, measure, and print the table."""
    names = check_request(request)
    boards = named_or_emulated(request)
    connections = boards.connections()
    try:
        usable, unusable = identify_boards(
            connections, parallel=boards.parallel, dry_run=request.dry_run
        )
        specs = [connection.spec for connection in usable]
        engine_jobs = plan_engine_jobs(request, request.gguf, specs) if request.gguf else []
        outcomes: Outcomes = JobOutcomes([])
        if request.dry_run:
            print_plan(request, names, engine_jobs, specs)
        elif specs:
            conversions = _convert(request, names)
            own = plan_language_jobs(conversions, specs, request.threads, request.loops or 0)
            outcomes = _measure_all(request, boards, usable, [*own, *engine_jobs])
        for error in unusable.values():
            outcomes.also_failed(error)
    finally:
        for connection in connections:
            connection.close()
    if rates := [rate for each in outcomes.results for rate in each]:
        print(render_items(COLUMNS, rates, request.format))
    outcomes.require_all()


def check_request(request: BenchRequest) -> list[str]:
    """The language models; raises ``WrongInput`` for flags that do not go together."""
    names = find_language_models(request)
    others = set(request.models) - set(names)
    if others and (names or "--model" in request.typed()):
        raise WrongInput(
            f"{', '.join(sorted(others))} is measured in inferences, not in tokens a second",
            remedy="give language models a command of their own",
        )
    if bool(request.engine) != bool(request.gguf):
        raise WrongInput(
            "--engine and --gguf belong together",
            remedy="for example: bench --engine llama.cpp --gguf model.gguf",
        )
    what = request.engine if not names else "a language model"
    require_known_flags(request, APPLICABLE | (OF_MODELS if names else set()), what)
    for precision in request.precisions:
        find_formats(precision)
    if request.gguf and (request.energy or request.meter):
        raise WrongInput(
            f"{request.engine} does not say when it timed what, so its energy is not known",
            remedy="leave out --energy and --meter, or --engine",
        )
    if request.gguf:
        load_engine_pin(request.engine)
        gguf_config(GgufFile(request.gguf))  # a broken file is known before anything is built
    return names


def _precisions(request: BenchRequest) -> Sequence[str]:
    return request.precisions or (USUAL_PRECISION,)


def _convert(request: BenchRequest, names: Sequence[str]) -> list[LanguageConversion]:
    return [
        convert_for_boards(request, load_language_model(name), precision)
        for name in names
        for precision in _precisions(request)
    ]


def plan_engine_jobs(
    request: BenchRequest, weights: Path, boards: Sequence[BoardSpec]
) -> list[EngineJob]:
    """A job for every board and number of threads; raises ``WrongInput``."""
    for board in boards:
        require_target(request.engine, board.target)
        check_threads(board, request.threads)
    return [
        EngineJob(
            board=board,
            engine=request.engine,
            weights=weights,
            threads=threads,
            runs=request.loops or RUNS,
        )
        for board in boards
        for threads in request.threads or [board.default_threads]
    ]


def print_plan(
    request: BenchRequest,
    names: Sequence[str],
    engine_jobs: Sequence[EngineJob],
    boards: Sequence[BoardSpec],
) -> None:
    """What would be done."""
    for job in {job.board.target.name: job for job in engine_jobs}.values():
        print(plan_engine(job.engine, job.board.target))
    for board in boards:
        check_threads(board, request.threads)
        for name in names:
            for precision in _precisions(request):
                counts = ", ".join(map(str, request.threads or [board.default_threads]))
                print(f"bench: {name} {precision}, threads {counts} on {board.name}")
    for job in engine_jobs:
        print(f"bench: {job.title} ({job.board.target.name})")


def _measure_all(
    request: BenchRequest,
    boards: Boards,
    usable: Sequence[BoardConnection],
    jobs: Sequence[TokenJob],
) -> Outcomes:
    targets = {job.board.target.name: job.board.target for job in jobs}
    builds = {name: build_nnrun(target) for name, target in targets.items()}
    engine = request.engine
    engines = {name: build_engine(engine, each) for name, each in targets.items() if engine}
    options = run_options(request)

    def measure(connection: BoardConnection, job: TokenJob) -> list[TokenRate]:
        name = job.board.target.name
        if isinstance(job, LanguageJob):
            return measure_language(
                LanguageContext(connection=connection, job=job, build=builds[name], options=options)
            )
        return measure_engine(
            EngineContext(
                connection=connection,
                job=job,
                build=builds[name],
                engine=engines[name],
                options=options,
            )
        )

    return run_on_boards(
        usable,
        jobs,
        measure,
        group_of_job=lambda job: job.host,
        title=lambda job: job.title,
        parallel=boards.parallel,
    )


COLUMNS: tuple[Column[TokenRate], ...] = (
    Column(key="board", title="Board", value=lambda rate: rate.row.host),
    Column(key="hardware", value=lambda rate: rate.row.hardware),
    Column(key="engine", title="Engine", value=lambda rate: rate.speed.work.engine),
    Column(key="model", title="Model", value=lambda rate: rate.row.model),
    Column(key="weights", title="Weights", value=lambda rate: rate.weights),
    Column(key="threads", title="Threads", value=lambda rate: rate.row.threads),
    Column(key="test", title="Test", value=lambda rate: rate.speed.work.test),
    Column(
        key="tokens_per_s",
        title="Tokens/s",
        value=lambda rate: rate.speed.per_s,
        text=lambda rate: mark_invalid(rate.row, f"{rate.speed.per_s:.2f}"),
    ),
    Column(
        key="ceiling_per_s",
        title="Ceiling",
        value=lambda rate: rate.speed.ceiling_per_s,
        text=lambda rate: (
            "" if rate.speed.ceiling_per_s is None else f"{rate.speed.ceiling_per_s:.0f}"
        ),
    ),
    Column(key="first_token_ms", value=lambda rate: rate.row.first_token_ms),
    Column(key="bytes_per_token", value=lambda rate: rate.speed.bytes_per_token),
    Column(
        key="peak_rss_kb",
        title="Memory (MB)",
        value=lambda rate: rate.row.peak_rss_kb,
        text=lambda rate: (
            "" if rate.row.peak_rss_kb is None else f"{rate.row.peak_rss_kb / 1024:.0f}"
        ),
    ),
    Column(
        key="joules_per_token",
        title="J/token",
        value=lambda rate: rate.row.joules_per_token,
        text=lambda rate: (
            NOT_KNOWN
            if rate.row.joules_per_token is None
            else format_digits(rate.row.joules_per_token)
        ),
    ),
    Column(key="slowest_per_s", value=lambda rate: rate.range_per_s[0]),
    Column(key="fastest_per_s", value=lambda rate: rate.range_per_s[1]),
    Column(key="samples_ms", value=lambda rate: rate.result.samples_ms),
    Column(
        key="verdict",
        title="Comments",
        value=lambda rate: rate.row.verdict.state,
        text=lambda rate: describe_verdict(rate.row.verdict),
    ),
    Column(key="run", value=lambda rate: rate.row.run),
)

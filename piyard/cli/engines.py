"""``bench --engine``: another engine on boards, in tokens a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build.builder import build_nnrun
from piyard.build.engine import build_engine, load_engine_pin, plan_engine, require_target
from piyard.cli.board_requests import BenchRequest
from piyard.cli.work import Boards, named_or_emulated, run_options
from piyard.core.errors import WrongInput
from piyard.core.tables import Column, render_items
from piyard.language.gguf_config import gguf_config
from piyard.language.gguf_file import GgufFile
from piyard.measure.engine import RUNS, EngineContext, EngineJob, TokenRate, measure_engine
from piyard.run.outcomes import JobOutcomes
from piyard.run.plan import check_threads, identify_boards
from piyard.run.schedule import run_on_boards

APPLICABLE = {
    *("host", "all", "target", "parallel", "no-wait", "strict", "dry-run", "threads", "loops"),
    *("limit", "link-limit", "governor", "format", "engine", "gguf"),
}
"""The flags of ``bench`` that other engines heed."""

Outcomes = JobOutcomes[EngineJob, list[TokenRate]]


def bench_engine(request: BenchRequest) -> None:
    """Build the engine, deploy it with its weights, measure, and print the table."""
    weights = check_request(request)
    boards = named_or_emulated(request)
    connections = boards.connections()
    try:
        usable, unusable = identify_boards(
            connections, parallel=boards.parallel, dry_run=request.dry_run
        )
        specs = [connection.spec for connection in usable]
        jobs = plan_engine_jobs(request, weights, specs)
        outcomes: Outcomes = JobOutcomes([])
        if request.dry_run:
            print_plan(jobs)
        elif jobs:
            outcomes = _measure_all(request, boards, usable, jobs)
        for error in unusable.values():
            outcomes.also_failed(error)
    finally:
        for connection in connections:
            connection.close()
    if rates := [rate for each in outcomes.results for rate in each]:
        print(render_items(COLUMNS, rates, request.format))
    outcomes.require_all()


def check_request(request: BenchRequest) -> Path:
    """The weights; raises ``WrongInput`` for flags that do not go together."""
    if not (request.engine and request.gguf):
        raise WrongInput(
            "--engine and --gguf belong together",
            remedy="for example: bench --engine llama.cpp --gguf model.gguf",
        )
    load_engine_pin(request.engine)
    names = [word.removeprefix("--") for word in request.typed() if word.startswith("--")]
    for name in names:
        if name not in APPLICABLE:
            raise WrongInput(
                f"--{name} says nothing to {request.engine}", remedy=f"leave out --{name}"
            )
    gguf_config(GgufFile(request.gguf))  # a broken file is known before anything is built
    return request.gguf


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


def print_plan(jobs: Sequence[EngineJob]) -> None:
    """What would be done."""
    targets = {job.board.target.name: job for job in jobs}
    for job in targets.values():
        print(plan_engine(job.engine, job.board.target))
    for job in jobs:
        print(f"bench: {job.title} ({job.board.target.name})")


def _measure_all(
    request: BenchRequest,
    boards: Boards,
    usable: Sequence[BoardConnection],
    jobs: Sequence[EngineJob],
) -> Outcomes:
    targets = {job.board.target.name: job.board.target for job in jobs}
    builds = {name: build_nnrun(target) for name, target in targets.items()}
    engines = {name: build_engine(request.engine, target) for name, target in targets.items()}

    def measure(connection: BoardConnection, job: EngineJob) -> list[TokenRate]:
        name = job.board.target.name
        return measure_engine(
            EngineContext(
                connection=connection,
                job=job,
                build=builds[name],
                engine=engines[name],
                options=run_options(request),
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


def _comment(rate: TokenRate) -> str:
    return "; ".join([rate.verdict.state, *(reason.text for reason in rate.verdict.reasons)])


COLUMNS: tuple[Column[TokenRate], ...] = (
    Column(key="board", title="Board", value=lambda rate: rate.job.host),
    Column(key="hardware", value=lambda rate: rate.job.board.hardware),
    Column(key="engine", title="Engine", value=lambda rate: rate.job.engine),
    Column(key="model", title="Model", value=lambda rate: rate.job.model),
    Column(key="weights", value=lambda rate: rate.weights),
    Column(key="threads", title="Threads", value=lambda rate: rate.job.threads),
    Column(key="test", title="Test", value=lambda rate: rate.work.name),
    Column(
        key="tokens_per_s",
        title="Tokens/s",
        value=lambda rate: rate.tokens_per_s,
        text=lambda rate: f"{rate.tokens_per_s:.2f}",
    ),
    Column(key="slowest_per_s", value=lambda rate: rate.range_per_s[0]),
    Column(key="fastest_per_s", value=lambda rate: rate.range_per_s[1]),
    Column(key="samples_ms", value=lambda rate: rate.samples_ms),
    Column(key="verdict", title="Comments", value=lambda rate: rate.verdict.state, text=_comment),
    Column(key="run", value=lambda rate: rate.run),
)

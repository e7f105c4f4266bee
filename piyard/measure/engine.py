"""Another engine on a board: llama.cpp's llama-bench on a GGUF file, run as nnrun is.

The engine's program and the weights are blobs of a release beside nnrun, which watches the board
meanwhile. The run is detached, survives the link, and keeps its log and telemetry like any other;
its times are judged by the same limits. Whether its answers are right is not looked at.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.board.facts import Facts, read_facts
from piyard.board.release import Release, release_of_paths
from piyard.build.builder import Build
from piyard.build.engine import Engine
from piyard.core import console
from piyard.core.errors import UnreadableLog
from piyard.measure.llama_bench import BenchLine, Work, parse_bench
from piyard.measure.token_rates import PROMPT, RUNS, TOKENS, TokenRate, judge_times
from piyard.run import execute
from piyard.run.deploy import deploy_releases, features_of, needs_of, require_needs
from piyard.run.job import RunOptions
from piyard.run.lifecycle import finish_run, start_run
from piyard.run.record import (
    LOG_FILE,
    BuildInfo,
    ModelInfo,
    Record,
    TaskInfo,
    describe_run,
    run_folder,
)

ENGINE_TASK = "engine"
PROGRAM, WEIGHTS = "llama-bench", "model.gguf"
"""Their names on the board."""


class EngineJob(msgspec.Struct, frozen=True, kw_only=True):
    """One GGUF file on some threads of one board."""

    board: BoardSpec
    engine: str
    weights: Path
    threads: int
    runs: int = RUNS

    @property
    def host(self) -> str:
        """The name of its board."""
        return self.board.name

    @property
    def model(self) -> str:
        """What its file is called."""
        return self.weights.stem

    @property
    def title(self) -> str:
        """A name for people, with the board."""
        threads = f"{self.threads} {'thread' if self.threads == 1 else 'threads'}"
        return f"{self.engine} {self.model}, {threads} on {self.host}"

    @property
    def works(self) -> list[Work]:
        """The tests, in llama-bench's order."""
        return [Work(prompt=PROMPT, runs=self.runs), Work(tokens=TOKENS, runs=self.runs)]

    @property
    def arguments(self) -> list[str]:
        """Of llama-bench."""
        tests = ["-p", str(PROMPT), "-n", str(TOKENS), "-r", str(self.runs)]
        return ["-m", WEIGHTS, "-t", str(self.threads), *tests, "-o", "jsonl"]


class EngineContext(msgspec.Struct, frozen=True, kw_only=True):
    """A job, its board, and what was built for it."""

    connection: BoardConnection
    job: EngineJob
    build: Build
    """nnrun, which watches."""
    engine: Engine
    options: RunOptions

    @property
    def release(self) -> Release:
        """All files that the job needs on its board."""
        program = self.engine.program(PROGRAM)
        files = {"nnrun": self.build.nnrun, PROGRAM: program, WEIGHTS: self.job.weights}
        return release_of_paths(files, label=f"{self.job.model}, {self.engine.title}")


def measure_engine(context: EngineContext) -> list[TokenRate]:
    """Deploy, wait until the board is idle, run, fetch, judge. The run's folder keeps it all."""
    release = context.release
    _deploy(context, release)
    connection, board = context.connection, context.job.board
    real = not board.emulated
    conditions = board.target.conditions
    idle = execute.wait_until_idle(connection.session, conditions) if real else None
    record = _new_record(context, release, read_facts(connection.session))
    started = start_run(
        connection,
        msgspec.structs.replace(record, idle_state=idle),
        release,
        "",
        context.job.arguments,
        context.options.limit_s or execute.usual_limit_s(real=real, live=False),
        program=PROGRAM,
        governor=execute.choose_governor(connection, board, context.options) if real else "",
    )
    return conclude_engine(context.job, finish_run(connection, started))


def conclude_engine(job: EngineJob, done: Record) -> list[TokenRate]:
    """What a finished run measured. Raises ``UnreadableLog`` for a log of something else."""
    file = run_folder(done.id) / LOG_FILE
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnreadableLog(f"{file} cannot be read: {error.strerror}") from None
    lines = parse_bench(text, job.works)
    return [_rate(job, done, *each) for each in zip(job.works, lines, strict=True)]


def _rate(job: EngineJob, done: Record, work: Work, line: BenchLine) -> TokenRate:
    return TokenRate(
        board=job.board,
        engine=job.engine,
        model=job.model,
        weights=line.model_type,
        threads=job.threads,
        work=work,
        tokens=work.prompt or work.tokens,
        samples_ms=[ns / 1e6 for ns in line.samples_ns],
        run=done.id,
        verdict=judge_times(job.board, done, job.threads, [ns / 1e6 for ns in line.samples_ns]),
    )


def _deploy(context: EngineContext, release: Release) -> None:
    connection, board = context.connection, context.job.board
    needs = needs_of(context.build.manifest, context.job.weights.stat().st_size)
    features = needs.features | features_of(context.engine.march)
    needs = msgspec.structs.replace(needs, features=features)

    def check(facts: Facts, _bytes: int) -> None:
        # An emulated board's /proc/cpuinfo is the emulating machine's.
        known = msgspec.structs.replace(facts, features=None) if board.emulated else facts
        require_needs(board.name, known, needs)

    deploy_releases(
        connection.session,
        [release],
        connection.lease,
        keep=True,
        check=check,
        link_limit=context.options.link_limit,
    )
    connection.has_lease = True
    console.info(f"✓ {connection.name}: {release.title} deployed")


def _new_record(context: EngineContext, release: Release, before: Facts) -> Record:
    job = context.job
    return describe_run(
        context.connection,
        job.board,
        before,
        slug=f"{job.engine}-{job.model}-t{job.threads}",
        what=TaskInfo(task=ENGINE_TASK, slug=f"{job.engine} {job.model}"),
        model=ModelInfo(name=job.model, title=job.model, input=[]),
        build=BuildInfo(key=context.engine.key),
        release=release.id,
    )

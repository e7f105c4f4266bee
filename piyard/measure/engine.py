"""Another engine on a board: llama.cpp's llama-bench on a GGUF file, run as nnrun is.

The engine's program and the weights are blobs of a release beside nnrun, which watches the board
meanwhile. The run is detached, survives the link, and keeps its log and telemetry like any other;
its times are judged by the same limits. Whether its answers are right is not looked at.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
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
from piyard.results import judge
from piyard.results.board_checks import board_reasons, telemetry_reasons
from piyard.results.result import Result, Verdict
from piyard.run import execute
from piyard.run.deploy import deploy_releases, features_of, needs_of, require_needs
from piyard.run.job import RunOptions
from piyard.run.lifecycle import finish_run, start_run
from piyard.run.log import LogHeader
from piyard.run.record import (
    LOG_FILE,
    BuildInfo,
    ModelInfo,
    Record,
    TaskInfo,
    describe_run,
    run_folder,
)
from piyard.run.telemetry import TELEMETRY_FILE, read_telemetry

ENGINE_TASK = "engine"
PROGRAM, WEIGHTS = "llama-bench", "model.gguf"
"""Their names on the board."""
PROMPT, TOKENS = 512, 128
"""llama-bench's own, which everybody publishes."""
RUNS = 8
"""Repetitions of each test: enough for an interval of their median."""


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


class TokenRate(msgspec.Struct, frozen=True, kw_only=True):
    """One test of one job."""

    job: EngineJob
    run: str
    """The run's id."""
    weights: str
    """What the engine calls them."""
    work: Work
    samples_ms: list[float]
    """Of each repetition, all its tokens together."""
    verdict: Verdict

    @property
    def tokens_per_s(self) -> float:
        """By the median."""
        return self._rate(statistics.median(self.samples_ms))

    @property
    def range_per_s(self) -> tuple[float, float]:
        """Of the slowest and the fastest repetition."""
        return self._rate(max(self.samples_ms)), self._rate(min(self.samples_ms))

    def _rate(self, ms: float) -> float:
        return 1000 * (self.work.prompt or self.work.tokens) / ms


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
    samples = [ns / 1e6 for ns in line.samples_ns]
    return TokenRate(
        job=job,
        run=done.id,
        weights=line.model_type,
        work=work,
        samples_ms=samples,
        verdict=_judge(job, done, samples),
    )


def _judge(job: EngineJob, done: Record, samples: Sequence[float]) -> Verdict:
    """By the board and the times alone; the telemetry is that of the whole run."""
    telemetry = read_telemetry(run_folder(done.id) / TELEMETRY_FILE)
    header = LogHeader(threads=job.threads)
    result = Result(record=done, samples_ms=list(samples), header=header, telemetry=telemetry)
    if done.emulated:
        return Verdict(state="EMULATED")
    limits = job.board.target.conditions
    reasons = (
        *board_reasons(result, limits),
        *judge.sample_reasons(result),
        *telemetry_reasons(result, limits),
    )
    return Verdict(state=judge.combined_state(reasons), reasons=reasons)


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

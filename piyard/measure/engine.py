"""Another engine on a board: llama.cpp's llama-bench on a GGUF file, run as nnrun is.

The engine's program and the weights are blobs of a release beside nnrun, which watches the board
meanwhile. The run is detached, survives the link, and keeps its log and telemetry like any other;
its times are judged by the same limits. Whether its answers are right is not looked at.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.release import Release, release_of_paths
from piyard.build.builder import Build
from piyard.build.engine import Engine
from piyard.core.errors import UnreadableLog
from piyard.measure.llama_bench import BenchLine, Work, parse_bench
from piyard.measure.token_rates import PROMPT, TOKENS, TokenJob, TokenRate, judge_times
from piyard.run.deploy import BoardNeeds, features_of, needs_of
from piyard.run.execute import usual_limit_s
from piyard.run.job import RunOptions
from piyard.run.lifecycle import finish_run
from piyard.run.program_run import ProgramRun, start_program
from piyard.run.record import LOG_FILE, BuildInfo, ModelInfo, Record, TaskInfo, run_folder

ENGINE_TASK = "engine"
PROGRAM, WEIGHTS = "llama-bench", "model.gguf"
"""Their names on the board."""


class EngineJob(TokenJob, frozen=True, kw_only=True):
    """One GGUF file in an engine."""

    engine: str
    weights: Path

    @property
    def model(self) -> str:
        """What its file is called."""
        return self.weights.stem

    @property
    def subject(self) -> str:
        """The engine and the file."""
        return f"{self.engine} {self.model}"

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
    job = context.job
    started = start_program(
        ProgramRun(
            connection=context.connection,
            releases=[context.release],
            needs=_needs(context),
            slug=f"{job.engine}-{job.model}-t{job.threads}",
            what=TaskInfo(task=ENGINE_TASK, slug=job.subject),
            model=ModelInfo(name=job.model, title=job.model, input=[]),
            build=BuildInfo(key=context.engine.key),
            command=job.arguments,
            program=PROGRAM,
            options=context.options,
            usual_limit_s=usual_limit_s(real=not job.board.emulated, live=False),
            is_measured=True,
        )
    )
    return conclude_engine(job, finish_run(context.connection, started))


def _needs(context: EngineContext) -> BoardNeeds:
    """nnrun's, and the CPU features that the engine was built for."""
    needs = needs_of(context.build.manifest, context.job.weights.stat().st_size)
    features = needs.features | features_of(context.engine.march)
    return msgspec.structs.replace(needs, features=features)


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
    samples_ms = [ns / 1e6 for ns in line.samples_ns]
    return TokenRate(
        board=job.board,
        engine=job.engine,
        model=job.model,
        weights=line.model_type,
        threads=job.threads,
        work=work,
        tokens=work.prompt or work.tokens,
        samples_ms=samples_ms,
        run=done.id,
        verdict=judge_times(job.board, done, job.threads, samples_ms),
    )

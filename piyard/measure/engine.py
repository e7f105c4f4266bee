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
from piyard.measure.llama_bench import Work, parse_bench
from piyard.measure.token_rates import TokenJob, TokenRate, store_rate, task_of
from piyard.models.language_models import GENERATE
from piyard.results.result import Result
from piyard.run.deploy import BoardNeeds, features_of, needs_of
from piyard.run.execute import usual_limit_s
from piyard.run.job import RunOptions
from piyard.run.lifecycle import finish_run
from piyard.run.log import LogHeader, PrecisionInfo
from piyard.run.program_run import ProgramRun, start_program
from piyard.run.record import BuildInfo, ModelInfo, Record
from piyard.run.run_folders import LOG_FILE, run_folder
from piyard.run.telemetry import TELEMETRY_FILE, read_telemetry

ENGINE_TASK = "engine"
PROGRAM, WEIGHTS = "llama-bench", "model.gguf"
"""Their names on the board."""
UNNAMED_WEIGHTS = "GGUF"
"""Where the engine does not say of which kind they are."""


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

    def arguments(self, work: Work) -> list[str]:
        """Of llama-bench, for one test."""
        return ["-m", WEIGHTS, "-t", str(self.threads), *work.flags, "-o", "jsonl"]


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
    """Deploy, wait until the board is idle, run, fetch, judge, store: one run a test."""
    return [_measure(context, work) for work in context.job.works]


def _measure(context: EngineContext, work: Work) -> TokenRate:
    job = context.job
    started = start_program(
        ProgramRun(
            connection=context.connection,
            releases=[context.release],
            needs=_needs(context),
            slug=f"{job.engine}-{job.model}-t{job.threads}",
            what=task_of(
                ENGINE_TASK,
                job.subject,
                work,
                engine=job.engine,
                tokens=work.prompt or work.tokens,
            ),
            model=ModelInfo(name=job.model, title=job.model, task=GENERATE, input=[]),
            build=BuildInfo(key=context.engine.key),
            command=job.arguments(work),
            program=PROGRAM,
            options=context.options,
            usual_limit_s=usual_limit_s(real=not job.board.emulated, live=False),
            is_measured=True,
        )
    )
    return conclude_engine(job, work, finish_run(context.connection, started))


def _needs(context: EngineContext) -> BoardNeeds:
    """nnrun's, and the CPU features that the engine was built for."""
    needs = needs_of(context.build.manifest, context.job.weights.stat().st_size)
    features = needs.features | features_of(context.engine.march)
    return msgspec.structs.replace(needs, features=features)


def conclude_engine(job: EngineJob, work: Work, done: Record) -> TokenRate:
    """What a finished run measured. Raises ``UnreadableLog`` for a log of something else."""
    folder = run_folder(done.id)
    file = folder / LOG_FILE
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnreadableLog(f"{file} cannot be read: {error.strerror}") from None
    (line,) = parse_bench(text, [work])
    kind = line.model_type or UNNAMED_WEIGHTS
    measured = Result(
        record=done,
        samples_ms=[ns / 1e6 for ns in line.samples_ns],
        header=LogHeader(threads=job.threads, precision=PrecisionInfo(requested=kind, label=kind)),
        telemetry=read_telemetry(folder / TELEMETRY_FILE),
    )
    return store_rate(measured)

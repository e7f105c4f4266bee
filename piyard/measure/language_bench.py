"""nnrun's two speeds of a language model on a board: reading a prompt, and an answer's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build.builder import Build
from piyard.convert.language.conversion import LanguageConversion
from piyard.core.errors import UnreadableLog
from piyard.measure.llama_bench import Work
from piyard.measure.token_rates import RUNS, TokenJob, TokenRate, judge_times
from piyard.run.execute import usual_limit_s
from piyard.run.job import RunOptions
from piyard.run.language import start_language_run
from piyard.run.lifecycle import finish_run
from piyard.run.log import read_log, require_measured
from piyard.run.record import LOG_FILE, Record, TaskInfo, run_folder

ENGINE = "nnrun"
SPEED_TASK = "speed"
"""Of a run that measures one of the two."""
RANDOM_MARK = ", random weights"


class LanguageJob(TokenJob, frozen=True, kw_only=True):
    """One conversion; its repetitions are whole prompts and whole answers."""

    conversion: LanguageConversion

    @property
    def model(self) -> str:
        """Its name."""
        return self.conversion.model.name

    @property
    def subject(self) -> str:
        """The model and its precision."""
        return f"{self.model} {self.conversion.manifest.precision}"

    def command(self, work: Work) -> list[str]:
        """nnrun's words for a test: a sample is a whole prompt, or one token of an answer."""
        loops = self.runs if work.prompt else self.runs * work.tokens
        tokens = ["--tokens", str(work.prompt or work.tokens), "--threads", str(self.threads)]
        warmup = ["--warmup", "1" if work.prompt else "8", "--loops", str(loops)]
        return ["bench", "prefill" if work.prompt else "decode", *tokens, *warmup]


class LanguageContext(msgspec.Struct, frozen=True, kw_only=True):
    """A job, its board, and nnrun for it."""

    connection: BoardConnection
    job: LanguageJob
    build: Build
    options: RunOptions


def measure_language(context: LanguageContext) -> list[TokenRate]:
    """Deploy, wait until the board is idle, run, fetch, judge: one run a test."""
    return [_measure(context, work) for work in context.job.works]


def _measure(context: LanguageContext, work: Work) -> TokenRate:
    job = context.job
    record = start_language_run(
        context.connection,
        context.build,
        job.conversion,
        TaskInfo(task=SPEED_TASK, slug=f"{job.model} {work.name}"),
        job.command(work),
        context.options,
        usual_limit_s=usual_limit_s(real=not job.board.emulated, live=False),
        is_measured=True,
    )
    return conclude_language(job, work, finish_run(context.connection, record))


def conclude_language(job: LanguageJob, work: Work, done: Record) -> TokenRate:
    """What a finished run measured. Raises ``UnreadableLog`` for a log of something else."""
    path = run_folder(done.id) / LOG_FILE
    log = read_log(path)
    require_measured(log.header, str(path))
    samples = [line.ms for line in log.samples]
    if log.summary is None or not samples or log.header.threads != job.threads:
        raise UnreadableLog(
            f"{path}: not all of {work.name} was measured",
            remedy="see stderr.txt beside it for why nnrun ended",
        )
    return TokenRate(
        board=job.board,
        engine=ENGINE,
        model=job.model,
        weights=log.header.precision.label + _mark(job),
        threads=job.threads,
        work=work,
        tokens=work.prompt or 1,
        samples_ms=samples,
        run=done.id,
        verdict=judge_times(job.board, done, job.threads, samples),
        bytes_per_token=log.summary.weight_bytes,
        peak_rss_kb=log.summary.peak_rss_kb,
    )


def _mark(job: LanguageJob) -> str:
    return "" if job.conversion.has_real_weights else RANDOM_MARK


def plan_language_jobs(
    conversions: Sequence[LanguageConversion],
    boards: Sequence[BoardSpec],
    threads: Sequence[int],
    runs: int,
) -> list[LanguageJob]:
    """A job for every board, conversion and number of threads."""
    return [
        LanguageJob(board=board, conversion=conversion, threads=count, runs=runs or RUNS)
        for board in boards
        for conversion in conversions
        for count in threads or [board.default_threads]
    ]

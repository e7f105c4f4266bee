"""nnrun's two speeds of a language model on a board: reading a prompt, and an answer's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build.builder import Build
from piyard.convert.language.conversions import LanguageConversion
from piyard.convert.language.picture_tower import PICTURE_FILES
from piyard.core.errors import UnreadableLog
from piyard.measure.energy import ENERGY_TASK, EnergyRunner, measure_energy
from piyard.measure.llama_bench import Work
from piyard.measure.token_rates import RUNS, TokenJob, TokenRate, store_rate, task_of
from piyard.results.result import NNRUN_ENGINE, read_run_result
from piyard.run.execute import usual_limit_s
from piyard.run.job import RunOptions
from piyard.run.language import DECODER_FILES, start_language_run
from piyard.run.lifecycle import finish_run
from piyard.run.record import Record
from piyard.run.run_folders import LOG_FILE, run_folder

SPEED_TASK = "speed"
"""Of a run that measures one of the two."""


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

    @property
    def works(self) -> list[Work]:
        """Both tests, and the encoder of a model that sees pictures."""
        pictures = self.conversion.model.language.pictures
        seen = [Work(picture=pictures.rows, runs=self.runs)] if pictures else []
        return [*super().works, *seen]

    def command(self, work: Work, samples: int = 0) -> list[str]:
        """nnrun's words for a test: a sample is a whole prompt or picture, or one token said."""
        loops = samples or (self.runs * work.tokens if work.tokens else self.runs)
        pictures = self.conversion.model.language.pictures
        if work.picture and pictures:
            shape = ["--shape", ",".join(map(str, pictures.input)), "--precision", "fp32"]
            times = ["--threads", str(self.threads), "--warmup", "1", "--loops", str(loops)]
            return ["bench", *shape, *times]
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
    """Deploy, wait until the board is idle, run, fetch, judge, store: one run a test.

    With ``options.energy`` a further run, of a real board, measures what a token takes.
    """
    return [_measure(context, work) for work in context.job.works]


def _measure(context: LanguageContext, work: Work) -> TokenRate:
    done = _run(context, work, SPEED_TASK, context.job.command(work), pmic=False)
    rate = conclude_language(context.job, done)
    if not context.options.energy or done.emulated:
        return rate
    drawn = measure_energy(_energy_runner(context, work), rate.result)
    return store_rate(msgspec.structs.replace(rate.result, energy=drawn)) if drawn else rate


def _run(
    context: LanguageContext, work: Work, task: str, command: Sequence[str], *, pmic: bool
) -> Record:
    job = context.job
    tokens = work.prompt or work.picture or 1
    record = start_language_run(
        context.connection,
        context.build,
        job.conversion,
        task_of(task, job.model, work, engine=NNRUN_ENGINE, tokens=tokens),
        command,
        context.options,
        usual_limit_s=usual_limit_s(real=not job.board.emulated, live=False),
        is_measured=True,
        pmic=pmic,
        files=PICTURE_FILES if work.picture else DECODER_FILES,
    )
    return finish_run(context.connection, record)


def _energy_runner(context: LanguageContext, work: Work) -> EnergyRunner:
    def run(samples: int, pmic: bool) -> Record:  # noqa: FBT001  # as EnergyRunner calls it
        command = context.job.command(work, samples)
        return _run(context, work, ENERGY_TASK, command, pmic=pmic)

    return EnergyRunner(connection=context.connection, source=context.options.energy, run=run)


def conclude_language(job: LanguageJob, done: Record) -> TokenRate:
    """What a finished run measured. Raises ``UnreadableLog`` for a log of something else."""
    folder = run_folder(done.id)
    measured = read_run_result(folder)
    if measured.threads != job.threads:
        raise UnreadableLog(
            f"{folder / LOG_FILE}: it computed with {measured.threads} threads, not {job.threads}",
            remedy="measure again",
        )
    return store_rate(measured)


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

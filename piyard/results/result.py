"""A Result: what one benchmark run measured, with all that is needed to believe it or not.

Samples are kept as measured. What tables, charts and the index show of a Result is its Row,
derived from it with its verdict; it can be made again at any time. Results are versioned JSON,
``artifacts/results/<run>.json``:

1. had no file of its own: it is read from the run's folder, without telemetry and verdict
2. warm-up, cold start, telemetry, energy and verdict beside the samples
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from piyard.core.errors import PROGRAM, UnreadableLog
from piyard.core.parsing import Count, Ms, Seconds
from piyard.results.summary import Summary
from piyard.run import log
from piyard.run.log import ColdLine, Log, LogHeader, LogSummary, require_measured
from piyard.run.record import Record, TokenWork
from piyard.run.run_folders import LOG_FILE, read_record
from piyard.run.telemetry import TELEMETRY_FILE, EnergyRun, Sample, read_telemetry

NNRUN_ENGINE = "nnrun"


class OutputMatch(msgspec.Struct, frozen=True, kw_only=True):
    """How near the outputs came to the original's."""

    ok: bool
    cosine: float
    """The worst of all outputs."""
    blind: str = ""
    """Why that cosine says nothing, where it does not: then the difference was judged."""
    empty: str = ""
    """Why even agreement proves nothing, where it does not."""


class EnergyUse(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of one inference, and what it was derived from."""

    joules: float
    """Of one inference, all rails together, idle power included."""
    above_idle_joules: float
    average_w: float
    idle_w: float
    wall_w: float | None
    """At the wall: measured by a meter, or an estimate from the rails' sum (see ``EnergyRun``)."""
    wall_joules: float | None = None
    """Of one inference, at the wall."""
    wall_source: str = ""
    """Who says so: the meter's command, or that it is an estimate and whose."""
    source: str
    """For people: ``PMIC`` or the meter's command."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Money, in dollars."""

    board: float | None
    """What the board cost."""
    board_date: str = ""
    """ISO date of that price."""
    per_million: float | None = None
    """Energy of a million inferences."""


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
    """The least time that the hardware allows, by its peaks; Winograd may go below."""

    ms: float
    bound: str
    """``compute`` or ``memory``: which of the two it is."""
    source: str
    """Where the target's peaks come from."""


class ReferenceTime(msgspec.Struct, frozen=True, kw_only=True):
    """What others measured for the same network on the same kind of board."""

    ms: float
    """The least of their runs."""
    source: str
    likely: Sequence[str] = ()
    """When the row is off by more than 15 %: the causes that the board's facts suggest."""


class TokenSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a language model is in one test."""

    work: TokenWork
    per_s: float
    """Tokens a second, by the median."""
    ceiling_per_s: float | None = None
    """Of an answer's tokens, if reading the weights took all the time: the memory's limit. None for
    a prompt, and for weights that the caches hold, which have no such limit."""
    bytes_per_token: int | None = None
    """Of weights that an answer's token reads; None where the engine does not say it."""

    @property
    def name(self) -> str:
        """The test, and the engine where that is not nnrun: ``pp512``, ``llama.cpp tg128``."""
        engine = "" if self.work.engine == NNRUN_ENGINE else f"{self.work.engine} "
        return engine + self.work.test


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark of one model on one board."""

    run: str
    """The run's id; its Result is ``artifacts/results/<run>.json``."""
    when: str
    """UTC, ISO 8601."""
    host: str
    target: str
    hardware: str
    emulated: bool
    model: str
    title: str
    input: Sequence[int]
    """C, H, W"""
    params: int | None
    macs: int | None
    random_seed: int | None
    """Of random weights; None where the weights are real."""
    model_key: str
    """Of the conversion: the same key is the same .param and .bin."""
    build: str
    """Of nnrun and ncnn."""
    precision: str = msgspec.field(name="asked")
    """The requested precision, which need not be the one computed."""
    data_type: str
    """The precision really computed."""
    threads: int
    summary: Summary
    """Of one inference, milliseconds; of a language model that of a whole prompt or of a token."""
    tokens: TokenSpeed | None = None
    """Of a language model."""
    end_to_end: Summary | None = None
    """Of decoding, pre-processing, inference and post-processing together, milliseconds."""
    cold_ms: float | None = None
    """Loading and the first inference, from a process that had nothing in memory."""
    peak_rss_kb: int | None = None
    accuracy: str | None = None
    check: OutputMatch | None = None
    power: EnergyUse | None = None
    cost: Cost | None = None
    floor: Roofline | None = None
    published: ReferenceTime | None = None
    verdict: Verdict

    @property
    def fps(self) -> float:
        """Inferences a second, one after the other, by the median; of a language model tokens."""
        return self.tokens.per_s if self.tokens else 1000.0 / self.summary.median

    @property
    def subject(self) -> str:
        """The model, and what of a language model was measured: ``qwen3_0_6b tg128``."""
        return f"{self.model} {self.tokens.name}" if self.tokens else self.model

    @property
    def first_token_ms(self) -> float | None:
        """Until a prompt is read and the first token after it known; None of other tests."""
        is_prompt = self.tokens is not None and self.tokens.work.reads_prompts
        return self.summary.median if is_prompt else None

    @property
    def joules_per_token(self) -> float | None:
        """Of a language model, idle power included."""
        return self.power.joules / self.tokens.work.tokens if self.power and self.tokens else None

    @property
    def published_ratio(self) -> float | None:
        """Our time over the published one: 1.3 is slower by 30 %."""
        return self.summary.median / self.published.ms if self.published else None

    @property
    def floor_ratio(self) -> float | None:
        """Our time over the hardware's least; below 1 only by Winograd."""
        return self.summary.median / self.floor.ms if self.floor else None

    @property
    def job(self) -> tuple[str, ...]:
        """What makes two rows the same one, measured again."""
        return (self.hardware, self.host, self.subject, self.precision, str(self.threads))


Grade = Literal["SUSPECT", "INVALID"]
VerdictState = Literal["VALID", "SUSPECT", "INVALID", "EMULATED"]
ReasonCode = Literal[
    "throttled",
    "under-voltage",
    "clock",
    "hot",
    "load",
    "swap",
    "governor",
    "drift",
    "bimodal",
    "interval",
    "output",
    "telemetry",
]
"""Each reason's name, for programs; its text is for people."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks against a row."""

    code: ReasonCode
    grade: Grade
    text: str
    """What was measured, with figures, and what to do about it; one line."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is worth; the reasons are kept for an emulated board too."""

    state: VerdictState
    reasons: Sequence[Reason] = ()


SCHEMA = 2


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table, with everything behind it."""

    schema: int = SCHEMA
    record: Record
    samples_ms: list[Ms]
    header: LogHeader
    """nnrun's first line."""
    starts_s: list[Seconds] = []
    """When each sample began, in seconds since boot: the clock of telemetry; empty in old logs."""
    warmup_ms: list[Ms] = []
    end_to_end_ms: list[Ms] = []
    """Of decoding, pre-processing, inference and post-processing together."""
    load_ms: Ms | None = None
    first_ms: Ms | None = None
    """The first inference after a cold load of ``load_ms``."""
    peak_rss_kb: Count | None = None
    weight_bytes: Count | None = None
    """That an answer's token reads, of a language model."""
    stopped: str = ""
    """Why nnrun stopped sampling: ``interval`` reached, ``budget`` over, or all ``loops`` done."""
    telemetry: list[Sample] = []
    energy: EnergyRun | None = None
    verdict: Verdict = Verdict(state="SUSPECT")

    @property
    def latency_ms(self) -> float:
        """The median time of one inference."""
        return statistics.median(self.samples_ms)

    @property
    def fps(self) -> float:
        """Inferences a second, one after the other."""
        return 1000.0 / self.latency_ms

    @property
    def data_type(self) -> str:
        """The precision that was computed, which need not be the requested one."""
        return self.header.precision.label

    @property
    def threads(self) -> int:
        """Threads of the inference."""
        return self.header.threads

    @property
    def job(self) -> tuple[str, ...]:
        """What two results of the same job share: board, model, requested precision, threads."""
        requested, record = self.header.precision.requested, self.record
        work = record.what.work
        subject = f"{record.model.name} {work.engine} {work.test}" if work else record.model.name
        return (record.hardware, record.host, subject, requested, str(self.threads))


def read_run_result(folder: Path) -> Result:
    """The result in a run's folder; raises ``UnreadableLog`` for one that did not end well."""
    record = read_record(folder)
    if record.state == "running":
        raise UnreadableLog(
            f"{record.id} keeps running on {record.host}, as far as was heard",
            remedy=f"{PROGRAM} attach {record.id}",
        )
    measured = log.read_log(folder / LOG_FILE)
    require_measured(measured.header, str(folder / LOG_FILE))
    samples = [line.ms for line in measured.samples]
    _require_complete(folder, record, measured, samples)
    cold, summary = measured.cold or ColdLine(), measured.summary or LogSummary()
    return Result(
        record=record,
        samples_ms=samples,
        starts_s=[line.at for line in measured.samples if line.at is not None],
        header=measured.header,
        warmup_ms=[line.ms for line in measured.warmup],
        end_to_end_ms=[line.ms for line in measured.end_to_end],
        load_ms=cold.load_ms or measured.load_ms,
        first_ms=cold.first_ms,
        peak_rss_kb=summary.peak_rss_kb,
        weight_bytes=summary.weight_bytes,
        stopped=summary.stopped,
        telemetry=read_telemetry(folder / TELEMETRY_FILE),
    )


def require_result(result: Result, where: str) -> Result:
    """Itself; raises ``UnreadableLog`` where its header lacks what a benchmark's has."""
    require_measured(result.header, where)
    return result


def _require_complete(
    folder: Path, record: Record, measured: Log, samples: Sequence[float]
) -> None:
    expected = measured.summary and measured.summary.samples
    if record.exit_code != 0 or expected != len(samples) or not samples:
        raise UnreadableLog(
            f"{folder.name}: the run did not end well (exit code {record.exit_code}, "
            f"{len(samples)} samples)",
            remedy=f"see {folder / 'stderr.txt'}",
        )

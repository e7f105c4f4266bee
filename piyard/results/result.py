"""A Result: what one benchmark run measured, with all that is needed to believe it or not.

Samples are kept as measured; what a table shows of them is derived on demand. Results are
versioned JSON, ``artifacts/results/<run>.json``:

1. had no file of its own: it is read from the run's folder, without telemetry and verdict
2. warm-up, cold start, telemetry, energy and verdict beside the samples
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.core.errors import PROGRAM, UnreadableLog
from piyard.core.parsing import Count, Ms, Seconds
from piyard.results.row import Verdict
from piyard.run import log
from piyard.run.log import ColdLine, Log, LogHeader, LogSummary, require_measured
from piyard.run.record import LOG_FILE, Record, list_runs, read_record
from piyard.run.telemetry import TELEMETRY_FILE, EnergyRun, Sample, read_telemetry

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
        return (record.hardware, record.host, record.model.name, requested, str(self.threads))


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
        stopped=summary.stopped,
        telemetry=read_telemetry(folder / TELEMETRY_FILE),
    )


def require_result(result: Result, where: str) -> Result:
    """Itself; raises ``UnreadableLog`` where its header lacks what a benchmark's has."""
    require_measured(result.header, where)
    return result


def stored(*, every: bool = False) -> tuple[list[Result], list[str]]:
    """The stored results, the newest of each job unless ``every``, and what is unreadable."""
    results, unreadable = [], []
    for folder in list_runs():
        try:
            if read_record(folder).what.task == "bench":
                results.append(read_run_result(folder))
        except UnreadableLog as error:
            unreadable.append(error.what)
    return (results if every else newest(results)), unreadable


def newest(results: Sequence[Result]) -> list[Result]:
    """The last result of each job, in the order the jobs first appeared."""
    return list({result.job: result for result in results}.values())


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

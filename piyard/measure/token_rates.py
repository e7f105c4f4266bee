"""Speeds of a language model on a board in tokens a second, whichever engine computed them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardSpec
from piyard.core.text import format_count
from piyard.measure.llama_bench import Work
from piyard.results import judge
from piyard.results.board_checks import board_reasons, telemetry_reasons
from piyard.results.reference_times import read_bandwidth
from piyard.results.result import Result, Verdict
from piyard.run.log import LogHeader
from piyard.run.record import Record, run_folder
from piyard.run.telemetry import TELEMETRY_FILE, read_telemetry

PROMPT, TOKENS = 512, 128
"""llama-bench's own, which everybody publishes."""
RUNS = 8
"""Repetitions of each test: enough for an interval of their median."""


class TokenJob(msgspec.Struct, frozen=True, kw_only=True):
    """A model on some threads of one board, in either of two tests."""

    board: BoardSpec
    threads: int
    runs: int = RUNS
    """Repetitions of each test."""

    @property
    def host(self) -> str:
        """The name of its board."""
        return self.board.name

    @property
    def subject(self) -> str:
        """What is measured, for people."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """A name for people, with the board."""
        return f"{self.subject}, {format_count(self.threads, 'thread')} on {self.host}"

    @property
    def works(self) -> list[Work]:
        """Both tests, in llama-bench's order."""
        return [Work(prompt=PROMPT, runs=self.runs), Work(tokens=TOKENS, runs=self.runs)]


class TokenRate(msgspec.Struct, frozen=True, kw_only=True):
    """One test of one job."""

    board: BoardSpec
    engine: str
    model: str
    weights: str
    """What the engine calls them."""
    threads: int
    work: Work
    tokens: int
    """Of a sample."""
    samples_ms: list[float]
    run: str
    """The run's id."""
    verdict: Verdict
    bytes_per_token: int | None = None
    """Of weights that an answer's token reads; None where the engine does not say it."""
    peak_rss_kb: int | None = None

    @property
    def tokens_per_s(self) -> float:
        """By the median."""
        return self._rate(statistics.median(self.samples_ms))

    @property
    def range_per_s(self) -> tuple[float, float]:
        """Of the slowest and the fastest sample."""
        return self._rate(max(self.samples_ms)), self._rate(min(self.samples_ms))

    @property
    def first_token_ms(self) -> float | None:
        """Until the first token after the prompt is known; None of an answer's tokens."""
        return statistics.median(self.samples_ms) if self.work.prompt else None

    @property
    def ceiling_per_s(self) -> float | None:
        """Of an answer's tokens, if reading the weights took all the time: the memory's limit.

        None for weights that the caches hold, which have no such limit.
        """
        peaks = self.board.target.peaks
        bandwidth = read_bandwidth(peaks, self.threads) if peaks else None
        if self.work.prompt or not self.bytes_per_token or not peaks or not bandwidth:
            return None
        read = self.bytes_per_token - peaks.cache_kb * 1024
        return bandwidth * 1e9 / read if read > 0 else None

    def _rate(self, ms: float) -> float:
        return 1000 * self.tokens / ms


def judge_times(
    board: BoardSpec, done: Record, threads: int, samples_ms: Sequence[float]
) -> Verdict:
    """By the board and the times alone; the telemetry is that of the whole run."""
    if done.emulated:
        return Verdict(state="EMULATED")
    telemetry = read_telemetry(run_folder(done.id) / TELEMETRY_FILE)
    header = LogHeader(threads=threads)
    result = Result(record=done, samples_ms=list(samples_ms), header=header, telemetry=telemetry)
    limits = board.target.conditions
    reasons = (
        *board_reasons(result, limits),
        *judge.sample_reasons(result),
        *telemetry_reasons(result, limits),
    )
    return Verdict(state=judge.combined_state(reasons), reasons=reasons)

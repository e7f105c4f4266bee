"""Speeds of a language model on a board in tokens a second, whichever engine computed them."""

from __future__ import annotations

import msgspec

from piyard.board.connection import BoardSpec
from piyard.core.errors import UnreadableLog
from piyard.core.text import format_count
from piyard.measure.llama_bench import Work
from piyard.results.derive import make_row, verdict_of
from piyard.results.result import Result, Row, TokenSpeed
from piyard.results.result_files import save_result
from piyard.run.record import TaskInfo, TokenWork

PROMPT, TOKENS = 512, 128
"""llama-bench's own, which everybody publishes."""
RUNS = 8
"""Repetitions of each test: enough for an interval of their median."""


RANDOM_MARK = ", random weights"


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
    """One test of one job: what was measured, and its row."""

    result: Result
    row: Row
    speed: TokenSpeed
    """The row's."""

    @property
    def range_per_s(self) -> tuple[float, float]:
        """Of the slowest and the fastest sample."""
        samples, tokens = self.result.samples_ms, self.speed.work.tokens
        return 1000 * tokens / max(samples), 1000 * tokens / min(samples)

    @property
    def weights(self) -> str:
        """What the engine calls them."""
        return self.row.data_type + ("" if self.row.random_seed is None else RANDOM_MARK)


def task_of(task: str, slug: str, work: Work, *, engine: str, tokens: int) -> TaskInfo:
    """What a run's record says of a test; ``tokens`` are those of a sample."""
    done = TokenWork(engine=engine, test=work.name, tokens=tokens)
    return TaskInfo(task=task, slug=f"{slug} {work.name}", work=done)


def store_rate(measured: Result) -> TokenRate:
    """Judge and store what was measured."""
    judged = msgspec.structs.replace(measured, verdict=verdict_of(measured))
    save_result(judged)
    row = make_row(judged)
    if row.tokens is None:
        raise UnreadableLog(f"{row.run} measured no language model")
    return TokenRate(result=judged, row=row, speed=row.tokens)

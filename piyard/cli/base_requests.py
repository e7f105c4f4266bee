"""What requests of several commands have in common: boards, jobs, a table, a dry run."""

from __future__ import annotations

from pathlib import Path

from piyard.cli.flag_types import GOVERNOR, RATE, SECONDS, WARMUP, Warmup, whole
from piyard.cli.flags import (
    FORMATTED,
    HOST_HELP,
    MODEL,
    MODELS,
    ONE_TARGET,
    PRECISIONS,
    RANDOM_WEIGHTS,
    RETRY,
    STRICT,
)
from piyard.cli.named_types import BOARD
from piyard.cli.request import Request, flag
from piyard.cli.value_types import SWITCH, many
from piyard.core.errors import WrongInput


class DryRunRequest(Request):
    """Options of a command with a dry run."""

    dry_run: bool = flag("print what would be done, and do nothing", SWITCH, default=False)


class TableRequest(Request):
    """Options of a command that prints a table."""

    format: str = FORMATTED


class BoardsRequest(Request):
    """Options of a command on boards."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")
    all: bool = flag("all boards of the inventory", SWITCH, default=False)
    target: str = ONE_TARGET
    parallel: int = flag("number of boards at once", whole(), default=16)
    no_wait: bool = flag("fail at once when a board is in use", SWITCH, default=False)
    strict: bool = STRICT


class WorkRequest(BoardsRequest, DryRunRequest):
    """Jobs on boards: a command makes flags of the fields that apply to it."""

    models: tuple[str, ...] = (MODEL,)
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    loops: int | None = None
    budget: float | None = None
    warmup: Warmup | None = None
    limit: int | None = None
    link_limit: int | None = flag(
        "at most so many bytes a second to boards, as 500k or 2M", RATE, default=None
    )
    retry: int = 0
    governor: str = ""
    picture: Path | None = None
    rerun_invalid: int = 0
    energy: bool = False
    meter: str = ""
    random_weights: bool = False
    force: bool = False
    spread: bool = False
    retry_failed: bool = False

    def check(self) -> None:
        """Raise for a benchmark with two durations."""
        if self.loops and self.budget:
            raise WrongInput("--loops and --budget exclude each other", remedy="give one of them")


class RunRequestBase(WorkRequest):
    """Options of a command whose jobs may hang, or be lost to a restart."""

    limit: int | None = flag("time limit of a job on the board, in seconds", whole(), default=None)
    retry: int = RETRY


class RetryRequest(WorkRequest):
    """Options of a command that can repeat only what failed."""

    retry_failed: bool = flag("repeat only what failed last time", SWITCH, default=False)


class MeasureRequest(RunRequestBase):
    """Options of a benchmark."""

    models: tuple[str, ...] = MODELS
    precisions: tuple[str, ...] = PRECISIONS
    threads: tuple[int, ...] = flag("threads of an inference", many(whole()), default=())
    loops: int | None = flag("number of inferences to measure", whole(), default=None)
    budget: float | None = flag(
        "measure until the median is known to 1 %, for at most so many seconds (30)",
        SECONDS,
        default=None,
    )
    warmup: Warmup | None = flag(
        "number of warm-up inferences, or auto: until times are stable", WARMUP, default=None
    )
    governor: str = flag(
        "CPU governor during a run, where sudo needs no password; keep: the board's own",
        GOVERNOR,
        default="",
    )
    random_weights: bool = RANDOM_WEIGHTS
    format: str = FORMATTED

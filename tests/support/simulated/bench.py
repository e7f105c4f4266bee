"""A benchmark on a simulated Pi, as the tasks make it: only nnrun's times are made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import SelectedBoard
from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from piyard.measure.bench import run_benchmark
from piyard.results.result import Result
from piyard.run.job import JobContext, Prepared, RunOptions
from piyard.run.plan import combine_jobs
from tests.support.plans import board
from tests.support.simulated.stand_in import build_of
from tests.support.simulated_pi import SimulatedPi

TARGET = "rpi5"


class Measure(Protocol):
    """A benchmark on options."""

    def __call__(self, options: RunOptions | None = None) -> Result: ...


def measure(
    line: BoardConnection, real: Build, conversion: Conversion, options: RunOptions
) -> Result:
    """Deploy, settle, start, watch, fetch, judge and store."""
    (jobs,) = combine_jobs(
        [board(line.name, TARGET)], [conversion.model], precisions=["fp32"], threads=[4]
    )
    ready = Prepared(builds={TARGET: build_of(real)}, conversions={conversion.name: conversion})
    return run_benchmark(JobContext(connection=line, job=jobs, prepared=ready, options=options))


@contextmanager
def line_to(pi: SimulatedPi) -> Iterator[BoardConnection]:
    """The way to it, as an inventory with its address, price and sudo gives it."""
    line = BoardConnection(SelectedBoard(name=pi.address, entry=pi.entry))
    try:
        yield line
    finally:
        line.close()

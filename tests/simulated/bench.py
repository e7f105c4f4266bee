"""A benchmark on a simulated Pi, as the tasks make it: only nnrun's times are made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from piyard import bench, job
from piyard.board import Line
from piyard.build import Build
from piyard.conversion.convert import Conversion
from piyard.job import Host
from piyard.result import Result
from piyard.seat import Ready, Seat, Terms
from tests.simulated.stand_in import build_of
from tests.simulated_pi import SimulatedPi

TARGET = "rpi5"


class Measure(Protocol):
    """A benchmark on terms."""

    def __call__(self, terms: Terms | None = None) -> Result: ...


def measure(line: Line, real: Build, conversion: Conversion, terms: Terms) -> Result:
    """Deploy, settle, start, watch, fetch, judge and store."""
    (one,) = job.plan(
        {line.name: Host(target=TARGET)}, [conversion.name], precisions=["fp32"], threads=[4]
    )
    ready = Ready(builds={TARGET: build_of(real)}, conversions={conversion.name: conversion})
    return bench.bench_one(Seat(line=line, job=one, ready=ready, terms=terms))


@contextmanager
def line_to(pi: SimulatedPi) -> Iterator[Line]:
    """The way to it, as an inventory with its address, price and sudo gives it."""
    line = Line(pi.address, entry=pi.entry)
    try:
        yield line
    finally:
        line.close()

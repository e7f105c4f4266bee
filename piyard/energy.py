"""The energy of an inference, from a run of its own: the sampling would disturb the times."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Literal

import msgspec

from piyard.errors import WrongInput
from piyard.logline import Ms, Number, Seconds

WALL_SLOPE, WALL_OFFSET_W = 1.1451, 0.5879
"""The wall's watts from the sum of the PMIC's rails: an estimate, fitted to 50 averages of a
Pi 5 beside a meter by jfikar (README of github.com/jfikar/RPi5-power). What USB devices and HATs
draw from 5 V passes by the PMIC."""
WALL_SOURCE = "estimate: rails x 1.1451 + 0.5879 W (jfikar/RPi5-power)"

NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\d|[.,]\d)")
"""A decimal point only: a part of a number with a comma would be wrong."""


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """Power at one moment."""

    uptime_s: Seconds
    rails_w: Mapping[str, Number]
    """Watts by rail of the PMIC, V·I; a meter has the one rail ``meter``."""

    @property
    def watts(self) -> float:
        """All rails together."""
        return sum(self.rails_w.values())


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """The energy run of one row: its raw samples, from which the rest is derived."""

    source: Literal["pmic", "meter"]
    meter: str = ""
    """The command that printed watts, for a meter."""
    idle: Sequence[Power]
    """Before the run, on an idle board."""
    busy: Sequence[Power]
    """During the run, without loading and warm-up."""
    samples_ms: Sequence[Ms]
    """Of that run's inferences."""

    @property
    def name(self) -> str:
        """The sensor's name for people; for a meter its program, since the command may be long."""
        if self.source == "pmic":
            return "PMIC"
        program = next(iter(shlex.split(self.meter)), "")
        return f"meter {PurePath(program).name}".strip()


class Inference(msgspec.Struct, frozen=True, kw_only=True):
    """The energy and power of one inference, derived from an ``Energy``."""

    joules: float
    """Idle power included."""
    above_idle_joules: float
    average_w: float
    """While inferring."""
    idle_w: float
    wall_w: float
    """While inferring: a meter's own figure, or the estimate from the rails."""
    wall_joules: float
    """Of one inference at the wall, idle power included."""
    wall_is_estimate: bool


def of_inference(energy: Energy) -> Inference | None:
    """The energy of one inference; None when one of the three series is empty.

    Joules are average watts times the mean time of an inference in that same run: inferences
    follow each other, so the mean is the run's time over their number, hiccups included, and so
    is the energy. The median would leave out what the hiccups took.
    """
    idle, busy = average_w(energy.idle), average_w(energy.busy)
    if idle is None or busy is None or not energy.samples_ms:
        return None
    seconds = math.fsum(energy.samples_ms) / len(energy.samples_ms) / 1000
    estimated = energy.source == "pmic"
    wall = wall_estimate_w(busy) if estimated else busy
    return Inference(
        joules=busy * seconds,
        above_idle_joules=(busy - idle) * seconds,
        average_w=busy,
        idle_w=idle,
        wall_w=wall,
        wall_joules=wall * seconds,
        wall_is_estimate=estimated,
    )


def average_w(moments: Sequence[Power]) -> float | None:
    """The time-weighted mean power (trapezoids); the plain mean if no time passed."""
    if not moments:
        return None
    passed = moments[-1].uptime_s - moments[0].uptime_s
    if passed <= 0:
        return math.fsum(m.watts for m in moments) / len(moments)
    work = math.fsum(
        (b.uptime_s - a.uptime_s) * (a.watts + b.watts) / 2 for a, b in pairwise(moments)
    )
    return work / passed


def wall_estimate_w(rails_w: float) -> float:
    """Watts at the wall from the sum of a Pi 5's rails; see ``WALL_SLOPE`` for its source."""
    return rails_w * WALL_SLOPE + WALL_OFFSET_W


def meter_watts(text: str) -> float:
    """The watts that a meter's command printed: the last number of its last line.

    Raises ``WrongInput`` where there is none, or one that is not plausible for a board.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    numbers = NUMBER.findall(lines[-1]) if lines else []
    watts = float(numbers[-1]) if numbers else math.nan
    if not 0 < watts < 1000:
        raise WrongInput(
            "the meter's command did not print watts",
            evidence=text[-500:],
            remedy="its last line must end with a number of watts, as in '5.31' or 'power: 5.31 W'",
        )
    return watts

"""Board state, sampled once a second during a run, and power: the energy of an inference."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Literal, Protocol, TypeVar

import msgspec

from piyard.board.ssh.session import Session
from piyard.core.errors import WrongInput
from piyard.core.parsing import Ms, Number, Seconds, Whole

TELEMETRY_FILE = "telemetry.jsonl"
INTERVAL_S = 1.0
"""Between two samples: not finer, as sampling is work too (benchmarks/telemetry_overhead.py)."""
POWER_INTERVAL_S = 0.5
"""Of the energy run, whose times do not count."""
SAMPLES_PER_ROUND = 3
"""Clock and throttle word are read in turn (runner/src/verbs/watch.cpp), each in every third."""
WATCH_GRACE_S = 30
MAX_TELEMETRY_BYTES = 64 << 20
"""Bytes that are read: three days of samples."""
TICKS_PER_SECOND = 100
"""Of /proc/stat in a second (USER_HZ)."""


class HasUptime(Protocol):
    """Anything with a time since the board's boot."""

    @property
    def uptime_s(self) -> float:
        """Seconds since the board's boot."""


T = TypeVar("T", bound=HasUptime)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The board's state at one moment; what it does not report is None."""

    uptime_s: Seconds
    """Seconds since boot: the clock of these samples and of nnrun's."""
    temperature_mc: Whole | None = None
    """Of the SoC, thousandths of a degree Celsius."""
    khz: Whole | None = None
    """The clock that the kernel's cpufreq reports."""
    arm_hz: Whole | None = None
    """The real clock, measured by the firmware (``vcgencmd measure_clock arm``)."""
    throttled: str | None = None
    """The firmware's throttle word, as ``0x50005``."""
    load: Number | None = None
    """Load average of the last minute; it counts the run's own threads."""
    available_kb: Whole | None = None
    swap_kb: Whole | None = None
    """Swap in use."""
    busy_ticks: Whole | None = None
    """Clock ticks (10 ms) that all cores together have worked since boot (/proc/stat)."""
    own_ticks: Whole | None = None
    """Those of the run itself: user and system time of nnrun (/proc/PID/stat)."""


class _TelemetryLine(Sample, frozen=True, kw_only=True):
    """A line of the file: one of the energy run holds the rails too."""

    rails_w: Mapping[str, Number] | None = None


def watch_command(nnrun: str, *, pmic: bool = False) -> list[str]:
    """The command that samples a board during a run (``remote.start_process``), or its power."""
    interval_s = POWER_INTERVAL_S if pmic else INTERVAL_S
    return [nnrun, "watch", "--interval", f"{interval_s:g}", *(["--pmic"] if pmic else [])]


def read_telemetry(path: Path) -> list[Sample]:
    """The samples in a file, in order of time; none where there is no file.

    Invalid lines are left out: the last one of a board that lost power is incomplete, and on a full
    disk any may be.
    """
    return [_to_sample(line) for line in _parse_lines(_read_text(path))]


def read_power(path: Path) -> list[PowerSample]:
    """The power samples in the file of an energy run; lines without rails are left out."""
    return parse_power(_read_text(path))


def parse_power(text: str) -> list[PowerSample]:
    """The same from a text."""
    lines = _parse_lines(text)
    return [
        PowerSample(uptime_s=line.uptime_s, rails_w=line.rails_w) for line in lines if line.rails_w
    ]


def idle_power(session: Session, nnrun: str, *, seconds: int) -> list[PowerSample]:
    """The power of an idle board for that many seconds; empty where it has no such sensor.

    ``nnrun`` is the program's path on the board. Raises ``BoardCommandFailed``
    when it cannot watch.
    """
    argv = [*watch_command(nnrun, pmic=True), "--seconds", str(seconds)]
    return parse_power(session.run(argv, limit_s=seconds + WATCH_GRACE_S).out)


def samples_between(samples: Sequence[T], begin_s: float, end_s: float) -> list[T]:
    """The samples within that part of the board's uptime."""
    return [m for m in samples if begin_s <= m.uptime_s <= end_s]


def forward_filled(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with the firmware's last values where it was not queried, for one round."""
    rounds = [
        samples[max(0, last + 1 - SAMPLES_PER_ROUND) : last + 1] for last in range(len(samples))
    ]
    return [_last_values(samples) for samples in rounds]


def _last_values(samples: Sequence[Sample]) -> Sample:
    return msgspec.structs.replace(
        samples[-1],
        arm_hz=next((m.arm_hz for m in reversed(samples) if m.arm_hz is not None), None),
        throttled=next((m.throttled for m in reversed(samples) if m.throttled is not None), None),
    )


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_TELEMETRY_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _parse_lines(text: str) -> list[_TelemetryLine]:
    return sorted(_decoded(text), key=lambda line: line.uptime_s)


def _decoded(text: str) -> Iterator[_TelemetryLine]:
    for line in text.splitlines():
        try:
            yield msgspec.json.decode(line, type=_TelemetryLine)
        except (msgspec.DecodeError, RecursionError):
            continue


def _to_sample(line: _TelemetryLine) -> Sample:
    fields = {name: getattr(line, name) for name in Sample.__struct_fields__}
    return Sample(**fields | {"throttled": line.throttled or None})


WALL_SLOPE, WALL_OFFSET_W = 1.1451, 0.5879
"""The wall's watts from the sum of the PMIC's rails: an estimate, fitted to 50 averages of a
Pi 5 beside a meter by jfikar (README of github.com/jfikar/RPi5-power). What USB devices and HATs
draw from 5 V passes by the PMIC."""
WALL_SOURCE = "estimate: rails x 1.1451 + 0.5879 W (jfikar/RPi5-power)"

METER_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\d|[.,]\d)")
"""A decimal point only: a part of a number with a comma would be wrong."""


class PowerSample(msgspec.Struct, frozen=True, kw_only=True):
    """Power at one moment."""

    uptime_s: Seconds
    rails_w: Mapping[str, Number]
    """Watts by rail of the PMIC, V·I; a meter has the one rail ``meter``."""

    @property
    def watts(self) -> float:
        """All rails together."""
        return sum(self.rails_w.values())


class EnergyRun(msgspec.Struct, frozen=True, kw_only=True):
    """The energy run of one row: its raw samples, from which the rest is derived."""

    source: Literal["pmic", "meter"]
    meter: str = ""
    """The command that printed watts, for a meter."""
    idle: Sequence[PowerSample]
    """Before the run, on an idle board."""
    busy: Sequence[PowerSample]
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


class InferenceEnergy(msgspec.Struct, frozen=True, kw_only=True):
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


def inference_energy(energy: EnergyRun) -> InferenceEnergy | None:
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
    return InferenceEnergy(
        joules=busy * seconds,
        above_idle_joules=(busy - idle) * seconds,
        average_w=busy,
        idle_w=idle,
        wall_w=wall,
        wall_joules=wall * seconds,
        wall_is_estimate=estimated,
    )


def average_w(samples: Sequence[PowerSample]) -> float | None:
    """The time-weighted mean power (trapezoids); the plain mean if no time passed."""
    if not samples:
        return None
    passed = samples[-1].uptime_s - samples[0].uptime_s
    if passed <= 0:
        return math.fsum(s.watts for s in samples) / len(samples)
    work = math.fsum(
        (b.uptime_s - a.uptime_s) * (a.watts + b.watts) / 2 for a, b in pairwise(samples)
    )
    return work / passed


def wall_estimate_w(rails_w: float) -> float:
    """Watts at the wall from the sum of a Pi 5's rails; see ``WALL_SLOPE`` for its source."""
    return rails_w * WALL_SLOPE + WALL_OFFSET_W


def parse_meter_watts(text: str) -> float:
    """The watts that a meter's command printed: the last number of its last line.

    Raises ``WrongInput`` where there is none, or one that is not plausible for a board.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    numbers = METER_NUMBER.findall(lines[-1]) if lines else []
    watts = float(numbers[-1]) if numbers else math.nan
    if not 0 < watts < 1000:
        raise WrongInput(
            "the meter's command did not print watts",
            evidence=text[-500:],
            remedy="its last line must end with a number of watts, as in '5.31' or 'power: 5.31 W'",
        )
    return watts

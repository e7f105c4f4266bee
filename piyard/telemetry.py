"""Board state during a run, sampled once a second, each sample a JSON line.

``nnrun watch`` writes them beside the run; older runs have fewer fields, written by a script on the
board. The lines of an energy run also hold the power of each rail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from piyard.energy import Power
from piyard.logline import Number, Seconds, Whole
from piyard.ssh import Session

FILE = "telemetry.jsonl"
INTERVAL_S = 1.0
"""Between two samples: not finer, as sampling is work too (benchmarks/telemetry_overhead.py)."""
POWER_INTERVAL_S = 0.5
"""Of the energy run, whose times do not count."""
TURNS = 3
"""Clock and throttle word are read in turn (runner/src/verbs/watch.cpp), each in every third."""
GRACE_S = 30
LARGEST = 64 << 20
"""Bytes that are read: three days of samples."""
TICKS = 100
"""Of /proc/stat in a second (USER_HZ)."""


class Timed(Protocol):
    """Anything with a time since the board's boot."""

    @property
    def uptime_s(self) -> float:
        """Seconds since the board's boot."""


T = TypeVar("T", bound=Timed)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
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


class _Line(Moment, frozen=True, kw_only=True):
    """A line of the file: one of the energy run holds the rails too."""

    rails_w: Mapping[str, Number] | None = None


def watch_command(nnrun: str, *, pmic: bool = False) -> list[str]:
    """The command that samples a board during a run (``detached.start``), or its power."""
    interval_s = POWER_INTERVAL_S if pmic else INTERVAL_S
    return [nnrun, "watch", "--interval", f"{interval_s:g}", *(["--pmic"] if pmic else [])]


def read(path: Path) -> list[Moment]:
    """The samples in a file, in order of time; none where there is no file.

    Invalid lines are left out: the last one of a board that lost power is incomplete, and on a full
    disk any may be.
    """
    return [_moment(line) for line in _lines(_text(path))]


def read_power(path: Path) -> list[Power]:
    """The power samples in the file of an energy run; lines without rails are left out."""
    return power(_text(path))


def power(text: str) -> list[Power]:
    """The same from a text."""
    lines = _lines(text)
    return [Power(uptime_s=line.uptime_s, rails_w=line.rails_w) for line in lines if line.rails_w]


def idle_power(session: Session, nnrun: str, *, seconds: int) -> list[Power]:
    """The power of an idle board for that many seconds; empty where it has no such sensor.

    ``nnrun`` is the program's path on the board. Raises ``BoardCommandFailed``
    when it cannot watch.
    """
    argv = [*watch_command(nnrun, pmic=True), "--seconds", str(seconds)]
    return power(session.run(argv, limit_s=seconds + GRACE_S).out)


def between(samples: Sequence[T], begin_s: float, end_s: float) -> list[T]:
    """The samples within that part of the board's uptime."""
    return [m for m in samples if begin_s <= m.uptime_s <= end_s]


def held(samples: Sequence[Moment]) -> list[Moment]:
    """The samples with the firmware's last values where it was not queried, for one round."""
    rounds = [samples[max(0, last + 1 - TURNS) : last + 1] for last in range(len(samples))]
    return [_latest(samples) for samples in rounds]


def _latest(samples: Sequence[Moment]) -> Moment:
    return msgspec.structs.replace(
        samples[-1],
        arm_hz=next((m.arm_hz for m in reversed(samples) if m.arm_hz is not None), None),
        throttled=next((m.throttled for m in reversed(samples) if m.throttled is not None), None),
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _lines(text: str) -> list[_Line]:
    return sorted(_decoded(text), key=lambda line: line.uptime_s)


def _decoded(text: str) -> Iterator[_Line]:
    for line in text.splitlines():
        try:
            yield msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, RecursionError):
            continue


def _moment(line: _Line) -> Moment:
    fields = {name: getattr(line, name) for name in Moment.__struct_fields__}
    return Moment(**fields | {"throttled": line.throttled or None})

"""What a board felt during a run: at most two moments a second, each a JSON line."""

from __future__ import annotations

import msgspec


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A board at one moment; whatever it cannot tell is None."""

    uptime_s: float
    """Seconds since boot: the clock of ``Moment`` and of nnrun's samples alike."""
    temperature_mc: int | None = None
    """Of the SoC, thousandths of a degree Celsius."""
    khz: int | None = None
    """What the kernel's cpufreq believes."""
    arm_hz: int | None = None
    """What the firmware measures: the real clock (``vcgencmd measure_clock arm``)."""
    throttled: str | None = None
    """The firmware's throttle word, as ``0x50005``."""
    load: float | None = None
    """Load average of the last minute; it counts the run's own threads."""
    available_kb: int | None = None
    swap_kb: int | None = None
    """Swap in use."""
    busy_ticks: int | None = None
    """Clock ticks (10 ms) that all cores together have worked since boot (/proc/stat)."""
    own_ticks: int | None = None
    """Those of the run itself: user and system time of nnrun (/proc/PID/stat)."""

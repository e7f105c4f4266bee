"""What inferences cost in energy, from a run of their own: the sampling would disturb the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """Power at one moment."""

    uptime_s: float
    rails_w: Mapping[str, float]
    """Watts by rail of the PMIC, V·I; a meter has the one rail ``meter``."""


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """The energy run of one row: raw moments first, what they mean is derived."""

    source: Literal["pmic", "meter"]
    meter: str = ""
    """The command that printed watts, where it was one."""
    idle: Sequence[Power]
    """Before the run, nothing else going on."""
    busy: Sequence[Power]
    """While it ran, without its loading and its warm-up."""
    samples_ms: Sequence[float]
    """Of the inferences of that run."""

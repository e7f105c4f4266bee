"""A verdict: reasons, their grades, and the state they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Grade = Literal["SUSPECT", "INVALID"]
State = Literal["VALID", "SUSPECT", "INVALID", "EMULATED"]
Code = Literal[
    "throttled",
    "under-voltage",
    "clock",
    "hot",
    "load",
    "swap",
    "governor",
    "drift",
    "bimodal",
    "interval",
    "output",
    "telemetry",
]
"""Each reason's name, for programs; its text is for people."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks against a row."""

    code: Code
    grade: Grade
    text: str
    """What was measured, with figures, and what to do about it; one line."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is worth; the reasons are kept for an emulated board too."""

    state: State
    reasons: Sequence[Reason] = ()

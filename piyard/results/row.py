"""A Row: what tables, charts and the index show of one Result, derived from it, with its verdict.

The Result with its samples stays the truth; a Row can be made again from it at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from piyard.results.summary import Summary


class OutputMatch(msgspec.Struct, frozen=True, kw_only=True):
    """How near the outputs came to the original's."""

    ok: bool
    cosine: float
    """The worst of all outputs."""
    blind: str = ""
    """Why that cosine says nothing, where it does not: then the difference was judged."""
    empty: str = ""
    """Why even agreement proves nothing, where it does not."""


class EnergyUse(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of one inference, and what it was derived from."""

    joules: float
    """Of one inference, all rails together, idle power included."""
    above_idle_joules: float
    average_w: float
    idle_w: float
    wall_w: float | None
    """At the wall: measured by a meter, or an estimate from the rails' sum (see ``EnergyRun``)."""
    wall_joules: float | None = None
    """Of one inference, at the wall."""
    wall_source: str = ""
    """Who says so: the meter's command, or that it is an estimate and whose."""
    source: str
    """For people: ``PMIC`` or the meter's command."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Money, in dollars."""

    board: float | None
    """What the board cost."""
    board_date: str = ""
    """ISO date of that price."""
    per_million: float | None = None
    """Energy of a million inferences."""


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
    """The least time that the hardware allows, by its peaks; Winograd may go below."""

    ms: float
    bound: str
    """``compute`` or ``memory``: which of the two it is."""
    source: str
    """Where the target's peaks come from."""


class ReferenceTime(msgspec.Struct, frozen=True, kw_only=True):
    """What others measured for the same network on the same kind of board."""

    ms: float
    """The least of their runs."""
    source: str
    likely: Sequence[str] = ()
    """When the row is off by more than 15 %: the causes that the board's facts suggest."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark of one model on one board."""

    run: str
    """The run's id; its Result is ``artifacts/results/<run>.json``."""
    when: str
    """UTC, ISO 8601."""
    host: str
    target: str
    hardware: str
    emulated: bool
    model: str
    title: str
    input: Sequence[int]
    """C, H, W"""
    params: int | None
    macs: int | None
    random_seed: int | None
    """Of random weights; None where the weights are real."""
    model_key: str
    """Of the conversion: the same key is the same .param and .bin."""
    build: str
    """Of nnrun and ncnn."""
    precision: str = msgspec.field(name="asked")
    """The requested precision, which need not be the one computed."""
    data_type: str
    """The precision really computed."""
    threads: int
    summary: Summary
    """Of one inference, milliseconds."""
    end_to_end: Summary | None = None
    """Of decoding, pre-processing, inference and post-processing together, milliseconds."""
    cold_ms: float | None = None
    """Loading and the first inference, from a process that had nothing in memory."""
    peak_rss_kb: int | None = None
    accuracy: str | None = None
    check: OutputMatch | None = None
    power: EnergyUse | None = None
    cost: Cost | None = None
    floor: Roofline | None = None
    published: ReferenceTime | None = None
    verdict: Verdict

    @property
    def fps(self) -> float:
        """Inferences a second, one after the other, by the median."""
        return 1000.0 / self.summary.median

    @property
    def published_ratio(self) -> float | None:
        """Our time over the published one: 1.3 is slower by 30 %."""
        return self.summary.median / self.published.ms if self.published else None

    @property
    def floor_ratio(self) -> float | None:
        """Our time over the hardware's least; below 1 only by Winograd."""
        return self.summary.median / self.floor.ms if self.floor else None

    @property
    def job(self) -> tuple[str, ...]:
        """What makes two rows the same one, measured again."""
        return (self.hardware, self.host, self.model, self.precision, str(self.threads))


Grade = Literal["SUSPECT", "INVALID"]
VerdictState = Literal["VALID", "SUSPECT", "INVALID", "EMULATED"]
ReasonCode = Literal[
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

    code: ReasonCode
    grade: Grade
    text: str
    """What was measured, with figures, and what to do about it; one line."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is worth; the reasons are kept for an emulated board too."""

    state: VerdictState
    reasons: Sequence[Reason] = ()

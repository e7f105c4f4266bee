"""A Record: everything about a run that nnrun does not write itself, as run.json keeps it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from piyard.conditions import Settled
from piyard.facts import Facts
from piyard.governor import Governor

State = Literal["running", "ended", "cancelled", "limit", "interrupted", "full"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Each output blob against torch's, and whether the model's threshold is met."""

    ok: bool
    threshold: float
    """The least cosine, by the precision that was really computed."""
    cosine: dict[str, float]
    max_abs: dict[str, float | None]
    """None where an output is not finite."""
    blind: dict[str, str] = {}
    """Outputs whose cosine is meaningless, so that their difference counts, and why."""
    empty: dict[str, str] = {}
    """Outputs that prove nothing even if they agree, and why."""

    @property
    def is_empty(self) -> bool:
        """Whether all outputs prove nothing."""
        return bool(self.empty) and self.cosine.keys() <= self.empty.keys()


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """What a board cost, as the inventory says."""

    price: float
    """Dollars."""
    date: str = ""
    """ISO 8601, of that price."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run, from its start on; fields not known yet have their default."""

    schema: int = 1
    id: str
    when: str
    """UTC, ISO 8601."""
    what: dict[str, Any]
    """The job, or the task and its input."""
    host: str
    target: str
    hardware: str
    emulated: bool
    model: dict[str, Any]
    """Title, key, params, MACs, weights of the conversion."""
    build: dict[str, Any]
    """Key, ncnn, compilers and flags of nnrun."""
    release: str
    before: Facts
    after: Facts | None = None
    state: State = "ended"
    """How it ended, or "running" when last heard of; "full" when the board's disk was."""
    limit_s: int = 0
    token: str = ""
    """Of the lease it was started with."""
    exit_code: int | None = None
    check: Check | None = None
    paid: Paid | None = None
    settled: Settled | None = None
    """The board's state after the wait before the run; None without one."""
    governor: Governor | None = None
    """The board's before the run, and the one it ran under."""

    @property
    def is_lost(self) -> bool:
        """Whether it is over without success: it failed, was cancelled, or was lost."""
        return self.state != "running" and (self.state != "ended" or self.exit_code != 0)

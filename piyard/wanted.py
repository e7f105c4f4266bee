"""From what a command was asked to the boards it names and the options of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from piyard import fanout, lease, say
from piyard.board import Line
from piyard.cli.flags import HOST, OnBoards, WorkRequest
from piyard.fleet.choose import choose
from piyard.seat import PMIC, Terms
from piyard.ssh import hostkeys


class Boards(msgspec.Struct, frozen=True, kw_only=True):
    """Which boards, and how to deal with them."""

    names: Sequence[str]
    target: str = ""
    parallel: int = fanout.PARALLEL
    wait_s: float = lease.WAIT_S

    def lines(self) -> list[Line]:
        """A line to each, not open yet."""
        return [Line(name, self.target, wait_s=self.wait_s) for name in self.names]


def named_boards(request: OnBoards) -> Boards:
    """The boards that a request names, which may be none; raises ``WrongInput``."""
    if request.strict:
        hostkeys.be_strict()
    return Boards(
        names=choose(request.hosts, every=request.all),
        target=request.target,
        parallel=request.parallel,
        wait_s=0 if request.no_wait else lease.WAIT_S,
    )


def named_or_emulated(request: OnBoards) -> Boards:
    """The same, but the emulated board where none is named, which is said."""
    if request.hosts or request.all:
        return named_boards(request)
    say.note(f"no --host given: using {HOST}, an emulated board")
    return named_boards(request.replace(hosts=(HOST,)))


def run_options(request: WorkRequest) -> Terms:
    """How a request wants boards and the links to them to be treated."""
    return Terms(
        limit_s=request.limit or 0,
        link_limit=request.link_limit or 0,
        retry=request.retry,
        governor=request.governor,
        rerun_invalid=request.rerun_invalid,
        energy=request.meter or (PMIC if request.energy else ""),
        picture=request.picture,
    )


def duration(request: WorkRequest) -> dict[str, Any]:
    """How long to measure; None keeps what is usual."""
    return {
        "loops": 0 if request.budget else request.loops,
        "budget_s": request.budget,
        "warmup": request.warmup,
    }

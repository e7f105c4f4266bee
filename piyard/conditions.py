"""Before a run: wait until the board is cool and idle, or report that it is not.

One command reports the board's state with very little work of its own; the load is the difference
of its busy ticks between two looks. The load average would not do: it lags by a minute and counts
the run before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import msgspec

from piyard import say, stop
from piyard.ssh import Session, script_argv
from piyard.target import Conditions
from piyard.telemetry import TICKS

PERIOD_S = 1
"""Between two looks."""
GRACE_S = 30


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The board's state at one moment."""

    uptime_s: float
    temperature_mc: int | None
    busy_ticks: int
    """Clock ticks that all cores together have worked since boot."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The board's state when the waiting ended."""

    waited_s: float
    temperature_mc: int | None
    load: float | None
    """Busy cores between the last two looks; None when there was only one."""
    cool: bool
    """A board that does not report its temperature counts as cool."""
    quiet: bool

    @property
    def ok(self) -> bool:
        """Whether the board is ready for a run."""
        return self.cool and self.quiet

    @property
    def text(self) -> str:
        """The state for people: ``48.9 °C, 0.02 cores busy``."""
        warm = "" if self.temperature_mc is None else f"{self.temperature_mc / 1000:.1f} °C, "
        return f"{warm}{self.load or 0:.2f} cores busy"


def settle(session: Session, limits: Conditions) -> Settled:
    """Wait until the board is cool and quiet, for ``limits.settle_s`` at most.

    The board must be leased by us, with nothing of ours running. When the time is over, the last
    state is returned: the verdict of the run does the rest.
    """
    with say.step(f"{session.name}: cool and quiet") as progress:
        state = _settle(session, limits, progress)
        progress.ok = state.ok
    if not state.ok:
        say.note(f"{session.name}: still {state.text} after {state.waited_s:.0f} s, going on")
    return state


def judge(before: Look | None, now: Look, waited_s: float, limits: Conditions) -> Settled:
    """The state that two consecutive looks show."""
    load = cores_between(before, now) if before else None
    warm = now.temperature_mc
    return Settled(
        waited_s=waited_s,
        temperature_mc=warm,
        load=load,
        cool=warm is None or warm < limits.cool_c * 1000,
        quiet=load is not None and load < limits.load,
    )


def cores_between(before: Look, now: Look) -> float | None:
    """Busy cores between two looks, on average; None if no time passed."""
    seconds = now.uptime_s - before.uptime_s
    return max(0.0, (now.busy_ticks - before.busy_ticks) / TICKS / seconds) if seconds > 0 else None


def looks(lines: Iterable[str]) -> Iterator[Look]:
    """The looks in a board's lines; invalid lines are left out."""
    for line in lines:
        words = line.split()
        try:
            uptime, warm, busy = words
            temperature = None if warm == "-" else int(warm)
            yield Look(uptime_s=float(uptime), temperature_mc=temperature, busy_ticks=int(busy))
        except ValueError:
            continue


def _settle(session: Session, limits: Conditions, progress: say.Step) -> Settled:
    argv = script_argv("look", str(limits.settle_s // PERIOD_S + 2), str(PERIOD_S))
    before, state, began = None, None, time.monotonic()
    with session.start(argv, limit_s=limits.settle_s + GRACE_S, silence_s=GRACE_S) as talk:
        for now in looks(iter(talk.line, None)):
            stop.check()
            state = judge(before, now, time.monotonic() - began, limits)
            progress.update(state.waited_s, limits.settle_s, state.text)
            if state.ok or (before and state.waited_s >= limits.settle_s):
                return state
            before = now
        outcome = talk.end()
    if state is None or outcome.code:
        raise session.failure(argv, outcome)
    return state

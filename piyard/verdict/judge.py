"""A Result → its Verdict, by its own figures and the limits of its kind of board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from piyard.target import Conditions
from piyard.verdict import board, figures, firmware
from piyard.verdict.nouns import Reason, State, Verdict

if TYPE_CHECKING:
    from piyard.result import Result


def judge(result: Result, limits: Conditions) -> Verdict:
    """What the result is worth; a clean run is VALID and has no reasons.

    An emulated board, or a container of this machine's own kind, is EMULATED whatever happened,
    and its times mean nothing, so they are not judged: only its outputs are, and the board itself
    where it simulates a Pi (it reports a throttle word).
    """
    if not result.record.emulated:
        against = tuple(reasons(result, limits))
        return Verdict(state=state_of(against), reasons=against)
    board_reasons = board.reasons(result, limits) if _plays_a_pi(result) else ()
    return Verdict(
        state="EMULATED", reasons=_gravest_first((*board_reasons, *figures.output(result)))
    )


def reasons(result: Result, limits: Conditions) -> tuple[Reason, ...]:
    """All that speaks against it as a measurement of a real board, the gravest first."""
    return _gravest_first(_all(result, limits))


def state_of(reasons: Iterable[Reason]) -> State:
    """What reasons add up to."""
    grades = {reason.grade for reason in reasons}
    if "INVALID" in grades:
        return "INVALID"
    return "SUSPECT" if grades else "VALID"


def believable(verdict: Verdict) -> bool:
    """Whether it may enter a comparison: nothing INVALID is against it.

    That also keeps out an emulated run with wrong outputs. EMULATED itself is not a fault: emulated
    runs may be compared with each other, and differ from a Pi's by their hardware.
    """
    return verdict.state != "INVALID" and state_of(verdict.reasons) != "INVALID"


def _all(result: Result, limits: Conditions) -> Iterator[Reason]:
    yield from figures.output(result)
    yield from board.reasons(result, limits)
    yield from figures.of_samples(result)
    yield from board.telemetry(result, limits)


def _gravest_first(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(reasons, key=lambda reason: reason.grade != "INVALID"))


def _plays_a_pi(result: Result) -> bool:
    words = (result.record.before.throttled, *(m.throttled for m in result.telemetry))
    return any(firmware.parse(word) is not None for word in words)

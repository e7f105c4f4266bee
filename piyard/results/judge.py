"""A Result → its Verdict, by its samples, outputs and board, and the limits of its target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from piyard.convert.difference import max_distance
from piyard.core.target import Conditions
from piyard.core.text import format_change
from piyard.results import board_checks, summary
from piyard.results.board_checks import board_reasons, parse_throttled, telemetry_reasons
from piyard.results.result import Reason, Result, Verdict, VerdictState
from piyard.results.summary import MIN_SAMPLES
from piyard.results.trend import find_drift, find_modes
from piyard.run.record import OutputCheck

INTERVAL_GOAL = 0.01
"""Half the width of the median's 95 % interval that is aimed at, as a fraction of the median."""
INTERVAL_SLACK = 0.001
"""For the last digit of an interval that nnrun computed, and we again."""
INTERVAL_INVALID = 0.05
"""An interval so wide says hardly anything."""
CHANGE_INVALID = 0.10
"""A drift or two modes so far apart, as a fraction of the median: no single time is right."""


def sample_reasons(result: Result) -> Iterator[Reason]:
    """Drift, two modes, and an interval that is too wide."""
    if not result.samples_ms:
        yield Reason(code="interval", grade="INVALID", text="there are no samples: measure again")
        return
    yield from drift_reasons(result)
    yield from mode_reasons(result)
    yield from interval_reasons(result)


def drift_reasons(result: Result) -> Iterator[Reason]:
    """Times that drifted over the run."""
    trend = find_drift(result.samples_ms)
    if trend:
        yield Reason(
            code="drift",
            grade="INVALID" if abs(trend.size) > CHANGE_INVALID else "SUSPECT",
            text=f"the times became {trend.direction} during the run, "
            f"{format_change(trend.before, trend.after)}: warm up for longer, and see to cooling",
        )


def mode_reasons(result: Result) -> Iterator[Reason]:
    """Times that jumped between two levels."""
    modes = find_modes(result.samples_ms)
    if modes:
        yield Reason(
            code="bimodal",
            grade="INVALID" if modes.apart > CHANGE_INVALID else "SUSPECT",
            text=f"the times have two levels, {modes.low:.2f} ms ({modes.low_share:.0%}) and "
            f"{modes.high:.2f} ms ({modes.high_share:.0%}): look for a periodic task, or let the "
            "system keep one core (fewer threads)",
        )


def interval_reasons(result: Result) -> Iterator[Reason]:
    """A median whose interval is too wide, whatever made sampling stop."""
    half = summary.summarize(result.samples_ms).half_width
    if half > INTERVAL_GOAL + INTERVAL_SLACK:
        yield Reason(
            code="interval",
            grade="INVALID" if half > INTERVAL_INVALID else "SUSPECT",
            text=f"the median is known to ±{half:.1%} only, ±{INTERVAL_GOAL:.0%} is aimed at "
            f"({len(result.samples_ms)} samples): give the measurement more time",
        )
    elif len(result.samples_ms) < MIN_SAMPLES:
        yield Reason(
            code="interval",
            grade="SUSPECT",
            text=f"{len(result.samples_ms)} samples are too few for a 95 % interval, which takes "
            f"{MIN_SAMPLES}: let it measure more",
        )


def output_reasons(result: Result) -> Iterator[Reason]:
    """Outputs that are not the original's, or that nobody compared with it.

    A benchmark of a language model has none: ``prove`` compares its logits.
    """
    if result.record.what.work:
        return
    check = result.record.check
    if check is None:
        yield Reason(
            code="output",
            grade="SUSPECT",
            text="the output was not compared with the original's: a fast wrong answer looks alike",
        )
    elif not check.ok:
        yield Reason(
            code="output",
            grade="INVALID",
            text=f"the output differs from the original's ({_distance(check)}): {_remedy(result)}",
        )

    elif check.is_empty:
        yield Reason(
            code="output",
            grade="SUSPECT",
            text=f"that the output is the original's proves nothing: {_list_empty(check.empty)}",
        )


def _list_empty(empty: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {why}" for name, why in empty.items())


def _remedy(result: Result) -> str:
    if result.data_type.startswith(("fp32", "bf16")):
        return "convert the model again, or use another precision"
    return "invoke prove --mask finds layers that fp16 is too little for"


def _distance(check: OutputCheck) -> str:
    if not check.cosine:
        return "nothing to compare"
    cosines = [cosine for name, cosine in check.cosine.items() if name not in check.blind]
    if not cosines:
        return f"by more than {max_distance(check.threshold):.1%} of its largest value"
    return f"cosine {min(cosines):.6f}, {check.threshold} is needed"


def judge_result(result: Result, limits: Conditions) -> Verdict:
    """What the result is worth; a clean run is VALID and has no reasons.

    An emulated board, or a container of this machine's own kind, is EMULATED whatever happened,
    and its times mean nothing, so they are not judged: only its outputs are, and the board itself
    where it simulates a Pi (it reports a throttle word).
    """
    if not result.record.emulated:
        against = tuple(all_reasons(result, limits))
        return Verdict(state=combined_state(against), reasons=against)
    board_reasons = board_checks.board_reasons(result, limits) if _plays_a_pi(result) else ()
    return Verdict(state="EMULATED", reasons=_by_gravity((*board_reasons, *output_reasons(result))))


def all_reasons(result: Result, limits: Conditions) -> tuple[Reason, ...]:
    """All that speaks against it as a measurement of a real board, the gravest first."""
    return _by_gravity(_iter_reasons(result, limits))


def combined_state(reasons: Iterable[Reason]) -> VerdictState:
    """What reasons add up to."""
    grades = {reason.grade for reason in reasons}
    if "INVALID" in grades:
        return "INVALID"
    return "SUSPECT" if grades else "VALID"


def is_believable(verdict: Verdict) -> bool:
    """Whether it may enter a comparison: nothing INVALID is against it.

    That also keeps out an emulated run with wrong outputs. EMULATED itself is not a fault: emulated
    runs may be compared with each other, and differ from a Pi's by their hardware.
    """
    return verdict.state != "INVALID" and combined_state(verdict.reasons) != "INVALID"


def _iter_reasons(result: Result, limits: Conditions) -> Iterator[Reason]:
    yield from output_reasons(result)
    yield from board_reasons(result, limits)
    yield from sample_reasons(result)
    yield from telemetry_reasons(result, limits)


def _by_gravity(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(reasons, key=lambda reason: reason.grade != "INVALID"))


def _plays_a_pi(result: Result) -> bool:
    words = (result.record.before.throttled, *(m.throttled for m in result.telemetry))
    return any(parse_throttled(word) is not None for word in words)

"""What the samples and the outputs themselves say against a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from piyard.compare import bearable
from piyard.times import change
from piyard.verdict.nouns import Reason

if TYPE_CHECKING:
    from piyard.record import Check
    from piyard.result import Result

INTERVAL = 0.01
"""Half the width of the median's 95 % interval that is aimed at, as a fraction of the median."""
SLACK = 0.001
"""For the last digit of an interval that nnrun computed, and we again."""
INTERVAL_INVALID = 0.05
"""An interval so wide says hardly anything."""
CHANGE_INVALID = 0.10
"""A drift or two modes so far apart, as a fraction of the median: no single time is right."""


def of_samples(result: Result) -> Iterator[Reason]:
    """Drift, two modes, and an interval that is too wide."""
    if not result.samples_ms:
        yield Reason(code="interval", grade="INVALID", text="there are no samples: measure again")
        return
    yield from drift(result)
    yield from bimodal(result)
    yield from interval(result)


def drift(result: Result) -> Iterator[Reason]:
    """Times that drifted over the run."""
    from piyard.stats import shape

    trend = shape.drift(result.samples_ms)
    if trend:
        yield Reason(
            code="drift",
            grade="INVALID" if abs(trend.size) > CHANGE_INVALID else "SUSPECT",
            text=f"the times became {trend.direction} during the run, "
            f"{change(trend.before, trend.after)}: warm up for longer, and see to cooling",
        )


def bimodal(result: Result) -> Iterator[Reason]:
    """Times that jumped between two levels."""
    from piyard.stats import shape

    modes = shape.bimodal(result.samples_ms)
    if modes:
        yield Reason(
            code="bimodal",
            grade="INVALID" if modes.apart > CHANGE_INVALID else "SUSPECT",
            text=f"the times have two levels, {modes.low:.2f} ms ({modes.low_share:.0%}) and "
            f"{modes.high:.2f} ms ({modes.high_share:.0%}): look for a periodic task, or let the "
            "system keep one core (fewer threads)",
        )


def interval(result: Result) -> Iterator[Reason]:
    """A median whose interval is too wide, whatever made sampling stop."""
    from piyard.stats import summary
    from piyard.stats.interval import LEAST

    half = summary.of(result.samples_ms).half_width
    if half > INTERVAL + SLACK:
        yield Reason(
            code="interval",
            grade="INVALID" if half > INTERVAL_INVALID else "SUSPECT",
            text=f"the median is known to ±{half:.1%} only, ±{INTERVAL:.0%} is aimed at "
            f"({len(result.samples_ms)} samples): give the measurement more time",
        )
    elif len(result.samples_ms) < LEAST:
        yield Reason(
            code="interval",
            grade="SUSPECT",
            text=f"{len(result.samples_ms)} samples are too few for a 95 % interval, which takes "
            f"{LEAST}: let it measure more",
        )


def output(result: Result) -> Iterator[Reason]:
    """Outputs that are not the original's, or that nobody compared with it."""
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
            text=f"the output differs from the original's ({_how_far(check)}): {_advice(result)}",
        )

    elif check.is_empty:
        yield Reason(
            code="output",
            grade="SUSPECT",
            text=f"that the output is the original's proves nothing: {_told(check.empty)}",
        )


def _told(empty: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {why}" for name, why in empty.items())


def _advice(result: Result) -> str:
    if result.data_type.startswith(("fp32", "bf16")):
        return "convert the model again, or use another precision"
    return "invoke prove --mask finds layers that fp16 is too little for"


def _how_far(check: Check) -> str:
    if not check.cosine:
        return "nothing to compare"
    cosines = [cosine for name, cosine in check.cosine.items() if name not in check.blind]
    if not cosines:
        return f"by more than {bearable(check.threshold):.1%} of its largest value"
    return f"cosine {min(cosines):.6f}, {check.threshold} is needed"

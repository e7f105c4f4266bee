"""A job's times on both sides of a comparison, or since it was last measured, and notes on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from piyard.core import console
from piyard.core.errors import SlowerThanAllowed, UnreadableLog
from piyard.core.text import format_change, is_multiple
from piyard.results.conditions import (
    ConditionDifference,
    differing_conditions,
    find_differences,
    root_conditions,
)
from piyard.results.result import Result, Row
from piyard.results.result_files import load_result
from piyard.results.selection import JobPair
from piyard.results.significance import SAMPLES_SMALLEST, Comparison, compare_samples


class ResultPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair with its results, and all that differs between them."""

    pair: JobPair
    a: Result
    b: Result
    differences: Sequence[ConditionDifference]

    @property
    def job(self) -> str:
        """Which job it is, for people."""
        return job_text(self.pair.a, self.pair.b)

    def comparison(self) -> JobComparison:
        """What became of the job's time."""
        return JobComparison(
            job=self.job,
            a=[self.pair.a],
            b=[self.pair.b],
            comparison=compare_samples(self.a.samples_ms, self.b.samples_ms),
            differences=self.differences,
        )


class JobComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose times on both sides were compared."""

    job: str
    """For people; what differs between the sides is ``a → b``."""
    a: Sequence[Row]
    b: Sequence[Row]
    comparison: Comparison
    differences: Sequence[ConditionDifference] = ()
    """What is compared, and what that implies."""
    confirmed: bool = True
    """False where a second measurement did not say again that b is too slow."""

    @property
    def emulated(self) -> bool:
        """Whether these are the times of an emulated board."""
        return any(row.emulated for row in (*self.a, *self.b))

    def too_slow(self, limit: float | None) -> bool:
        """Whether b is significantly slower, by more than the limit (a fraction), for sure."""
        is_slower = self.comparison.verdict == "slower" and self.confirmed
        return limit is not None and is_slower and self.comparison.effect > limit


def job_text(a: Row, b: Row) -> str:
    """The job of two rows: ``pi5: resnet18 fp16, 4 threads``."""
    host, model, precision = (
        _join_sides(getattr(a, name), getattr(b, name)) for name in ("host", "subject", "precision")
    )
    return f"{host}: {model} {precision}, {_join_sides(str(a.threads), str(b.threads))} threads"


def effect_text(comparison: Comparison) -> str:
    """The effect for people: ``+5.3 %``, or ``from 63 to 357 ms``."""
    a, b = comparison.median_a, comparison.median_b
    return format_change(a, b) if is_multiple(a, b) else f"{100 * comparison.effect:+.1f} %"


def interval_text(comparison: Comparison) -> str:
    """Its 95 % confidence interval: ``+4.9 to +5.7 %``."""
    return f"{100 * comparison.low:+.1f} to {100 * comparison.high:+.1f} %"


def require_not_slower(jobs: Sequence[JobComparison], limit: float | None, remedy: str) -> None:
    """Raise ``SlowerThanAllowed`` when a job is significantly slower by more than the limit."""
    slow = [job for job in jobs if job.too_slow(limit)]
    if limit is None or not slow:
        return
    raise SlowerThanAllowed(
        f"{len(slow)} of {len(jobs)} jobs {'is' if len(slow) == 1 else 'are'} slower by more than "
        f"{100 * limit:g} %",
        evidence="\n".join(
            f"{job.job}: {effect_text(job.comparison)} ({interval_text(job.comparison)})"
            for job in slow
        ),
        remedy=remedy,
    )


def _join_sides(a: str, b: str) -> str:
    return a if a == b else f"{a} → {b}"


MAX_NOTES = 10
"""Notes of one kind that are printed; the others are counted."""
EMULATED_NOTE = "an emulated board's times say nothing about a Pi"


def note_lines(notes: Iterable[str]) -> None:
    """Each line once."""
    unique = list(dict.fromkeys(notes))
    for line in unique[:MAX_NOTES]:
        console.info(line)
    if len(unique) > MAX_NOTES:
        console.info(f"… and {len(unique) - MAX_NOTES} more such lines")


def note_differences(differing: Sequence[ConditionDifference]) -> None:
    """What is compared in one line, what necessarily differs with it in another."""
    roots = root_conditions(differing_conditions(differing))
    for is_root, title in ((True, "compared"), (False, "differs with that")):
        texts = [
            difference.text
            for difference in differing
            if (difference.condition in roots) == is_root
        ]
        if texts:
            console.info(f"{title}: {'; '.join(dict.fromkeys(texts))}")


def note_rows(compared: Sequence[Row]) -> None:
    """What a reader of these results must know."""
    note_lines(_describe_suspicion(row) for row in compared if row.verdict.state == "SUSPECT")
    if any(row.emulated for row in compared):
        console.info(EMULATED_NOTE)


def _describe_suspicion(row: Row) -> str:
    return f"{row.run} is SUSPECT: {'; '.join(reason.text for reason in row.verdict.reasons)}"


FIRST_MEASURED = "first"


class JobChange(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a job's time since it was last measured."""

    percent: float | None = None
    """Of the former median, above 0 when slower; None where the two cannot be compared."""
    text: str
    """For people."""


def change_since(
    former: Row | None, row: Row, load: Callable[[str], Result] = load_result
) -> JobChange:
    """The change from a former row of the same job; ``load`` reads the samples of a run.

    Samples are read only where the medians differ by enough to be significant at all.
    """
    if former is None:
        return JobChange(text=FIRST_MEASURED)
    if unlike := ", ".join(_not_comparable(former, row)):
        return JobChange(text=f"not comparable: {unlike}")
    ratio = row.summary.median / former.summary.median
    percent = 100 * (ratio - 1)
    if abs(math.log(ratio)) < math.log1p(SAMPLES_SMALLEST):
        return JobChange(percent=percent, text=_insignificant_text(percent))
    try:
        a, b = load(former.run), load(row.run)
    except UnreadableLog:
        return JobChange(text="not comparable: the samples cannot be read")
    return JobChange(percent=percent, text=_change_text(a, b, percent))


def _not_comparable(former: Row, row: Row) -> Iterator[str]:
    if row.emulated:
        yield "times of an emulator"
    if row.verdict.state == "INVALID":
        yield "INVALID"
    if former.data_type != row.data_type:
        yield f"was {former.data_type}"
    if former.model_key != row.model_key or list(former.input) != list(row.input):
        yield "another conversion"


def _change_text(a: Result, b: Result, percent: float) -> str:
    compared = compare_samples(a.samples_ms, b.samples_ms)
    if compared.verdict == "not significant":
        return _insignificant_text(percent)
    arrow = "↑" if percent > 0 else "↓"
    differ = root_conditions(differing_conditions(find_differences(a, b)))
    also = f" (other {', '.join(sorted(differ))})" if differ else ""
    if is_multiple(compared.median_a, compared.median_b):
        change = format_change(compared.median_a, compared.median_b)
        return f"{arrow} {compared.verdict}: {change}{also}"
    return f"{arrow} {abs(percent):.1f} % {compared.verdict}{also}"


def _insignificant_text(percent: float) -> str:
    return f"→ {percent:+.1f} %"

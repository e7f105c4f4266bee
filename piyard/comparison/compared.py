"""One line of a comparison: a job, both sides' runs, and the change of its time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.comparison.alike import Difference
from piyard.errors import SlowerThanAllowed
from piyard.row import Row
from piyard.stats.compare import Comparison
from piyard.times import change, is_multiple


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose times on both sides were compared."""

    job: str
    """For people; what differs between the sides is ``a → b``."""
    a: Sequence[Row]
    b: Sequence[Row]
    comparison: Comparison
    differences: Sequence[Difference] = ()
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
        _both(getattr(a, name), getattr(b, name)) for name in ("host", "model", "precision")
    )
    return f"{host}: {model} {precision}, {_both(str(a.threads), str(b.threads))} threads"


def effect_text(comparison: Comparison) -> str:
    """The effect for people: ``+5.3 %``, or ``from 63 to 357 ms``."""
    a, b = comparison.median_a, comparison.median_b
    return change(a, b) if is_multiple(a, b) else f"{100 * comparison.effect:+.1f} %"


def interval_text(comparison: Comparison) -> str:
    """Its 95 % confidence interval: ``+4.9 to +5.7 %``."""
    return f"{100 * comparison.low:+.1f} to {100 * comparison.high:+.1f} %"


def require_fast(jobs: Sequence[Compared], limit: float | None, remedy: str) -> None:
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


def _both(a: str, b: str) -> str:
    return a if a == b else f"{a} → {b}"

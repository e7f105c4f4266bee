"""How a change of a time is written for people."""

from __future__ import annotations


def is_multiple(before: float, after: float) -> bool:
    """Whether the one is twice the other, or more: percent of which would be the question."""
    return after >= 2 * before or before >= 2 * after


def change(before: float, after: float) -> str:
    """``from 357 to 63 ms``."""
    return f"from {_digits(before)} to {_digits(after)} ms"


def _digits(value: float) -> str:
    """Three of them, more of a large number."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.3g}"

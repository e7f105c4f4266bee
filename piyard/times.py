"""A change of a time, for people."""

from __future__ import annotations


def is_multiple(before: float, after: float) -> bool:
    """Whether one is at least twice the other: then a percentage would be ambiguous."""
    return after >= 2 * before or before >= 2 * after


def change(before: float, after: float) -> str:
    """``from 357 to 63 ms``."""
    return f"from {_digits(before)} to {_digits(after)} ms"


def _digits(value: float) -> str:
    """Three digits, more for a large number."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.3g}"

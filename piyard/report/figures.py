"""How a number is written for people."""

from __future__ import annotations

import math

from piyard.stats.interval import LEAST
from piyard.stats.summary import Summary
from piyard.tables.layout import NOT_KNOWN


def digits(value: float) -> str:
    """Two decimals, more where that would leave fewer than three digits."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if value == 0 or abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}"


def percent(part: float) -> str:
    """A fraction in percent: one decimal, more where that would say nothing but 0."""
    return f"{100 * part:.1f}" if part >= 0.001 or part == 0 else f"{100 * part:.1g}"


def scaled(value: float | None, unit: float, name: str) -> str:
    """A large number in its unit."""
    return NOT_KNOWN if value is None else f"{value / unit:.2f} {name}"


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def money(dollars: float) -> str:
    """Dollars, without a tail of zeros."""
    return f"{dollars:.2f}".removesuffix(".00")


def width(summary: Summary) -> float | None:
    """The interval's half width as a fraction; None where there is no 95 % interval."""
    ends = (summary.low, summary.high, summary.median)
    if summary.count < LEAST or not all(map(math.isfinite, ends)) or not summary.median:
        return None
    return summary.half_width

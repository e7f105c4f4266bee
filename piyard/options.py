"""Numbers on the command line; Invoke itself would answer a wrong one with a traceback."""

from __future__ import annotations

import math
from collections.abc import Sequence

from piyard.errors import WrongInput

UNITS = {"k": 1000, "m": 1000_000}


def whole(name: str, text: str, *, least: int = 1) -> int | None:
    """A whole number of at least ``least``; None when the flag was not given."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise WrongInput(
            f"--{name} takes a whole number from {least}, not '{text}'",
            remedy=f"for example --{name} {max(least, 4)}",
        )
    return int(text)


def wholes(name: str, texts: Sequence[str]) -> list[int]:
    """The numbers of a flag that may be repeated."""
    numbers = [whole(name, text or " ") for text in texts]
    return [number for number in numbers if number is not None]


def seconds(name: str, text: str) -> float | None:
    """A positive number of seconds; None when the flag was not given."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise WrongInput(f"--{name} takes seconds, not '{text}'", remedy=f"for example --{name} 10")
    return number


def rate(name: str, text: str) -> int | None:
    """Bytes a second, as ``500k`` or ``2M``; None when the flag was not given."""
    if not text:
        return None
    unit = UNITS.get(text[-1].lower(), 0)
    number = text[:-1] if unit else text
    if not (number.isascii() and number.isdigit() and int(number)):
        raise WrongInput(
            f"--{name} takes bytes a second, not '{text}'", remedy=f"for example --{name} 500k"
        )
    return int(number) * (unit or 1)


def percent(name: str, text: str) -> float | None:
    """A percentage from 0, as ``5%`` or ``5``, as a fraction; None when the flag was not given."""
    if not text:
        return None
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise WrongInput(
            f"--{name} takes a percentage, not '{text}'", remedy=f"for example --{name} 5%"
        )
    return number / 100

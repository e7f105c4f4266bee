"""Types of flags whose values are numbers, boxes, files or free text."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import Literal, TypeAlias

from piyard.cli.value_types import ValueType, text
from piyard.core.errors import WrongInput

AUTO = "auto"
Warmup: TypeAlias = "int | Literal['auto']"
Box: TypeAlias = "tuple[float, float, float, float]"
"""x, y, width, height."""


def whole(least: int = 1) -> ValueType[int]:
    """A whole number."""
    return ValueType("N", lambda name, text: _whole(name, text, least))


def _whole(name: str, text: str, least: int) -> int:
    from piyard.core.parsing import parse_int  # with msgspec

    return parse_int(name, text, least=least) or 0


def _seconds(name: str, text: str) -> float:
    from piyard.core.parsing import parse_seconds

    return parse_seconds(name, text) or 0


def _rate(name: str, text: str) -> int:
    from piyard.core.parsing import parse_rate

    return parse_rate(name, text) or 0


def _percent(name: str, text: str) -> float:
    from piyard.core.parsing import parse_percent

    return parse_percent(name, text) or 0


def _warmup(name: str, text: str) -> Warmup:
    return "auto" if text == AUTO else _whole(name, text, 0)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _score(name: str, text: str) -> float:
    score = _number(text)
    if not 0 <= score <= 1:
        raise WrongInput(f"--{name} takes 0 to 1, not '{text}'", remedy=f"for example --{name} 0.4")
    return score


def _amount(name: str, text: str) -> float:
    amount = _number(text)
    if not 0 <= amount <= 100:
        raise WrongInput(
            f"--{name} takes 0 to 100, not '{text}'", remedy=f"for example --{name} 0.8"
        )
    return amount


def _fps(name: str, text: str) -> float:
    fps = _number(text)
    if not 0 < fps <= 1000:
        raise WrongInput(f"--{name} takes frames a second, not '{text}'", remedy="for example 25")
    return fps


def _box(name: str, text: str) -> Box:
    numbers = [_number(part) for part in text.split(",")]
    if not (len(numbers) == 4 and all(map(math.isfinite, numbers)) and min(numbers[2:]) > 0):
        raise WrongInput(
            f"--{name} takes x,y,width,height in pixels, not '{text}'",
            remedy=f"for example --{name} 120,80,60,140",
        )
    x, y, width, height = numbers
    return x, y, width, height


def _picture(name: str, text: str) -> Path:
    if not Path(text).is_file():
        raise WrongInput(f"there is no picture {text}", remedy=f"check --{name}")
    return Path(text)


def _gguf(name: str, text: str) -> Path:
    if not Path(text).is_file():
        raise WrongInput(f"there is no file {text}", remedy=f"check --{name}")
    return Path(text)


def _governor(_name: str, text: str) -> str:
    if not re.fullmatch(r"[a-z_]+", text):
        raise WrongInput(
            f"'{text}' is not a CPU governor", remedy="for example performance, or keep"
        )
    return text


def _meter(name: str, text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WrongInput(f"--{name} cannot be read as a command: {error}") from None
    if not words:
        raise WrongInput(f"--{name} names no command", remedy="give one that prints watts")
    return text


SCORE = ValueType[float]("SCORE", _score)
FPS = ValueType[float]("N", _fps)
AMOUNT = ValueType[float]("N", _amount)
BOX = ValueType[Box]("X,Y,WIDTH,HEIGHT", _box)
SECONDS = ValueType[float]("SECONDS", _seconds)
RATE = ValueType[int]("BYTES", _rate)
PERCENT = ValueType[float]("PERCENT", _percent)
WARMUP = ValueType[Warmup](f"N|{AUTO}", _warmup)
PICTURE = ValueType[Path]("FILE", _picture)
GGUF = ValueType[Path]("FILE", _gguf)
GOVERNOR = ValueType[str]("NAME", _governor)
METER = ValueType[str]("COMMAND", _meter)
DOLLARS = text("DOLLARS")

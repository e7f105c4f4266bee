"""One side of a comparison as typed: a run, or a set such as ``build=2cc76d,model=resnet*``.

A set is ``KEY=VALUE``, joined by commas; all of them must hold. ``host`` and ``model`` take a name
or a glob, ``build`` and ``model_key`` the start of a key, ``precision`` what was asked for,
``threads`` a number, ``since`` a day or a moment and ``on`` a day (both UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from fnmatch import fnmatchcase

import msgspec

from piyard.errors import WrongInput, unknown
from piyard.row import Row

EXAMPLE = "a run's id or its start (invoke history), or a set such as build=2cc76d,model=resnet18"


def _named(name: str, pattern: str) -> bool:
    """An address like [::1]:22 is a name, though it looks like a glob."""
    return name == pattern or fnmatchcase(name, pattern)


HOLDS: Mapping[str, Callable[[Row, str], bool]] = {
    "host": lambda row, value: _named(row.host, value),
    "model": lambda row, value: _named(row.model, value),
    "build": lambda row, value: row.build.startswith(value),
    "model_key": lambda row, value: row.model_key.startswith(value),
    "precision": lambda row, value: row.precision == value,
    "threads": lambda row, value: str(row.threads) == value,
    "since": lambda row, value: row.when >= value,
    "on": lambda row, value: row.when.startswith(value),
}
TIMES = frozenset({"since", "on"})
"""Keys that name no condition of a measurement, only when it was made."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A run's id (or its start), or what all results of a set have."""

    text: str
    run: str = ""
    conditions: Mapping[str, str] = {}

    def holds(self, row: Row) -> bool:
        """Whether that result is in the set."""
        return all(HOLDS[key](row, value) for key, value in self.conditions.items())


def parse(text: str) -> Side:
    """A side as typed; raises ``WrongInput`` for anything else."""
    stripped = text.strip()
    if not stripped:
        raise WrongInput("a side of the comparison is empty", remedy=f"name {EXAMPLE}")
    if "=" not in stripped:
        return Side(text=stripped, run=stripped)
    conditions: dict[str, str] = {}
    for part in stripped.split(","):
        key, value = _pair(part, stripped)
        if key in conditions:
            raise WrongInput(f"'{stripped}' says {key} twice", remedy="give each key once")
        conditions[key] = value
    return Side(text=stripped, conditions=conditions)


def _pair(part: str, whole: str) -> tuple[str, str]:
    key, equals, value = (word.strip() for word in part.partition("="))
    if not (key and equals and value):
        raise WrongInput(
            f"'{part.strip()}' in '{whole}' is not KEY=VALUE",
            remedy=f"keys are {', '.join(HOLDS)}; join them by commas",
        )
    normalized = key.replace("-", "_").lower()
    if normalized not in HOLDS:
        raise unknown("key", key, HOLDS)
    return normalized, _checked(normalized, value)


def _checked(key: str, value: str) -> str:
    try:
        if key == "on":
            return date.fromisoformat(value).isoformat()
        if key == "since":
            return _moment(value)
    except ValueError:
        raise WrongInput(
            f"{key}= takes a day, not '{value}'", remedy=f"for example {key}=2026-11-20"
        ) from None
    return value


def _moment(text: str) -> str:
    """As a row's time is written, so that both can be compared as text."""
    at = datetime.fromisoformat(text)
    utc = at.astimezone(timezone.utc) if at.tzinfo else at
    return utc.replace(tzinfo=None).isoformat()

"""One side of a comparison as it is typed: a run, or a set such as ``build=2cc76d,model=resnet*``.

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


def _named(told: str, wanted: str) -> bool:
    """An address like [::1]:22 is a name, though it looks like a glob."""
    return told == wanted or fnmatchcase(told, wanted)


HOLDS: Mapping[str, Callable[[Row, str], bool]] = {
    "host": lambda row, wanted: _named(row.host, wanted),
    "model": lambda row, wanted: _named(row.model, wanted),
    "build": lambda row, wanted: row.build.startswith(wanted),
    "model_key": lambda row, wanted: row.model_key.startswith(wanted),
    "precision": lambda row, wanted: row.asked == wanted,
    "threads": lambda row, wanted: str(row.threads) == wanted,
    "since": lambda row, wanted: row.when >= wanted,
    "on": lambda row, wanted: row.when.startswith(wanted),
}
TIMES = frozenset({"since", "on"})
"""Keys that name no condition of a measurement, only when it was made."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A run's id (or its start), or what all results of a set have."""

    text: str
    run: str = ""
    wanted: Mapping[str, str] = {}

    def holds(self, row: Row) -> bool:
        """Whether that result is in the set."""
        return all(HOLDS[key](row, value) for key, value in self.wanted.items())


def parse(text: str) -> Side:
    """What a user typed; raises ``WrongInput`` for what means nothing."""
    plain = text.strip()
    if not plain:
        raise WrongInput("a side of the comparison is empty", remedy=f"name {EXAMPLE}")
    if "=" not in plain:
        return Side(text=plain, run=plain)
    wanted: dict[str, str] = {}
    for part in plain.split(","):
        key, value = _pair(part, plain)
        if key in wanted:
            raise WrongInput(f"'{plain}' says {key} twice", remedy="give each key once")
        wanted[key] = value
    return Side(text=plain, wanted=wanted)


def _pair(part: str, whole: str) -> tuple[str, str]:
    key, equals, value = (word.strip() for word in part.partition("="))
    if not (key and equals and value):
        raise WrongInput(
            f"'{part.strip()}' in '{whole}' is no KEY=VALUE",
            remedy=f"keys are {', '.join(HOLDS)}; join them by commas",
        )
    known = key.replace("-", "_").lower()
    if known not in HOLDS:
        raise unknown("key", key, HOLDS)
    return known, _checked(known, value)


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

"""Which results to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from piyard.errors import WrongInput


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions for a result to be shown; an empty one always holds."""

    hosts: Sequence[str] = ()
    """Names or globs of boards: one of them."""
    models: Sequence[str] = ()
    """The same of models."""
    since: str = ""
    """UTC, ISO 8601, or the start of it."""
    newest: bool = False
    """Only the last one of each job."""
    last: int = 0
    """Only so many of the newest; 0 for all."""


def since(text: str) -> str:
    """The day or the moment of ``--since``, checked; an empty one stays empty."""
    try:
        if text:
            datetime.fromisoformat(text)
    except ValueError:
        raise WrongInput(
            f"--since takes a day, not '{text}'", remedy="for example --since 2026-11-01"
        ) from None
    return text.replace(" ", "T")

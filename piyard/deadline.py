"""Poll until a condition holds, or until the deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(probe: Callable[[], T | None], limit_s: float, pause_s: float = 0.1) -> T | None:
    """The first result of ``probe`` that is not None, or None after ``limit_s`` seconds."""
    end = time.monotonic() + limit_s
    while True:
        if (answer := probe()) is not None:
            return answer
        if time.monotonic() + pause_s > end:
            return None
        time.sleep(pause_s)

"""Waiting: poll until it is so, or until the deadline, and say what was waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(ask: Callable[[], T | None], limit_s: float, pause_s: float = 0.1) -> T | None:
    """What ``ask`` gives once it is not None, or None when ``limit_s`` seconds are over."""
    end = time.monotonic() + limit_s
    while True:
        if (answer := ask()) is not None:
            return answer
        if time.monotonic() + pause_s > end:
            return None
        time.sleep(pause_s)

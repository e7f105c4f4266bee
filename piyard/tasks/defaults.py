"""What is taken when nothing is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOST, MODEL, TARGET = "emulated:rpi5", "resnet18", "rpi5"


def hosts(asked: Mapping[str, Any]) -> list[str]:
    """The hosts that were named, or the emulated board, which is said."""
    given = list(asked["host"])
    if given or asked.get("all") or asked.get("retry_failed"):
        return given
    from piyard import say

    say.note(f"no --host given: using {HOST}, an emulated board")
    return [HOST]

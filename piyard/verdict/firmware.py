"""The firmware's throttle word: four bits of now, and the same four since boot, 16 bits higher.

Source: ``vcgencmd get_throttled`` in raspberrypi/documentation, computers/os/graphics-utilities.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

UNDER_VOLTAGE = 0x1
SLOWED = {
    0x2: "capped the Arm's clock",
    0x4: "throttled it",
    0x8: "reached the soft temperature limit",
}
SINCE_BOOT = 16
NOW = 0xF


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Throttle bits of a run, all in the places of now."""

    during: int
    """On at some moment of the run, or new among those since boot."""
    earlier: int
    """Since boot, but before the run: such a bit cannot tell any more whether it happened again."""
    word: int
    """Everything that was said during and after the run."""


def seen(before: str | None, moments: Sequence[str | None], after: str | None) -> Seen | None:
    """The words before, during and after a run; None where none of them is known."""
    words = [
        word for word in (parse(text) for text in (before, *moments, after)) if word is not None
    ]
    if not words:
        return None
    earlier = words[0] >> SINCE_BOOT & NOW
    during_words = [word for word in map(parse, moments) if word is not None]
    new = _any_of(words) >> SINCE_BOOT & NOW & ~earlier
    during = _any_of(during_words) & NOW | new
    return Seen(during=during, earlier=earlier & ~during, word=_any_of(words[1:]))


def parse(text: str | None) -> int | None:
    """``0x50005`` as a number; None for anything else."""
    match = re.fullmatch(r"0x([0-9a-fA-F]{1,8})", text or "")
    return int(match[1], 16) if match else None


def _any_of(words: Sequence[int]) -> int:
    every = 0
    for word in words:
        every |= word
    return every

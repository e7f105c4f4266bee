"""COCO's compressed runs, as far as a table needs them.

They come from a board: pycocotools' C does not check that such a string is whole.
"""

from __future__ import annotations

from piyard.look.lines import Runs


def area(runs: Runs) -> int:
    """Pixels of a mask: the sum of every second run.

    A run is written in groups of five bits from the lowest on, each plus 48, the sixth bit telling
    that more follow, and from the fourth run on as the difference to the run two before (COCO's
    maskApi).
    """
    return sum(lengths(runs.counts)[1::2])


def lengths(counts: str) -> list[int]:
    """The runs, beginning with one of what is not in the mask."""
    runs: list[int] = []
    at = 0
    while at < len(counts):
        value, at = _number(counts, at)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _number(counts: str, at: int) -> tuple[int, int]:
    value, shift, more = 0, 0, True
    group = 0
    while more and at < len(counts):
        group = ord(counts[at]) - 48
        value |= (group & 0x1F) << shift
        more, at, shift = bool(group & 0x20), at + 1, shift + 5
    return (value - (1 << shift) if group & 0x10 else value), at

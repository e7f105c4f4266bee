"""The order in which two builds are measured: A-B-B-A, so that nothing favours one of them.

What changes evenly on a board, such as its temperature, is in A's disfavour in the first pair and
in B's in the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from piyard.job import Job

Which = Literal["A", "B"]
ORDER: tuple[Which, ...] = ("A", "B", "B", "A")
PAIRS = ((0, 1), (3, 2))
"""Which of four turns belong together, A's first."""
R = TypeVar("R")


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a job with one of the builds."""

    number: int
    """From 1, within the job."""
    of: int
    """How many there are, as far as is known."""
    side: Which
    job: Job

    def text(self, build: str) -> str:
        """For people, with that side's build."""
        job = self.job
        what = f"{job.model} {job.precision}, {job.threads} threads"
        return f"{what}: run {self.number} of {self.of}, {self.side} (build {build})"


def plan(job: Job, rounds: int, *, after: int = 0) -> list[Turn]:
    """So many rounds of A-B-B-A of a job, numbered on from the previous ones."""
    sides = ORDER * rounds
    return [
        Turn(number=after + at, of=after + len(sides), side=side, job=job)
        for at, side in enumerate(sides, 1)
    ]


def pairs(of_turns: Sequence[R]) -> list[tuple[R, R]]:
    """The outcomes of complete A-B-B-A rounds, in their order, as adjacent pairs of A and B."""
    rounds = [of_turns[at : at + len(ORDER)] for at in range(0, len(of_turns), len(ORDER))]
    return [(four[a], four[b]) for four in rounds for a, b in PAIRS]

"""What a search chooses from, by which rules, and what it learns of each candidate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

import msgspec

from piyard.models.architectures.small_cnn import SmallCnn


class Candidate(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A network that may be the one."""

    width: int
    depth: int
    kernel: int
    side: int
    """Rows and columns of its input."""

    def member(self, channels: int) -> SmallCnn:
        """The network of the family, for pictures of so many channels."""
        return SmallCnn(width=self.width, depth=self.depth, kernel=self.kernel, channels=channels)

    @property
    def name(self) -> str:
        """For people and folders."""
        return f"w{self.width}-d{self.depth}-k{self.kernel}-{self.side}px"


class SearchSpace(msgspec.Struct, frozen=True, kw_only=True):
    """What is chosen from."""

    widths: tuple[int, ...] = (8, 12, 16, 24, 32)
    depths: tuple[int, ...] = (1, 2, 3)
    kernels: tuple[int, ...] = (3, 5)
    sides: tuple[int, ...] = (28,)

    @property
    def size(self) -> int:
        """How many candidates there are."""
        return len(list(self.candidates()))

    def candidates(self) -> Iterable[Candidate]:
        """All of them."""
        for width, depth, kernel, side in product(
            self.widths, self.depths, self.kernels, self.sides
        ):
            yield Candidate(width=width, depth=depth, kernel=kernel, side=side)


class Merit(msgspec.Struct, frozen=True, kw_only=True):
    """How right a candidate is about pictures that were held out: to choose by, not to publish."""

    accuracy: float
    """Percent."""
    loss: float
    """Finer than how many are right, where few pictures are held out."""


WORST = Merit(accuracy=0.0, loss=math.inf)
"""Of what is not trained."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that was trained."""

    candidate: Candidate
    merit: Merit
    cost: float
    """As the judge has it."""


class SearchRules(msgspec.Struct, frozen=True, kw_only=True):
    """How long is searched, and for what."""

    trials: int
    """Candidates that are tried out; fewer where there are no more."""
    finalists: int
    """Of these, the ones that are trained in full; ``first`` is one of them."""
    keep: float
    """The cheapest is taken whose accuracy is at least this share of the best one's."""
    limit: float = math.inf
    """The cost that is not exceeded."""
    first: Candidate
    """Tried before any other: what would be taken without a search."""
    seed: int

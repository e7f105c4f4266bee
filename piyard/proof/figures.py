"""The worst agreement of an output over several inputs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.compare import Difference
from piyard.tables import Value, number


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The worst agreement of an output over the inputs of a kind."""

    count: int
    cosine: float
    max_abs: float | None
    """Largest difference of an element; None when one is not finite."""
    same_top: int
    """Inputs on which the largest element is at the same place."""
    blind: str = ""
    """Why the cosine says nothing of any of them."""
    relative: float = 0.0
    """Of those whose cosine says nothing: the largest difference, as a part of the largest element
    over all the inputs."""

    @property
    def agreement(self) -> float:
        """The cosine, or where it says nothing the one of vectors of length 1 so far apart."""
        return 1 - self.relative**2 / 2 if self.blind and self.max_abs is not None else self.cosine

    @property
    def cells(self) -> list[str]:
        """Count, cosine and largest difference for a table."""
        apart = "not finite" if self.max_abs is None else f"{self.max_abs:.2g}"
        cosine = Value("n/a", None) if self.blind else Value(f"{self.cosine:.8f}", self.cosine)
        return [number(self.count), cosine, Value(apart, self.max_abs)]


def worst(differences: Sequence[Difference]) -> Figures:
    """Of all of them."""
    finite = all(difference.finite for difference in differences)
    blind = [difference for difference in differences if difference.blind]
    comparable = [difference for difference in differences if not difference.blind]
    largest = max(difference.largest for difference in differences)
    return Figures(
        count=len(differences),
        cosine=min(difference.cosine for difference in comparable or differences),
        max_abs=max(difference.max_abs for difference in differences) if finite else None,
        same_top=sum(difference.same_top for difference in differences),
        blind="" if comparable else blind[0].blind,
        relative=_part(max((difference.max_abs for difference in blind), default=0.0), largest),
    )


def _part(apart: float, largest: float) -> float:
    """Where the original gives nothing but 0, all that is not 0 is as far off as can be."""
    return apart / largest if largest else float(bool(apart))

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

    @property
    def cells(self) -> list[str]:
        """Count, cosine and largest difference for a table."""
        apart = "not finite" if self.max_abs is None else f"{self.max_abs:.2g}"
        return [
            number(self.count),
            Value(f"{self.cosine:.8f}", self.cosine),
            Value(apart, self.max_abs),
        ]


def worst(differences: Sequence[Difference]) -> Figures:
    """Of all of them."""
    finite = all(one.finite for one in differences)
    return Figures(
        count=len(differences),
        cosine=min(one.cosine for one in differences),
        max_abs=max(one.max_abs for one in differences) if finite else None,
        same_top=sum(one.same_top for one in differences),
    )

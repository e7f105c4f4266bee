"""How far two outputs of a network are apart; the one place where that is decided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.tables import Cell, number_cell

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


SINGLE_NUMBER, CONSTANT_OUTPUT = "a single number", "the same number everywhere"
"""Outputs whose cosine is 1 or -1 whatever is computed."""
EQUAL_WITHIN = 1e-6
"""Elements that differ by no more of the largest one are equal."""


class OutputDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine of the angle between two outputs (1 = same direction) and their largest distance."""

    cosine: float
    max_abs: float
    finite: bool
    """False when either output holds a NaN or an infinity; cosine is then 0, max_abs infinite."""
    same_top: bool
    """Whether the largest element is at the same place."""
    largest: float = 0.0
    """Of the reference's elements, without its sign."""
    blind: str = ""
    """Why the cosine says nothing of these outputs; empty where it does."""

    @property
    def relative(self) -> float:
        """``max_abs`` as a part of the reference's largest element; infinite where that is 0."""
        if not self.max_abs:
            return 0.0
        return self.max_abs / self.largest if self.largest else float("inf")


def compare_outputs(reference: ArrayLike, got: ArrayLike) -> OutputDifference:
    """Compare two outputs element by element, in float64; their shapes need only the same size."""
    import numpy as np

    a = np.asarray(reference, dtype=np.float64).ravel()
    b = np.asarray(got, dtype=np.float64).ravel()
    if a.size != b.size or not a.size:
        raise WrongInput(f"outputs of {a.size} and {b.size} values cannot be compared")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return OutputDifference(cosine=0.0, max_abs=float("inf"), finite=False, same_top=False)
    flat = (
        SINGLE_NUMBER
        if a.size == 1
        else CONSTANT_OUTPUT
        if np.ptp(a) <= EQUAL_WITHIN * np.abs(a).max()
        else ""
    )
    return OutputDifference(
        cosine=_cosine_of(a, b),
        max_abs=float(np.abs(a - b).max()),
        finite=True,
        same_top=bool(a.argmax() == b.argmax()),
        largest=float(np.abs(a).max()),
        blind=flat,
    )


def max_distance(cosine: float) -> float:
    """The distance of two vectors of length 1 whose cosine is that: a bar where no cosine helps."""
    return math.sqrt(2 - 2 * cosine)


def _cosine_of(a: ArrayLike, b: ArrayLike) -> float:
    """An output of zeros has no direction: it agrees with another of zeros only."""
    import numpy as np

    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    if not lengths:
        return float(np.array_equal(a, b))
    return float(np.clip(np.dot(a, b) / lengths, -1, 1))


class OutputFigures(msgspec.Struct, frozen=True, kw_only=True):
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
        cosine = Cell("n/a", None) if self.blind else Cell(f"{self.cosine:.8f}", self.cosine)
        return [number_cell(self.count), cosine, Cell(apart, self.max_abs)]


def worst_difference(differences: Sequence[OutputDifference]) -> OutputFigures:
    """Of all of them."""
    finite = all(difference.finite for difference in differences)
    blind = [difference for difference in differences if difference.blind]
    comparable = [difference for difference in differences if not difference.blind]
    largest = max(difference.largest for difference in differences)
    return OutputFigures(
        count=len(differences),
        cosine=min(difference.cosine for difference in comparable or differences),
        max_abs=max(difference.max_abs for difference in differences) if finite else None,
        same_top=sum(difference.same_top for difference in differences),
        blind="" if comparable else blind[0].blind,
        relative=_relative_distance(
            max((difference.max_abs for difference in blind), default=0.0), largest
        ),
    )


def _relative_distance(apart: float, largest: float) -> float:
    """Where the original gives nothing but 0, all that is not 0 is as far off as can be."""
    return apart / largest if largest else float(bool(apart))

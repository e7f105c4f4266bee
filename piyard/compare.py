"""How far two outputs of a network are apart; the one place where that is decided."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from piyard.errors import WrongInput

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


SINGLE, LEVEL = "a single number", "the same number everywhere"
"""Outputs whose cosine is 1 or -1 whatever is computed."""
ALIKE = 1e-6
"""Elements that differ by no more of the largest one are equal."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
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


def compare_outputs(reference: ArrayLike, got: ArrayLike) -> Difference:
    """Compare two outputs element by element, in float64; their shapes need only the same size."""
    import numpy as np

    a = np.asarray(reference, dtype=np.float64).ravel()
    b = np.asarray(got, dtype=np.float64).ravel()
    if a.size != b.size or not a.size:
        raise WrongInput(f"outputs of {a.size} and {b.size} values cannot be compared")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Difference(cosine=0.0, max_abs=float("inf"), finite=False, same_top=False)
    flat = SINGLE if a.size == 1 else LEVEL if np.ptp(a) <= ALIKE * np.abs(a).max() else ""
    return Difference(
        cosine=_cosine(a, b),
        max_abs=float(np.abs(a - b).max()),
        finite=True,
        same_top=bool(a.argmax() == b.argmax()),
        largest=float(np.abs(a).max()),
        blind=flat,
    )


def bearable(cosine: float) -> float:
    """The distance of two vectors of length 1 whose cosine is that: a bar where no cosine helps."""
    return math.sqrt(2 - 2 * cosine)


def _cosine(a: ArrayLike, b: ArrayLike) -> float:
    """An output of zeros has no direction: it agrees with another of zeros only."""
    import numpy as np

    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    if not lengths:
        return float(np.array_equal(a, b))
    return float(np.clip(np.dot(a, b) / lengths, -1, 1))

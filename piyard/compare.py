"""How far two outputs of a network are apart; the one place where that is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from piyard.errors import WrongInput

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine of the angle between two outputs (1 = same direction) and their largest distance."""

    cosine: float
    max_abs: float
    finite: bool
    """False when either output holds a NaN or an infinity; cosine is then 0, max_abs infinite."""
    same_top: bool
    """Whether the largest element is at the same place."""


def compare_outputs(reference: ArrayLike, got: ArrayLike) -> Difference:
    """Compare two outputs element by element, in float64; their shapes need only the same size."""
    import numpy as np

    a = np.asarray(reference, dtype=np.float64).ravel()
    b = np.asarray(got, dtype=np.float64).ravel()
    if a.size != b.size or not a.size:
        raise WrongInput(f"outputs of {a.size} and {b.size} values cannot be compared")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Difference(cosine=0.0, max_abs=float("inf"), finite=False, same_top=False)
    return Difference(
        cosine=_cosine(a, b),
        max_abs=float(np.abs(a - b).max()),
        finite=True,
        same_top=bool(a.argmax() == b.argmax()),
    )


def _cosine(a: ArrayLike, b: ArrayLike) -> float:
    """An output of zeros has no direction: it agrees with another of zeros only."""
    import numpy as np

    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    if not lengths:
        return float(np.array_equal(a, b))
    return float(np.clip(np.dot(a, b) / lengths, -1, 1))

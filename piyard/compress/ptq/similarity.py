"""How far apart two outputs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def distance(first: Floats, other: Floats) -> float:
    """1 less the cosine of the angle between them; 0 of two that are all zeros."""
    import numpy as np

    a, b = first.ravel().astype(float), other.ravel().astype(float)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not lengths:
        return float(bool(a.any() or b.any()))
    return max(0.0, 1 - float(a @ b) / lengths)

"""A series of samples as an array."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.errors import WrongInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Series = NDArray[np.float64]


def series(samples: ArrayLike) -> Series:
    """The samples in their order, float64; raises ``WrongInput`` without finite ones."""
    import numpy as np

    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise WrongInput("no samples, so no statistics of them")
    if not np.isfinite(values).all():
        raise WrongInput("a sample is not a finite number")
    return values

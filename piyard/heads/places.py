"""A dense head's outputs as one table: level after level, a line a place of the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from piyard.heads.misfit import misfit

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Floats, Indices


class Places(NamedTuple):
    """Some of a head's places, or all of them."""

    values: Doubles
    """(places, channels), as the network gave them."""
    corners: Doubles
    """(places, 2): (column, row) x stride, in pixels of the input."""
    strides: Doubles
    """(places, 1)."""

    def at(self, chosen: Indices) -> Places:
        """Those rows of the table."""
        return Places(self.values[chosen], self.corners[chosen], self.strides[chosen])


def places(outputs: Sequence[Floats], strides: Sequence[int], size: tuple[int, int]) -> Places:
    """All places of maps for an input of ``size`` = (rows, columns).

    Raises ``WrongInput`` where the outputs cannot be such maps.
    """
    import numpy as np

    levels = _levels(outputs, strides)
    for maps, stride in zip(levels, strides, strict=True):
        _check(maps, stride, size)
    values = [np.concatenate(maps).astype(np.float64) for maps in levels]
    if len({level.shape[0] for level in values}) > 1:
        raise misfit("levels have different numbers of channels", outputs)
    tables = [level.reshape(level.shape[0], -1).T for level in values]
    steps = np.repeat(np.asarray(strides, np.float64), [len(table) for table in tables])[:, None]
    grid = np.concatenate([_grid(level.shape[1], level.shape[2]) for level in values])
    return Places(np.concatenate(tables), grid * steps, steps)


def _levels(outputs: Sequence[Floats], strides: Sequence[int]) -> list[Sequence[Floats]]:
    """The blobs of each level."""
    each, left = divmod(len(outputs), len(strides))
    if left or not each:
        raise misfit(f"{len(strides)} strides need that many groups of outputs", outputs)
    return [outputs[first : first + each] for first in range(0, len(outputs), each)]


def _check(maps: Sequence[Floats], stride: int, size: tuple[int, int]) -> None:
    shape = tuple(-(-side // stride) for side in size)
    if any(blob.ndim != 3 or blob.shape[1:] != shape for blob in maps):
        raise misfit(f"stride {stride} of an input {size} makes maps of {shape}", maps)


def _grid(rows: int, columns: int) -> Doubles:
    """(rows x columns, 2) of column, row."""
    import numpy as np

    row, column = np.mgrid[0:rows, 0:columns].reshape(2, -1).astype(np.float64)
    return np.stack([column, row], axis=1)

"""Weights rounded to integers with a scale for each block of a row.

Round to nearest, with the scale that makes the least squared error: the largest magnitude of a
block need not be representable when clipping it serves the others (as in Banner et al. 2019,
"Post training 4-bit quantization", by search instead of a formula). The integers and scales are
``panels.Blocks``; what they stand for is computed here as the kernels compute it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.convert.language.formats import Format
from piyard.convert.language.panels import Blocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


SHRINKS = {
    4: tuple(1 - step / 30 for step in range(11)),
    6: tuple(1 - step / 50 for step in range(5)),
    8: (1.0,),
}
"""Bits → the parts of a block's range that are tried; of 8 bits clipping saves nothing."""
ROWS_AT_ONCE = 4096
"""Rows of a matrix that are in work at once: it bounds the memory."""


def quantise_matrix(matrix: Floats, format_: Format) -> Blocks:
    """Each block of (rows, inputs) with the scale that loses least."""
    import numpy as np

    parts = [
        _quantise_rows(matrix[first : first + ROWS_AT_ONCE], format_)
        for first in range(0, len(matrix), ROWS_AT_ONCE)
    ]
    minima = [part.minima for part in parts if part.minima is not None]
    return Blocks(
        np.concatenate([part.integers for part in parts]),
        np.concatenate([part.scales for part in parts]),
        np.concatenate(minima) if minima else None,
    )


def dequantise_matrix(blocks: Blocks, format_: Format) -> Floats:
    """The matrix (rows, inputs) that the integers stand for."""
    import numpy as np

    inputs = blocks.integers.shape[1]
    values = blocks.integers.astype(np.float32)
    if blocks.minima is not None:
        values += 1 << (format_.bits - 1)
    values *= _spread(blocks.scales, format_.block, inputs)
    if blocks.minima is not None:
        values += _spread(blocks.minima, format_.block, inputs)
    return values


def relative_error(matrix: Floats, rounded: Floats) -> float:
    """The root of the squared error over the squares: 0 none, 1 nothing left."""
    import numpy as np

    lost, whole = (
        float(np.square(part, dtype=np.float64).sum()) for part in (matrix - rounded, matrix)
    )
    return (lost / whole) ** 0.5 if whole else 0.0


def _spread(values: NDArray[np.float16], block: int, inputs: int) -> Floats:
    import numpy as np

    return np.repeat(values.astype(np.float32), block, axis=1)[:, :inputs]


def find_scales(
    rows: Floats, format_: Format
) -> tuple[NDArray[np.float16], NDArray[np.float16] | None]:
    """Scales and minima (rows, blocks) that lose least."""
    search = _search_ranges if format_.affine else _search_scales
    return search(_in_blocks(rows, format_), format_.bits)


def _in_blocks(rows: Floats, format_: Format) -> Floats:
    """(rows, blocks, block), the last one filled up with its last value."""
    import numpy as np

    padded = np.pad(rows, [(0, 0), (0, -rows.shape[1] % format_.block)], mode="edge")
    blocks: Floats = padded.reshape(len(rows), -1, format_.block)
    return blocks


def _quantise_rows(rows: Floats, format_: Format) -> Blocks:
    import numpy as np

    scales, minima = find_scales(rows, format_)
    integers = round_blocks(_in_blocks(rows, format_), scales, minima, format_.bits)
    flat = integers.reshape(len(rows), -1)[:, : rows.shape[1]]
    return Blocks(np.ascontiguousarray(flat), scales, minima)


def round_blocks(
    blocks: Floats, scales: NDArray[np.float16], minima: NDArray[np.float16] | None, bits: int
) -> NDArray[np.int8]:
    """The nearest integers of (rows, blocks, block); signed, as ``panels.Blocks`` has them."""
    import numpy as np

    half = 1 << (bits - 1)
    divisors = scales.astype(np.float32)[..., None]
    shifted = blocks if minima is None else blocks - minima.astype(np.float32)[..., None]
    steps = np.divide(shifted, divisors, out=np.zeros_like(shifted), where=divisors != 0)
    np.rint(steps, out=steps)
    if minima is not None:
        steps -= half
    return np.clip(steps, -half, half - 1, out=steps).astype(np.int8)


def _search_scales(blocks: Floats, bits: int) -> tuple[NDArray[np.float16], None]:
    """The largest magnitude takes the lowest integer, whose room is one larger, then less of it."""
    import numpy as np

    half = 1 << (bits - 1)
    at = np.abs(blocks).argmax(2)[..., None]
    peaks = np.take_along_axis(blocks, at, 2)[..., 0]
    widest = np.stack([-peaks / half, np.abs(peaks) / (half - 1)])
    candidates = [scales * np.float32(shrink) for scales in widest for shrink in SHRINKS[bits]]
    return _least_error(blocks, candidates, bits), None


def _least_error(blocks: Floats, candidates: list[Floats], bits: int) -> NDArray[np.float16]:
    import numpy as np

    best = candidates[0].astype(np.float16)
    least = np.full(best.shape, np.inf, np.float32)
    for candidate in candidates:
        scales = candidate.astype(np.float16)
        error = _block_errors(blocks, scales, None, bits)
        better = error < least
        best, least = np.where(better, scales, best), np.where(better, error, least)
    return best


def _search_ranges(blocks: Floats, bits: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """From the least to the largest value, then a range that is narrower at both ends."""
    import numpy as np

    top = (1 << bits) - 1
    low, high = blocks.min(2), blocks.max(2)
    best = [np.zeros(low.shape, np.float16)] * 2
    least = np.full(low.shape, np.inf, np.float32)
    for shrink in SHRINKS[bits]:
        cut = (high - low) * (1 - shrink) / 2
        minima = (low + cut).astype(np.float16)
        scales = ((high - cut - minima.astype(np.float32)) / top).astype(np.float16)
        error = _block_errors(blocks, scales, minima, bits)
        better = error < least
        best = [np.where(better, new, old) for new, old in zip((scales, minima), best, strict=True)]
        least = np.where(better, error, least)
    return best[0], best[1]


def _block_errors(
    blocks: Floats, scales: NDArray[np.float16], minima: NDArray[np.float16] | None, bits: int
) -> Floats:
    """The squared error of each block."""
    import numpy as np

    steps = round_blocks(blocks, scales, minima, bits).astype(np.float32)
    if minima is not None:
        steps += 1 << (bits - 1)
    steps *= scales.astype(np.float32)[..., None]
    if minima is not None:
        steps += minima.astype(np.float32)[..., None]
    steps -= blocks
    errors: Floats = np.einsum("rbi,rbi->rb", steps, steps)
    return errors

"""Inputs that need no file: nnrun's random tensor, and pictures drawn by arithmetic.

Each is the same on every machine, so an output can be compared with one computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SEED = 1
"""nnrun's own default."""
SPAN = (-1.0, 1.0)
"""Likewise: what values lie between."""

_STEP, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def tensor(
    shape: Sequence[int], seed: int = SEED, span: tuple[float, float] = SPAN
) -> NDArray[np.float32]:
    """What ``nnrun bench --seed --span`` feeds, in the order channels, rows, columns.

    Value i is ``float(z_i >> 40) * 2**-24 * (high - low) + low``, in float32, of the splitmix64
    stream z (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
    """
    import numpy as np

    z = splitmix64(prod(shape), seed) >> np.uint64(40)
    unit = z.astype(np.float32) * np.float32(2.0**-24)
    low, high = map(np.float32, span)
    values: NDArray[np.float32] = unit * (high - low) + low
    return values.reshape(shape)


def splitmix64(count: int, seed: int) -> NDArray[np.uint64]:
    """The first ``count`` numbers of the stream; the state begins at ``seed``."""
    import numpy as np

    steps = np.arange(1, count + 1, dtype=np.uint64)
    z = np.uint64(seed) + steps * np.uint64(_STEP)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def pictures(width: int = 320, height: int = 272) -> dict[str, Image]:
    """Pictures by name, each with other frequencies, contrasts and colours."""
    from PIL import Image

    drawn = _drawn(width, height)
    return {name: Image.fromarray(pixels, "RGB") for name, pixels in drawn.items()}


def _drawn(width: int, height: int) -> dict[str, Any]:
    import numpy as np

    y, x = np.mgrid[0:height, 0:width]
    noise = (tensor((height, width, 3), seed=7) + 1) * 127.5
    far = np.hypot(x - width / 2, y - height / 2)
    planes = {
        "black": (0 * x, 0 * x, 0 * x),
        "white": (0 * x + 255, 0 * x + 255, 0 * x + 255),
        "ramp": (255 * x / width, 255 * y / height, 255 - 255 * x / width),
        "stripes": (x % 16 * 17, y % 32 * 8, (x + y) % 64 * 4),
        "checks": ((x // 8 + y // 8) % 2 * 255, (x // 24 + y // 24) % 2 * 255, 0 * x + 90),
        "disc": (255.0 * (far < 90), 255.0 * (far < 60), 255.0 * (far > 120)),
        "rings": tuple(128 - 127 * ((far // width_) % 2 * 2 - 1) for width_ in (5, 9, 17)),
        "noise": tuple(noise[..., channel] for channel in range(3)),
    }
    return {
        name: np.stack([np.clip(plane, 0, 255).astype(np.uint8) for plane in rgb], axis=-1)
        for name, rgb in planes.items()
    }

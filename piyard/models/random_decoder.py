"""Weights of a decoder that need no file, the same on every machine: right times, no meaning.

Matrices keep the deviation of what they multiply, those that add to the sum of the blocks are made
smaller by the number of blocks (as Radford et al. 2019 initialise GPT-2), so that nothing explodes.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from piyard.core.errors import ConversionFailed
from piyard.models.synthetic import WEIGHTS_SEED, random_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from piyard.language.config import TransformerConfig


ROWS_AT_ONCE = 4096
UNIFORM_DEVIATION = 3**-0.5
"""Of values between -1 and 1."""
NORM_SPREAD = 0.25
ADDING = ("o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight")
"""Ends of the matrices whose outputs are added to what went in."""


class RandomSource:
    """Tensors by Hugging Face's names, made when they are read."""

    def __init__(self, config: TransformerConfig, seed: int = WEIGHTS_SEED) -> None:
        self.config, self.seed = config, seed
        self.path = Path("random weights")

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of each tensor there is."""
        from piyard.models.transformer_files import all_shapes

        return all_shapes(self.config)

    def read(self, name: str) -> NDArray[np.float32]:
        """A tensor's values; ``ConversionFailed`` for one that no such decoder has."""
        import numpy as np

        if name not in self.shapes:
            raise ConversionFailed(f"a decoder has no tensor '{name}'")
        shape, begin = self.shapes[name], self.seed + (crc32(name.encode()) << 20)
        if len(shape) == 1:
            values: NDArray[np.float32] = random_tensor(shape, begin) * np.float32(NORM_SPREAD)
            return values if name.endswith("bias") else values + np.float32(1)
        inputs = prod(shape[1:])
        parts = [
            random_tensor((min(ROWS_AT_ONCE, shape[0] - first), inputs), begin + first)
            for first in range(0, shape[0], ROWS_AT_ONCE)
        ]
        matrix: NDArray[np.float32] = np.concatenate(parts)
        matrix *= np.float32(self._deviation(name, inputs) / UNIFORM_DEVIATION)
        return matrix.reshape(shape)

    def _deviation(self, name: str, inputs: int) -> float:
        adds = name.endswith(ADDING)
        return float(inputs**-0.5 * ((2 * self.config.layers) ** -0.5 if adds else 1))

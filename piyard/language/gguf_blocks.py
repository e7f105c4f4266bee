"""The values of GGUF's types: blocks of quantised numbers with their scales, as float32.

A row is a sequence of blocks. The layouts are those of ggml (github.com/ggml-org/ggml,
src/ggml-common.h), each described at its function; ``d`` and ``m`` are fp16 numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]


class BlockType(msgspec.Struct, frozen=True):
    """A type: how many values a block has, and in how many bytes."""

    name: str
    values: int
    bytes: int

    def bytes_of(self, count: int) -> int:
        """Of so many values."""
        return count // self.values * self.bytes


BLOCK_TYPES = {
    0: BlockType("F32", 1, 4),
    1: BlockType("F16", 1, 2),
    2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20),
    6: BlockType("Q5_0", 32, 22),
    7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34),
    12: BlockType("Q4_K", 256, 144),
    13: BlockType("Q5_K", 256, 176),
    14: BlockType("Q6_K", 256, 210),
    30: BlockType("BF16", 1, 2),
}
"""By ggml's number."""


def decode_blocks(stored: Bytes, type_: BlockType) -> Floats:
    """The values of whole blocks, flat."""
    import numpy as np

    decode = DECODERS[type_.name]
    values: Floats = np.ascontiguousarray(decode(stored.reshape(-1, type_.bytes)), np.float32)
    return values.reshape(-1)


def _decode_f32(blocks: Bytes) -> Floats:
    values: Floats = blocks.view("<f4").copy()
    return values


def _decode_f16(blocks: Bytes) -> Floats:
    return _halves(blocks)


def _decode_bf16(blocks: Bytes) -> Floats:
    """The upper half of a float32."""
    import numpy as np

    values: Floats = (blocks.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values


def _decode_q4_0(blocks: Bytes) -> Floats:
    """d, then 32 numbers of 4 bits less 8: the low halves of 16 bytes, then the high ones."""
    return _halves(blocks[:, :2]) * (_nibbles(blocks[:, 2:]) - 8)


def _decode_q4_1(blocks: Bytes) -> Floats:
    """d, m, then 32 numbers of 4 bits: ``d q + m``."""
    return _halves(blocks[:, :2]) * _nibbles(blocks[:, 4:]) + _halves(blocks[:, 2:4])


def _decode_q5_0(blocks: Bytes) -> Floats:
    """d, 32 fifth bits, then as Q4_0; less 16."""
    return _halves(blocks[:, :2]) * (_five_bits(blocks[:, 6:], blocks[:, 2:6]) - 16)


def _decode_q5_1(blocks: Bytes) -> Floats:
    """d, m, 32 fifth bits, then as Q4_1."""
    numbers = _five_bits(blocks[:, 8:], blocks[:, 4:8])
    return _halves(blocks[:, :2]) * numbers + _halves(blocks[:, 2:4])


def _decode_q8_0(blocks: Bytes) -> Floats:
    """d, then 32 signed bytes."""
    import numpy as np

    return _halves(blocks[:, :2]) * blocks[:, 2:].view(np.int8).astype(np.float32)


def _decode_q4_k(blocks: Bytes) -> Floats:
    """d, m, eight 6-bit scales and minima, then four times 64 numbers as Q4_0 packs 32."""
    import numpy as np

    numbers = blocks[:, 16:].reshape(-1, 4, 1, 32) >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)
    return _scale_super_block(blocks, (numbers & np.uint8(15)).reshape(-1, 8, 32))


def _decode_q5_k(blocks: Bytes) -> Floats:
    """As Q4_K, with fifth bits between: bit i of 32 bytes belongs to the i-th 32 numbers."""
    import numpy as np

    low = blocks[:, 48:].reshape(-1, 4, 1, 32) >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)
    high = blocks[:, 16:48].reshape(-1, 1, 32) >> np.arange(8, dtype=np.uint8).reshape(1, 8, 1)
    numbers = (low & 15).reshape(-1, 8, 32) | ((high & 1) << np.uint8(4))
    return _scale_super_block(blocks, numbers)


def _decode_q6_k(blocks: Bytes) -> Floats:
    """128 bytes of low halves, 64 of upper pairs of bits, 16 signed scales, d; less 32.

    Each half of a block has 128 numbers: 64 bytes of low and 32 of upper bits.
    """
    import numpy as np

    shifts = np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)
    low = (blocks[:, :128].reshape(-1, 2, 1, 64) >> shifts) & 15
    pairs = np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1)
    high = (blocks[:, 128:192].reshape(-1, 2, 1, 32) >> pairs) & 3
    numbers = low.reshape(-1, 16, 16) | (high.reshape(-1, 16, 16) << np.uint8(4))
    scales = blocks[:, 192:208].view(np.int8).astype(np.float32) * _halves(blocks[:, 208:210])
    values: Floats = scales[:, :, None] * (numbers.astype(np.float32) - 32)
    return values


def _halves(stored: Bytes) -> Floats:
    import numpy as np

    values: Floats = np.ascontiguousarray(stored).view("<f2").astype(np.float32)
    return values


def _nibbles(stored: Bytes) -> Floats:
    import numpy as np

    return np.concatenate([stored & 15, stored >> 4], axis=1).astype(np.float32)


def _five_bits(stored: Bytes, fifth: Bytes) -> Floats:
    import numpy as np

    upper = np.unpackbits(fifth, axis=1, bitorder="little").astype(np.float32)
    return _nibbles(stored) + upper * 16


def _scale_super_block(blocks: Bytes, numbers: Bytes) -> Floats:
    """``d scale q - m minimum``; scales and minima of eight sub-blocks are packed in 12 bytes.

    The first four of each have 6 bits of a byte; the last four have 4 bits in bytes 8 to 11 and
    their upper two in the upper bits of the first ones.
    """
    import numpy as np

    packed = blocks[:, 4:16]
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    last_scales = (third & 15) | ((first >> 6) << np.uint8(4))
    last_minima = (third >> 4) | ((second >> 6) << np.uint8(4))
    scales = np.concatenate([first & 63, last_scales], axis=1).astype(np.float32)
    minima = np.concatenate([second & 63, last_minima], axis=1).astype(np.float32)
    scales, minima = scales * _halves(blocks[:, :2]), minima * _halves(blocks[:, 2:4])
    values: Floats = scales[:, :, None] * numbers.astype(np.float32) - minima[:, :, None]
    return values


DECODERS: dict[str, Callable[[Bytes], Floats]] = {
    "F32": _decode_f32,
    "F16": _decode_f16,
    "BF16": _decode_bf16,
    "Q4_0": _decode_q4_0,
    "Q4_1": _decode_q4_1,
    "Q5_0": _decode_q5_0,
    "Q5_1": _decode_q5_1,
    "Q8_0": _decode_q8_0,
    "Q4_K": _decode_q4_k,
    "Q5_K": _decode_q5_k,
    "Q6_K": _decode_q6_k,
}

"""How the weights of a language model are stored in each precision, and what rounding costs."""

from __future__ import annotations

from typing import Literal

import msgspec

from piyard.core.errors import unknown_name

Bits = Literal[4, 6, 8, 16, 32]
Kind = Literal["qkv", "out", "gate_up", "down"]
"""Of a block's matrices, as its layers are called."""


class Format(msgspec.Struct, frozen=True):
    """Of a matrix: bits of a weight, weights that share a scale, whether they share a minimum."""

    bits: Bits
    block: int = 0
    affine: bool = False

    @property
    def is_integer(self) -> bool:
        """Whether it has scales."""
        return self.bits < 16

    @property
    def label(self) -> str:
        """As tables show it."""
        if not self.is_integer:
            return f"fp{self.bits}"
        return f"int{self.bits} by {self.block}" + (" with minima" if self.affine else "")


class Formats(msgspec.Struct, frozen=True):
    """Of the blocks' matrices, and of the table that is embedding and output."""

    blocks: Format
    head: Format
    is_head_open: bool = False
    """Whether a budget chooses the table's width, ``head`` being what it has without."""
    wide: dict[Kind, Format] = {}
    """Of the kinds of a block's matrices that have other bits than ``blocks``."""

    def of(self, kind: Kind) -> Format:
        """Of a block's matrix."""
        return self.wide.get(kind, self.blocks)

    @property
    def label(self) -> str:
        """As tables show it."""
        further = [f"{kind} {format_.bits} bits" for kind, format_ in self.wide.items()]
        if self.blocks != self.head:
            further.append(f"table {self.head.label}")
        return ", ".join([self.blocks.label, *further])


FORMATS: dict[str, Formats] = {
    "fp32": Formats(Format(32), Format(32)),
    "fp16": Formats(Format(16), Format(16)),
    "int8": Formats(Format(8, 64), Format(8, 64)),
    "int4": Formats(Format(4, 64), Format(6, 64), is_head_open=True),
}
"""By precision."""
USUAL_PRECISION = "int4"


def find_formats(precision: str) -> Formats:
    """Of that precision. Raises ``WrongInput``."""
    if precision not in FORMATS:
        raise unknown_name("precision of a language model", precision, FORMATS)
    return FORMATS[precision]

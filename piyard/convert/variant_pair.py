"""A quantised variant: an ncnn pair whose original is the network that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.lint import LayerNames
from piyard.convert.ncnn_net import NcnnReference
from piyard.convert.param import Layer
from piyard.convert.reference import ReferenceModel, ReferenceSize

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


class VariantPair(msgspec.Struct, frozen=True, kw_only=True):
    """What it computes is judged by what its parent computes in fp32."""

    pair: NcnnReference
    parent: ReferenceModel
    is_program: bool = True

    @property
    def kind(self) -> str:
        """What computes the parent."""
        return self.parent.kind

    def run(self, *inputs: Floats) -> list[Floats]:
        """The parent's outputs."""
        return self.parent.run(*inputs)

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """The parent's."""
        yield from self.parent.tensors(*inputs)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """Copy the pair: see ``NcnnReference``."""
        return self.pair.lower(at, half=half)

    def names(self) -> LayerNames:
        """Those of the parent's layers."""
        return self.parent.names()

    def output_names(self, count: int) -> list[str]:
        """The parent's."""
        return self.parent.output_names(count)

    def size(self) -> ReferenceSize | None:
        """Of the parent, which multiplies as often."""
        return self.parent.size()

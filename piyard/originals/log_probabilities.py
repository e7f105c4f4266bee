"""A classifier that gives log-probabilities, as one that gives the probabilities themselves.

pnnx takes a log-softmax for the logarithm of a softmax. Where a float, or a half, holds 0 for a
probability, ncnn's logarithm is not a number: so the board never takes it, and the original's
outputs are compared without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import infer
from piyard.conversion import lowering, outputs, param
from piyard.conversion.ending import ending, makers
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed
from piyard.originals.original import Original, Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class LogProbabilities(msgspec.Struct, frozen=True, kw_only=True):
    """An original whose output with the classes is exponentiated."""

    inner: Original
    output: str
    """As ``Model.output``."""
    classes: int

    @property
    def kind(self) -> str:
        """The inner one's."""
        return self.inner.kind

    @property
    def is_program(self) -> bool:
        """The inner one's."""
        return self.inner.is_program

    def run(self, *inputs: Array) -> list[Array]:
        """The outputs, those of the classes as probabilities."""
        import numpy as np

        outputs = self.inner.run(*inputs)
        place = self._place([int(output.size) for output in outputs])
        return [
            np.exp(output) if number == place else output for number, output in enumerate(outputs)
        ]

    def tensors(self, *inputs: Array) -> Iterator[tuple[str, Array]]:
        """See ``Original``."""
        yield from self.inner.tensors(*inputs)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``Original``; the last logarithm is left out of the .param."""
        layers = self.inner.lower(at, half=half)
        names = infer.outputs_of(layers)
        place = self._place([0] * len(names)) if self.output else 0
        return _without_log(at / f"{lowering.STEM}.ncnn.param", layers, names[place])

    def names(self) -> Names:
        """See ``Original``."""
        return self.inner.names()

    def output_names(self, count: int) -> list[str]:
        """See ``Original``."""
        return self.inner.output_names(count)

    def size(self) -> Size | None:
        """See ``Original``."""
        return self.inner.size()

    def _place(self, sizes: Sequence[int]) -> int:
        return outputs.place(self.output, self.output_names(len(sizes)), sizes, self.classes)


def _without_log(file: Path, layers: Sequence[Layer], output: str) -> list[Layer]:
    """The layers without the one that makes that output, which is what it reads instead."""
    makers_by_blob = makers(layers)
    last = next(layer for layer in layers if output in layer.tops)
    if (
        ending(makers_by_blob, output) != "log-probabilities"
        or makers_by_blob[output].kind != "log"
    ):
        raise ConversionFailed(
            "the network does not end in the logarithm of probabilities",
            remedy="correct `activation` in the model's YAML, or --activation",
        )
    (source,) = last.bottoms
    lines = file.read_text(encoding="utf-8").splitlines()
    magic, counts, *rest = [line for line in lines if line.strip()]
    renamed = [_renamed(line, source, output) for line in rest if line.split()[1] != last.name]
    numbers = " ".join(str(int(count) - 1) for count in counts.split())
    file.write_text("\n".join([magic, numbers, *renamed, ""]), encoding="utf-8")
    return param.read(file)


def _renamed(line: str, old: str, new: str) -> str:
    """A layer's line with that blob under another name; settings stay."""
    words = line.split()
    end = 4 + int(words[2]) + int(words[3])
    return " ".join(new if 4 <= at < end and word == old else word for at, word in enumerate(words))

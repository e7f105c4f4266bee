"""Running original and ncnn on the same inputs, and how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import infer, masks
from piyard.compare import Difference, compare_outputs
from piyard.errors import ConversionFailed
from piyard.heads.agree import Agreement
from piyard.model import Model
from piyard.originals import Original
from piyard.param import Layer
from piyard.proof.feeds import Feeds
from piyard.proof.figures import Figures, worst
from piyard.proof.found import agreement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Outputs = list[Array]

COMPUTED = {
    "fp32": "fp32 throughout",
    "fp16": "weights and every layer's output rounded to fp16, sums in fp32",
}

Told = dict[str, dict[str, Figures]]
"""Kind of input → output → figures."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A converted net with its weights in full, and in halves."""

    full: Any
    half: Any
    layers: list[Layer]
    """With the masks that the boards get."""

    def exact(self, *values: Array) -> dict[str, Array]:
        """The outputs in fp32."""
        return infer.run(self.full, *values)

    def rounded(self, *values: Array, spared: AbstractSet[str] = frozenset()) -> dict[str, Array]:
        """The outputs as fp16 storage leaves them; ``spared`` are layers beside the masked ones."""
        every = self.every_rounded(*values, spared=spared)
        return {name: every[name] for name in infer.outputs(self.half)}

    def every_rounded(
        self, *values: Array, spared: AbstractSet[str] = frozenset()
    ) -> dict[str, Array]:
        """The same for every blob."""
        kept = masks.without_storage(self.layers) | spared
        return infer.every_rounded(self.full, self.half, self.layers, *values, spared=kept)


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """How alike the converted model is, by precision."""

    figures: dict[str, Told]
    found: dict[str, Agreement] = {}
    """What the outputs for real pictures mean; nothing where there are none, or no head."""


def pair(full: Path, half: Path, stem: str = infer.STEM) -> Pair:
    """The net of that stem in both folders."""
    return Pair(
        full=infer.load(full, stem), half=infer.load(half, stem), layers=infer.layers(full, stem)
    )


def prove(
    model: Model,
    originals: Mapping[str, Original],
    pairs: Mapping[str, Pair],
    fed: Mapping[str, Feeds],
    pictures: Sequence[Path] = (),
) -> Proved:
    """Figures of each net by its stem, for what ``feeds`` gives with the same pictures.

    What is found in the pictures is compared only where they are given. Raises
    ``ConversionFailed`` when the original itself computes nothing usable.
    """
    figures: dict[str, Told] = {}
    found: dict[str, Agreement] = {}
    for stem, feed in fed.items():
        expected = _expected(model, originals[stem], feed)
        for way, run in _ways(pairs[stem], originals[stem]).items():
            got = {kind: [run(*one) for one in ones] for kind, ones in feed.items()}
            _add(figures.setdefault(way, {}), _figures(stem, got, expected))
            if stem == infer.STEM and pictures:
                met = [list(outputs.values()) for outputs in got["pictures"]]
                alike = agreement(model, pictures, expected["pictures"], met)
                found |= {way: alike} if alike else {}
    return Proved(figures=figures, found=found)


def _ways(nets: Pair, original: Original) -> dict[str, Callable[..., dict[str, Array]]]:
    """A ready pair is its own original: in fp32 there is nothing to compare."""
    if not original.is_program:
        return {"fp16": nets.rounded}
    return {"fp32": nets.exact, "fp16": nets.rounded}


def _expected(model: Model, original: Original, feed: Feeds) -> dict[str, list[Outputs]]:
    import numpy as np

    expected = {kind: [original.run(*one) for one in ones] for kind, ones in feed.items()}
    every = (output for ones in expected.values() for outputs in ones for output in outputs)
    if not all(np.isfinite(output).all() for output in every):
        raise ConversionFailed(
            f"{model.title}: the original's own outputs are not finite",
            remedy="its weights hold NaN, or infinite values: take another file",
        )
    return expected


def _figures(
    stem: str, got: Mapping[str, list[dict[str, Array]]], expected: Mapping[str, list[Outputs]]
) -> Told:
    told: Told = {}
    for kind, ones in got.items():
        pairs = [_pairs(one, want) for one, want in zip(ones, expected[kind], strict=True)]
        told[kind] = {
            name_of(stem, name): worst([pair[name] for pair in pairs]) for name in pairs[0]
        }
    return told


def name_of(stem: str, blob: str) -> str:
    """What a blob is called where there may be several nets."""
    return blob if stem == infer.STEM else f"{stem}:{blob}"


def _add(figures: Told, more: Told) -> None:
    for kind, outputs in more.items():
        figures.setdefault(kind, {}).update(outputs)


def _pairs(got: dict[str, Array], want: list[Array]) -> dict[str, Difference]:
    if len(got) != len(want):
        raise ConversionFailed(f"ncnn has {len(got)} outputs, the original {len(want)}")
    named = zip(got.items(), want, strict=True)
    return {name: compare_outputs(reference, output) for (name, output), reference in named}

"""Running original and ncnn on the same inputs, and how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from piyard import infer
from piyard.compare import Difference, compare_outputs
from piyard.conversion import masks
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed
from piyard.heads.agree import Agreement
from piyard.model import Model
from piyard.originals import Original
from piyard.proof.feeds import Feeds
from piyard.proof.figures import Figures, worst
from piyard.proof.found import agreement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Outputs = list[Array]
    Computed = Mapping[str, Sequence[Mapping[str, Array]]]
    """Kind of input → the outputs for each input, by blob."""

PICTURES = "pictures"
T = TypeVar("T")
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

    def computes(self, way: str) -> Callable[..., Outputs]:
        """The net as a function in ``COMPUTED``'s way, with the outputs in order."""
        run = {"fp32": self.exact, "fp16": self.rounded}[way]
        return lambda *values: list(run(*values).values())

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
    tracks: dict[str, Agreement] = {}
    """What is followed in a clip; nothing where there is none, or no tracker."""


def pair(full: Path, half: Path, stem: str = infer.STEM) -> Pair:
    """The net of that stem in both folders."""
    return Pair(
        full=infer.load(full, stem), half=infer.load(half, stem), layers=infer.layers(full, stem)
    )


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody who computes a model is asked, and what its original answers."""

    model: Model
    fed: Mapping[str, Feeds]
    """Of each net by its stem."""
    expected: Mapping[str, Mapping[str, Sequence[Outputs]]]
    pictures: Sequence[Path] = ()
    """Those in which what is found is compared too; nothing where it means nothing."""

    def few(self) -> Asked:
        """The pictures, and of each other kind one input."""
        fed, expected = (
            {stem: _few(of_net) for stem, of_net in one.items()}
            for one in (self.fed, self.expected)
        )
        return msgspec.structs.replace(self, fed=fed, expected=expected)


def _few(of_net: Mapping[str, Sequence[T]]) -> dict[str, list[T]]:
    return {kind: list(ones if kind == PICTURES else ones[:1]) for kind, ones in of_net.items()}


def ask(
    model: Model,
    originals: Mapping[str, Original],
    fed: Mapping[str, Feeds],
    pictures: Sequence[Path] = (),
) -> Asked:
    """What is fed, which is ``feeds`` with the same pictures, beside what the originals say.

    Raises ``ConversionFailed`` when an original itself computes nothing usable.
    """
    expected = {stem: _expected(model, originals[stem], feed) for stem, feed in fed.items()}
    return Asked(model=model, fed=fed, expected=expected, pictures=pictures)


def compare(asked: Asked, got: Mapping[str, Computed]) -> tuple[Told, Agreement | None]:
    """How alike the outputs of each net are, and what is found in the pictures."""
    told: Told = {}
    for stem, computed in got.items():
        for kind, outputs in _figures(stem, computed, asked.expected[stem]).items():
            told.setdefault(kind, {}).update(outputs)
    main = got.get(infer.STEM)
    if main is None or not asked.pictures:
        return told, None
    met = [list(outputs.values()) for outputs in main[PICTURES]]
    return told, agreement(asked.model, asked.pictures, asked.expected[infer.STEM][PICTURES], met)


def prove(
    model: Model,
    originals: Mapping[str, Original],
    pairs: Mapping[str, Pair],
    fed: Mapping[str, Feeds],
    pictures: Sequence[Path] = (),
) -> Proved:
    """The figures of ncnn on this machine (see ``ask``)."""
    asked = ask(model, originals, fed, pictures)
    ways = {stem: _ways(pairs[stem], originals[stem]) for stem in fed}
    figures: dict[str, Told] = {}
    found: dict[str, Agreement] = {}
    for way in COMPUTED:
        runs = {stem: of_net[way] for stem, of_net in ways.items() if way in of_net}
        if runs:
            got = {stem: computed(run, fed[stem]) for stem, run in runs.items()}
            figures[way], alike = compare(asked, got)
            found |= {way: alike} if alike else {}
    return Proved(figures=figures, found=found)


def computed(run: Callable[..., dict[str, Array]], feed: Feeds) -> Computed:
    """What that run makes of everything that is fed."""
    return {kind: [run(*one) for one in ones] for kind, ones in feed.items()}


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


def _figures(stem: str, got: Computed, expected: Mapping[str, Sequence[Outputs]]) -> Told:
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


def _pairs(got: Mapping[str, Array], want: list[Array]) -> dict[str, Difference]:
    if len(got) != len(want):
        raise ConversionFailed(f"ncnn has {len(got)} outputs, the original {len(want)}")
    named = zip(got.items(), want, strict=True)
    return {name: compare_outputs(reference, output) for (name, output), reference in named}

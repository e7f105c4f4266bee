"""Running original and ncnn on the same inputs, and how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard import infer
from piyard.compare import Difference, compare_outputs
from piyard.conversion import names
from piyard.errors import ConversionFailed
from piyard.heads.agree import Agreement
from piyard.originals import Original
from piyard.proof.asked import PICTURES, Asked
from piyard.proof.feeds import Feeds
from piyard.proof.figures import Figures, worst
from piyard.proof.found import agreement
from piyard.proof.pair import COMPUTED, Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Outputs = list[Array]
    Computed = Mapping[str, Sequence[Mapping[str, Array]]]
    """Kind of input → the outputs for each input, by blob."""

Told = dict[str, dict[str, Figures]]
"""Kind of input → output → figures."""


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """How alike the converted model is, by precision."""

    figures: dict[str, Told]
    found: dict[str, Agreement] = {}
    """What the outputs for real pictures mean; nothing where there are none, or no head."""
    tracks: dict[str, Agreement] = {}
    """What is followed in a clip; nothing where there is none, or no tracker."""


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


def prove(asked: Asked, originals: Mapping[str, Original], pairs: Mapping[str, Pair]) -> Proved:
    """The figures of ncnn on this machine."""
    ways = {stem: _ways(pairs[stem], originals[stem]) for stem in asked.fed}
    figures: dict[str, Told] = {}
    found: dict[str, Agreement] = {}
    for way in COMPUTED:
        runs = {stem: of_net[way] for stem, of_net in ways.items() if way in of_net}
        if runs:
            got = {stem: computed(run, asked.fed[stem]) for stem, run in runs.items()}
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


def _figures(stem: str, got: Computed, expected: Mapping[str, Sequence[Outputs]]) -> Told:
    told: Told = {}
    for kind, ones in got.items():
        pairs = [_pairs(one, want) for one, want in zip(ones, expected[kind], strict=True)]
        told[kind] = {
            names.join(stem, name): worst([pair[name] for pair in pairs]) for name in pairs[0]
        }
    return told


def _pairs(got: Mapping[str, Array], want: list[Array]) -> dict[str, Difference]:
    if len(got) != len(want):
        raise ConversionFailed(f"ncnn has {len(got)} outputs, the original {len(want)}")
    named = zip(got.items(), want, strict=True)
    return {name: compare_outputs(reference, output) for (name, output), reference in named}

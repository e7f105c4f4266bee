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
    predictions: dict[str, Agreement] = {}
    """What the outputs for real pictures mean; nothing where there are none, or no head."""
    tracks: dict[str, Agreement] = {}
    """What is followed in a clip; nothing where there is none, or no tracker."""


def compare(case: Asked, got: Mapping[str, Computed]) -> tuple[Told, Agreement | None]:
    """How alike the outputs of each net are, and what is found in the pictures."""
    by_kind: Told = {}
    for stem, computed in got.items():
        for kind, outputs in _figures(stem, computed, case.expected[stem]).items():
            by_kind.setdefault(kind, {}).update(outputs)
    main = got.get(infer.STEM)
    if main is None or not case.pictures:
        return by_kind, None
    outputs_by_picture = [list(outputs.values()) for outputs in main[PICTURES]]
    return by_kind, agreement(
        case.model, case.pictures, case.expected[infer.STEM][PICTURES], outputs_by_picture
    )


def prove(case: Asked, originals: Mapping[str, Original], pairs: Mapping[str, Pair]) -> Proved:
    """The figures of ncnn on this machine."""
    functions = {stem: _ways(pairs[stem], originals[stem]) for stem in case.fed}
    figures: dict[str, Told] = {}
    predictions: dict[str, Agreement] = {}
    for precision in COMPUTED:
        runs = {
            stem: by_precision[precision]
            for stem, by_precision in functions.items()
            if precision in by_precision
        }
        if runs:
            outputs = {stem: computed(run, case.fed[stem]) for stem, run in runs.items()}
            figures[precision], predicted = compare(case, outputs)
            predictions |= {precision: predicted} if predicted else {}
    return Proved(figures=figures, predictions=predictions)


def computed(run: Callable[..., dict[str, Array]], feed: Feeds) -> Computed:
    """What that run makes of everything that is fed."""
    return {kind: [run(*arrays) for arrays in inputs] for kind, inputs in feed.items()}


def _ways(nets: Pair, original: Original) -> dict[str, Callable[..., dict[str, Array]]]:
    """A ready pair is its own original: in fp32 there is nothing to compare."""
    if not original.is_program:
        return {"fp16": nets.run_fp16}
    return {"fp32": nets.run_fp32, "fp16": nets.run_fp16}


def _figures(stem: str, got: Computed, expected: Mapping[str, Sequence[Outputs]]) -> Told:
    by_kind: Told = {}
    for kind, outputs in got.items():
        pairs = [
            _pairs(output, reference)
            for output, reference in zip(outputs, expected[kind], strict=True)
        ]
        by_kind[kind] = {
            names.join(stem, name): worst([pair[name] for pair in pairs]) for name in pairs[0]
        }
    return by_kind


def _pairs(got: Mapping[str, Array], expected: list[Array]) -> dict[str, Difference]:
    if len(got) != len(expected):
        raise ConversionFailed(f"ncnn has {len(got)} outputs, the original {len(expected)}")
    named = zip(got.items(), expected, strict=True)
    return {name: compare_outputs(reference, output) for (name, output), reference in named}

"""Proof that the converted net computes what torch computes.

Compared are outputs on pictures, on noise and on a tensor whose memory is not contiguous, with
ncnn in fp32 and with fp16 storage imitated (see infer.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import infer, mirror, preprocess, stimulus
from piyard.compare import Difference, compare_outputs
from piyard.errors import ConversionFailed
from piyard.model import Model

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

PICTURES = Path("data") / "imagenet500" / "images"
"""Within the mirror."""
COUNT = 16
"""Real pictures a conversion is proved on; benchmarks/proof_table.py takes more."""
COMPUTED = {
    "fp32": "fp32 throughout",
    "fp16": "weights and every layer's output rounded to fp16, sums in fp32",
}


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The worst agreement of an output over the inputs of a kind."""

    count: int
    cosine: float
    max_abs: float | None
    """Largest difference of an element; None when one is not finite."""
    same_top: int
    """Inputs on which the largest element is at the same place."""


Proved = dict[str, dict[str, dict[str, Figures]]]
"""Precision → kind of input → output → figures."""


def real_pictures(count: int = COUNT) -> list[Path]:
    """Pictures of the mirror, evenly spread; none without a mirror that has them."""
    root = mirror.folder()
    found = sorted((root / PICTURES).glob("*.jpg")) if root else []
    return found[:: max(1, len(found) // count)][:count] if count else []


def inputs(model: Model, pictures: Iterable[Path]) -> dict[str, list[Array]]:
    """Inputs of shape (c, h, w) by kind; the one of kind ``strided`` is not contiguous."""
    import numpy as np

    c, h, w = model.input
    fed = partial(preprocess.apply, how=model.preprocess, size=(h, w))
    real = [fed(preprocess.read(path)) for path in pictures]
    kinds = {
        "pictures": real,
        "drawn": [fed(picture) for picture in stimulus.pictures().values()],
        "noise": [stimulus.tensor((c, h, w), seed) for seed in (stimulus.SEED, 11)],
        "strided": [np.transpose(stimulus.tensor((h, w, c), 12), (2, 0, 1))],
    }
    return {kind: values for kind, values in kinds.items() if values}


def run_torch(network: torch.nn.Module, values: Array) -> list[Array]:
    """torch's outputs for one input, its strides kept."""
    import torch

    output = network(torch.from_numpy(values).unsqueeze(0))
    outputs = output if isinstance(output, (tuple, list)) else [output]
    return [single[0].numpy() for single in outputs]


def prove(
    model: Model, network: torch.nn.Module, full: Path, half: Path, pictures: Iterable[Path]
) -> Proved:
    """Figures of the conversion in folder ``full`` (fp32 weights) and ``half`` (fp16 weights).

    Raises ``ConversionFailed`` naming what is below the model's threshold.
    """
    from piyard import lowering

    fed = inputs(model, pictures)
    expected = {kind: [run_torch(network, x) for x in values] for kind, values in fed.items()}
    net, small = infer.load(full), infer.load(half)
    layers = lowering.check(half / lowering.PARAM)
    ways: dict[str, Callable[[Array], dict[str, Array]]] = {
        "fp32": lambda x: infer.run(net, x),
        "fp16": lambda x: infer.rounded(small, layers, x),
    }
    proved = {way: _figures(run, fed, expected) for way, run in ways.items()}
    judge(model, proved)
    return proved


def _figures(
    run: Callable[[Array], dict[str, Array]],
    fed: Mapping[str, list[Array]],
    expected: Mapping[str, list[list[Array]]],
) -> dict[str, dict[str, Figures]]:
    figures = {}
    for kind, values in fed.items():
        pairs = [_pairs(run(x), want) for x, want in zip(values, expected[kind], strict=True)]
        figures[kind] = {
            name: _worst([pair[name] for pair in pairs]) for name in (pairs[0] if pairs else [])
        }
    return figures


def _pairs(got: dict[str, Array], want: list[Array]) -> dict[str, Difference]:
    if len(got) != len(want):
        raise ConversionFailed(f"ncnn has {len(got)} outputs, torch {len(want)}")
    named = zip(got.items(), want, strict=True)
    return {name: compare_outputs(reference, output) for (name, output), reference in named}


def _worst(differences: list[Difference]) -> Figures:
    finite = all(one.finite for one in differences)
    return Figures(
        count=len(differences),
        cosine=min(one.cosine for one in differences),
        max_abs=max(one.max_abs for one in differences) if finite else None,
        same_top=sum(one.same_top for one in differences),
    )


def judge(model: Model, proved: Proved) -> None:
    """Raise ``ConversionFailed`` for the figures that the model's thresholds do not allow."""
    least = {"fp32": model.proof.cosine_fp32, "fp16": model.proof.cosine_fp16}
    wrong = [
        f"{way}, {kind}, output {name}: {problem}"
        for way, kinds in proved.items()
        for kind, outputs in kinds.items()
        for name, figures in outputs.items()
        if (problem := _problem(figures, least[way], way))
    ]
    if wrong:
        raise ConversionFailed(
            f"{model.title}: ncnn does not compute what torch computes",
            evidence="\n".join(wrong),
            remedy="look at the .param in the log folder; thresholds are in the model's YAML",
        )


def _problem(figures: Figures, least: float, way: str) -> str:
    if figures.max_abs is None:
        return "a value is not finite"
    if figures.cosine < least:
        return f"cosine {figures.cosine:.6f} is below {least}"
    if way == "fp32" and figures.same_top < figures.count:
        return f"top-1 differs on {figures.count - figures.same_top} of {figures.count}"
    return ""

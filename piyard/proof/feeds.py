"""What original and ncnn are both fed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from piyard import mirror, pictures, stimulus
from piyard.model import Model
from piyard.originals import Original
from piyard.preprocess import feed
from piyard.preprocess.picture import read as read_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

CLASSES = Path("data") / "imagenet500" / "images"
OBJECTS = Path("data") / "coco_mini_val" / "val2017"
"""Pictures within the mirror."""
COUNT = 16
"""Real pictures a conversion is proved on; benchmarks/proof_table.py takes more."""
FEWEST = 3
USUAL = 224 * 224
"""Pixels of an input that is proved on ``COUNT`` pictures; a larger one takes longer."""

Feeds = dict[str, list[tuple["Array", ...]]]
"""Kind of input → the inputs, each one array (c, h, w) for each of the net's inputs."""


def real_pictures(model: Model, count: int = 0) -> list[Path]:
    """Pictures of the mirror, evenly spread; none without a mirror that has them."""
    number = count or few(model)
    root = mirror.folder()
    folder = CLASSES if model.task == "classify" else OBJECTS
    paths = pictures.of(root / folder).pictures if root and (root / folder).is_dir() else []
    return paths[:: max(1, len(paths) // number)][:number]


def few(model: Model) -> int:
    """How many inputs of a kind keep the proof of that model short."""
    _, rows, columns = model.input
    return min(COUNT, max(FEWEST, COUNT * USUAL // (rows * columns)))


def feeds(
    model: Model, originals: Mapping[str, Original], pictures: Iterable[Path]
) -> dict[str, Feeds]:
    """Stem of a net → what it is fed; a head gets what its backbone makes of both sizes."""
    main: Feeds = {
        kind: [(array,) for array in arrays] for kind, arrays in inputs(model, pictures).items()
    }
    by_stem = {"model": main}
    if model.dynamic:
        other = inputs(model, (), size=model.dynamic)
        main["dynamic"] = [(array,) for array in other["noise"]]
        if "head" in originals:
            by_stem["head"] = _features(originals["model"], other, inputs(model, ()))
    return by_stem


def inputs(
    model: Model, pictures: Iterable[Path], size: tuple[int, int] | None = None
) -> dict[str, list[Array]]:
    """Inputs of shape (c, h, w) by kind; the one of kind ``strided`` is not contiguous."""
    import numpy as np

    c, (h, w) = model.input[0], size or model.input[1:]
    fed = partial(feed.apply, fit=model.preprocess, size=(h, w))
    drawn = list(stimulus.pictures().values())[: few(model)]
    kinds = {
        "pictures": [fed(read_picture(path)) for path in pictures],
        "drawn": [fed(picture) for picture in drawn],
        "noise": [
            stimulus.tensor((c, h, w), seed, model.input_range) for seed in (stimulus.SEED, 11)
        ],
        "strided": [np.transpose(stimulus.tensor((h, w, c), 12, model.input_range), (2, 0, 1))],
    }
    return {kind: values for kind, values in kinds.items() if values}


def _features(
    main: Original, template: Mapping[str, list[Array]], search: Mapping[str, list[Array]]
) -> Feeds:
    """What the backbone makes of a template and of the place it is searched in."""
    return {
        kind: [
            (main.run(small)[0], main.run(large)[0])
            for small, large in zip(template[kind], search[kind], strict=True)
        ]
        for kind in ("drawn", "noise")
    }

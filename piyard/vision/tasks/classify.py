"""Classes of a picture as a whole: a score each, as runner/src/vision/classifier.cpp has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from piyard.core.tables import Cell, number_cell
from piyard.vision.dense_head import sigmoid
from piyard.vision.pictures import read_picture
from piyard.vision.predictions import ClassScore, Frame
from piyard.vision.schema import AUTO, TrackerConfig
from piyard.vision.tasks.base import (
    Net,
    Predictor,
    Row,
    TaskModel,
    TaskOptions,
    TaskSpec,
    TruthKind,
    make_frame,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from PIL.Image import Image

    from piyard.vision.schema import Doubles, Floats


OutputKind = Literal["logits", "probabilities", "log-probabilities"]

TOP_CLASSES = 5
"""Classes of a picture."""
ACTIVATION_AFTER = {"probabilities": "none", "log-probabilities": "exp"}


def resolve_activation(activation: str, ending: str, count: int) -> str:
    """``auto`` for an output of ``count`` values that ends so (see ``conversion.ending``)."""
    if activation != AUTO:
        return activation
    return ACTIVATION_AFTER.get(ending) or ("sigmoid" if count == 1 else "softmax")


def class_scores(output: ArrayLike, activation: str, classes: int) -> Floats:
    """(classes,) scores; a single value is that of the second of two classes."""
    import numpy as np

    values = np.asarray(output, np.float64).ravel()
    activated = _activate(values, activation)
    if activated.size == 1 and classes == 2:
        activated = np.array([1 - activated[0], activated[0]])
    return activated.astype(np.float32)


def best_classes(scored: Floats, count: int) -> list[int]:
    """The classes with the highest scores, of equal ones the lower number first."""
    import numpy as np

    return [int(index) for index in np.argsort(-scored, kind="stable")[:count]]


def _activate(values: Doubles, activation: str) -> Doubles:
    import numpy as np

    match activation:
        case "softmax":
            powers = np.exp(values - values.max())
            softmax: Doubles = powers / powers.sum()
            return softmax
        case "sigmoid":
            return sigmoid(values)
        case "exp":
            return np.exp(values)
        case _:
            return values


class Classify(TaskSpec, frozen=True, kw_only=True):
    """One output with the classes, or several of which one has them."""

    def flags(self, model: TaskModel, options: TaskOptions, _detector: Sequence[str]) -> list[str]:
        """The output, its activation, and how many classes are shown."""
        return [
            *self.picture_flags(model.activation, options.classes),
            *("--topk", str(options.topk)),
            *(["--save-outputs", options.raw] if options.raw else []),
        ]

    def picture_flags(self, activation: str, classes: str) -> list[str]:
        """Which output holds the classes, where there are several, and what makes scores of it."""
        # A converted net has no logarithm any more: see convert/reference.py.
        activation = "none" if activation == "exp" else activation
        return [*(["--classes", classes] if classes else []), "--activation", activation]

    def predict_picture(self, predictor: Predictor, path: Path) -> Frame:
        """The best classes."""
        picture = read_picture(path)
        return make_frame(path, picture, top=_score_classes(predictor.net, picture))

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row a class of a picture, best first."""
        return [
            [frame.name, *_class_row(rank, score)]
            for frame in frames
            for rank, score in enumerate(frame.top, 1)
        ]

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind:
        """Each picture's class."""
        return "class"


def _score_classes(net: Net, picture: Image) -> list[ClassScore]:
    output = net.compute(net.prepare(picture))[net.place]
    # A converted net has no logarithm any more, whatever its original had.
    stated = "none" if net.activation == "exp" else net.activation
    activation = resolve_activation(stated, net.ends, output.size)
    scores = class_scores(output, activation, len(net.labels))
    return [
        ClassScore(index=index, label=net.labels[index], score=float(scores[index]))
        for index in best_classes(scores, TOP_CLASSES)
    ]


def _class_row(rank: int, score: ClassScore) -> Row:
    label = str(score.label if score.label is not None else score.index)
    return [number_cell(rank), label, Cell(f"{score.score:.4f}", score.score)]


CLASSIFY = Classify(
    name="classify",
    needs=("labels",),
    owns=("output", "activation"),
    has_class_output=True,
    is_drawn=False,
    columns=("Picture", "Rank", "Class", "Score"),
    proof_pictures=Path("data", "imagenet500", "images"),
    ultralytics_head="",
)

"""A classifier's output → the scores of its classes, as runner/src/vision/classifier.cpp has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from piyard.vision.dense_head import sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.vision.schema import Doubles, Floats


OutputKind = Literal["logits", "probabilities", "log-probabilities"]

AUTO = "auto"
ACTIVATION_AFTER = {"probabilities": "none", "log-probabilities": "exp"}


def resolve_activation(activation: str, ending: str, count: int) -> str:
    """``auto`` for an output of ``count`` values that ends so (see ``conversion.ending``)."""
    if activation != AUTO:
        return activation
    return ACTIVATION_AFTER.get(ending) or ("sigmoid" if count == 1 else "softmax")


def classifier_flags(activation: str, output: str) -> list[str]:
    """Which output holds the classes, where there are several, and what makes scores of it."""
    # A converted net has no logarithm any more: see originals/log_probabilities.py.
    activation = "none" if activation == "exp" else activation
    return [*(["--classes", output] if output else []), "--activation", activation]


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

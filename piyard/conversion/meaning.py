"""A network's outputs must also fit its description: the head's layout, the number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from piyard import model as models
from piyard import stimulus
from piyard.conversion import outputs
from piyard.errors import WrongInput
from piyard.heads.layout import layout
from piyard.model import Model
from piyard.model.head import DenseHead

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

SUM = 1e-3
"""How far a sum of probabilities may be from 1."""


class Network(Protocol):
    """A network that can be run; an ``Original`` is one."""

    def run(self, *inputs: Array) -> list[Array]:
        """Its outputs, without a batch."""

    def output_names(self, count: int) -> list[str]:
        """What they are called."""


def require(model: Model, network: Network) -> None:
    """Raise ``WrongInput`` when the network's outputs do not fit the model's description."""
    arrays = network.run(stimulus.tensor(model.input, span=model.input_range))
    labels = len(models.labels(model)) if model.labels else 0
    classes = _classes(model, arrays, network.output_names(len(arrays)))
    fits = classes == labels or (model.task == "classify" and outputs.fits(classes or 0, labels))
    if classes is not None and not fits:
        raise WrongInput(
            f"{model.title}: the network has {classes} classes, '{model.labels}' has {labels}",
            remedy="correct `labels`, `head` or `cut`: keys of the model's YAML, flags of "
            "model.add",
        )


def require_logits(model: Model, network: Network) -> None:
    """Raise ``WrongInput`` for probabilities that a softmax would flatten.

    Judged by the values: a network may compute a softmax without a layer of that name.
    """
    if model.task != "classify" or model.activation != "softmax":
        return
    runs = [
        network.run(stimulus.tensor(model.input, seed, span=model.input_range))
        for seed in (stimulus.SEED, stimulus.SEED + 1)
    ]
    names, sizes = network.output_names(len(runs[0])), [int(array.size) for array in runs[0]]
    index = outputs.place(model.output, names, sizes, len(models.labels(model)))
    if all(_are_shares(arrays[index]) for arrays in runs):
        raise WrongInput(
            f"{model.title}: the outputs are already probabilities: they sum to 1",
            remedy="a softmax would flatten them: --activation none, or `activation` in its YAML",
        )


def _are_shares(output: Array) -> bool:
    in_range = float(output.min()) >= 0 and float(output.max()) <= 1
    varies = float(output.max()) > float(output.min())
    return in_range and varies and abs(float(output.sum()) - 1) < SUM


def _classes(model: Model, arrays: list[Array], names: Sequence[str]) -> int | None:
    """How many classes the outputs are for; None where they do not show it."""
    if model.task == "classify":
        sizes = [int(array.size) for array in arrays]
        return sizes[outputs.place(model.output, names, sizes, len(models.labels(model)))]
    if model.head is not None and isinstance(model.head, DenseHead):
        channels = layout(model.head, model.task, arrays).classes
        return int(channels.stop) - int(channels.start)
    return None

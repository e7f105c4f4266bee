"""Whether a network's outputs are what its description says: the head's layout, all the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard import model as models
from piyard import stimulus
from piyard.conversion import outputs
from piyard.errors import WrongInput
from piyard.heads.layout import layout
from piyard.model import Model
from piyard.model.head import DenseHead
from piyard.originals import Original

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


SUM = 1e-3
"""As far from 1 as a sum of shares may be."""


def require(model: Model, original: Original) -> None:
    """Raise ``WrongInput`` when outputs and description do not go together."""
    made = original.run(stimulus.tensor(model.input, span=model.noise))
    named = len(models.labels(model)) if model.labels else 0
    told = _classes(model, made, original.output_names(len(made)))
    is_right = told == named or (model.task == "classify" and outputs.fits(told or 0, named))
    if told is not None and not is_right:
        raise WrongInput(
            f"{model.title}: the network tells {told} classes, '{model.labels}' names {named}",
            remedy="correct `labels`, `head` or `cut`: keys of the model's YAML, flags of "
            "model.add",
        )


def require_logits(model: Model, original: Original) -> None:
    """Raise ``WrongInput`` for probabilities that a softmax would flatten.

    However they are computed: where a net ends in no softmax that one can see, its outputs tell.
    """
    if model.task != "classify" or model.activation != "softmax":
        return
    made = [
        original.run(stimulus.tensor(model.input, seed, span=model.noise))
        for seed in (stimulus.SEED, stimulus.SEED + 1)
    ]
    names, sizes = original.output_names(len(made[0])), [int(one.size) for one in made[0]]
    at = outputs.place(model.output, names, sizes, len(models.labels(model)))
    if all(_are_shares(one[at]) for one in made):
        raise WrongInput(
            f"{model.title}: the outputs are probabilities already, they sum to 1",
            remedy="a softmax would flatten them: --activation none, or `activation` in its YAML",
        )


def _are_shares(output: Array) -> bool:
    is_share = float(output.min()) >= 0 and float(output.max()) <= 1
    varies = float(output.max()) > float(output.min())
    return is_share and varies and abs(float(output.sum()) - 1) < SUM


def _classes(model: Model, made: list[Array], names: Sequence[str]) -> int | None:
    """How many classes the outputs tell; None for a network that tells none."""
    if model.task == "classify":
        sizes = [int(one.size) for one in made]
        return sizes[outputs.place(model.output, names, sizes, len(models.labels(model)))]
    if model.head is not None and isinstance(model.head, DenseHead):
        found = layout(model.head, model.task, made).classes
        return int(found.stop) - int(found.start)
    return None

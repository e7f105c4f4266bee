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


def _classes(model: Model, made: list[Array], names: Sequence[str]) -> int | None:
    """How many classes the outputs tell; None for a network that tells none."""
    if model.task == "classify":
        sizes = [int(one.size) for one in made]
        return sizes[outputs.place(model.output, names, sizes, len(models.labels(model)))]
    if model.head is not None and isinstance(model.head, DenseHead):
        found = layout(model.head, model.task, made).classes
        return int(found.stop) - int(found.start)
    return None

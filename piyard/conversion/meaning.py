"""Whether a network's outputs are what its description says: the head's layout, all the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard import model as models
from piyard import stimulus
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
    told = _classes(model, original.run(stimulus.tensor(model.input, span=model.noise)))
    named = len(models.labels(model)) if model.labels else 0
    if told is not None and told != named:
        raise WrongInput(
            f"{model.title}: the network tells {told} classes, '{model.labels}' names {named}",
            remedy="correct `labels`, `head` or `cut`: keys of the model's YAML, flags of "
            "model.add",
        )


def _classes(model: Model, outputs: list[Array]) -> int | None:
    """How many classes the outputs tell; None for a network that tells none."""
    if model.task == "classify":
        return int(outputs[0].size)
    if model.head is not None and isinstance(model.head, DenseHead):
        found = layout(model.head, model.task, outputs).classes
        return int(found.stop) - int(found.start)
    return None

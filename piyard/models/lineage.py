"""A variant's parents, up to the model that no compression made."""

from __future__ import annotations

from collections.abc import Iterator

from piyard.core.errors import PROGRAM, WrongInput
from piyard.models.definition import Model, load_model, model_names


def lineage(model: Model) -> Iterator[Model]:
    """The model, its parent, and so on to the one that no compression made."""
    yield model
    while model.variant:
        model = load_parent(model)
        yield model


def load_parent(model: Model) -> Model:
    """The parent of a variant. Raises ``WrongInput`` where it is gone."""
    parent = model.variant.parent if model.variant else ""
    if parent not in model_names():
        raise WrongInput(
            f"{model.name}: its parent '{parent}' is gone",
            remedy=f"make it again, or remove the variant: {PROGRAM} model.remove {model.name}",
        )
    return load_model(parent)

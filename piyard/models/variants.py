"""A variant: a model that compression made from another one, its ``parent``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from piyard.core.config import Config
from piyard.models.edits import Edit

MARK = "@"
"""Between a parent's name and what was done to it, as ``mobilenet_v2@prune50@ptq-int8``."""
MethodName = Literal["ptq", "qat", "prune", "distill", "lowrank", "search"]


class Variant(Config):
    """Where a variant comes from, and how its parent's network is changed to take its weights."""

    parent: str
    """A model, which may be a variant itself."""
    method: MethodName
    recipe: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    """artifacts/variants/<recipe>/manifest.json says how it was made."""
    edits: tuple[Edit, ...] = ()
    """All that lead from the network of its name to this one, the parent's own among them."""


def lineage_key(name: str) -> list[str]:
    """To sort by: variants come after the model they are of, before any other."""
    return name.split(MARK)

"""A variant's recipe: all that decides its bytes, and beside it what came out: its lineage.

``artifacts/variants/<key>/`` holds the files that the method made, and ``manifest.json``.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from piyard.compress.method import Method, Outcome, Step, TrainingPoint
from piyard.compress.pictures import DataIdentity, DataPlace
from piyard.convert.model_files import choose_files
from piyard.core.errors import NotSetUp, WrongInput
from piyard.core.files import sha256_of_file
from piyard.core.parsing import JsonObject
from piyard.core.store import Manifest, WeightsInfo, artifact_folder, find_artifact, read_manifest
from piyard.models.definition import Model
from piyard.models.edits import Edit

VARIANTS_SHELF = "variants"
RECIPE_FORMAT = 5
"""Raise it when the code makes other files from the same recipe."""


class ParentIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What of the parent decides what a method makes of it."""

    name: str
    network: str
    weights: WeightsInfo
    parts: dict[str, WeightsInfo]
    edits: list[Edit]
    input: tuple[int, int, int]
    preprocess: Any
    labels: str
    """sha256 of the list of classes; empty without one."""


class Recipe(Manifest, frozen=True, kw_only=True):
    """Everything that decides a variant's bytes."""

    format: int
    method: str
    parent: ParentIdentity
    settings: JsonObject
    data: DataIdentity | None
    seed: int
    target: str
    versions: dict[str, str]
    """Of the packages that make it."""


class VariantManifest(Recipe, frozen=True, kw_only=True):
    """The recipe, and what came out."""

    place: DataPlace | None
    """Where the data was."""
    weights: str
    parts: dict[str, str]
    edits: list[Edit]
    changes: JsonObject
    notes: list[str]
    history: list[TrainingPoint]


def write_recipe(step: Step, method: Method) -> Recipe:
    """The recipe of a step; hashes its parent's files."""
    return Recipe(
        format=RECIPE_FORMAT,
        method=step.method,
        parent=identify_parent(step.parent),
        settings=msgspec.to_builtins(step.settings),
        data=step.data.identity if step.data else None,
        seed=step.seed,
        target=step.target,
        versions={tool: _tool_version(tool) for tool in method.tools},
    )


def identify_parent(parent: Model) -> ParentIdentity:
    """A parent as recipes have it."""
    files = choose_files(parent)
    return ParentIdentity(
        name=parent.name,
        network=parent.network,
        weights=files.main.identity,
        parts={name: chosen.identity for name, chosen in files.parts.items()},
        edits=list(parent.variant.edits) if parent.variant else [],
        input=parent.input,
        preprocess=msgspec.to_builtins(parent.preprocess),
        labels=sha256_of_file(parent.labels_file) if parent.labels else "",
    )


def complete_recipe(recipe: Recipe, step: Step, outcome: Outcome) -> VariantManifest:
    """The manifest of what a method has made."""
    return VariantManifest(
        **msgspec.structs.asdict(recipe),
        place=step.data.place if step.data else None,
        weights=outcome.weights,
        parts={str(part): file for part, file in outcome.parts.items()},
        edits=list(outcome.edits),
        changes=dict(outcome.changes),
        notes=list(outcome.notes),
        history=list(outcome.history),
    )


def read_variant_manifest(model: Model) -> tuple[Path, VariantManifest]:
    """The folder and manifest of a variant. Raises ``WrongInput`` where it has none here."""
    if not model.variant:
        raise WrongInput(
            f"'{model.name}' is not a variant",
            remedy="name a model that compress has made: ./yard model.list shows them",
        )
    folder = find_artifact(VARIANTS_SHELF, model.variant.recipe)
    if folder is None:
        gone = artifact_folder(VARIANTS_SHELF, model.variant.recipe)
        raise WrongInput(
            f"the manifest of {model.name} is not here: {gone}",
            remedy="make the variant again by the command that made it",
        )
    return folder, read_manifest(folder, VariantManifest)


def _tool_version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        raise NotSetUp(f"{tool} is not installed", remedy="run ./yard once") from None

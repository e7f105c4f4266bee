"""Making a variant: the method's files, a YAML beside its parent's, conversion and proof."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import yaml

from piyard.compress.method import Step
from piyard.compress.methods import find_method
from piyard.compress.pictures import CompressionData
from piyard.compress.plan import PlannedStep
from piyard.compress.recipe import (
    VARIANTS_SHELF,
    VariantManifest,
    complete_recipe,
    write_recipe,
)
from piyard.compress.training.batches import require_enough
from piyard.compress.tuning import training_pictures
from piyard.convert import converter
from piyard.convert.conversions import FP32, Conversion
from piyard.convert.param import is_quantised
from piyard.core import console, paths, store
from piyard.core.download import downloads_folder
from piyard.core.errors import WrongInput
from piyard.core.files import atomic_write, sha256_of_file, write_text
from piyard.core.parsing import JsonObject
from piyard.models import definition
from piyard.models.definition import (
    Model,
    ModelDefinition,
    load_definition,
    load_model,
    model_names,
    name_model,
)
from piyard.models.variants import Variant

INT8 = "int8"
CHECKPOINTS_SHELF = "checkpoints"
PARENTS_OWN = frozenset({"title", "own", "variant", "weights", "parts", "masks", "published"})
"""Keys of a parent's YAML that say nothing of its variants."""


def check_step(step: Step) -> None:
    """Raise ``WrongInput`` for what the method cannot do, or cannot learn from these pictures."""
    method = find_method(step.method)
    method.check(step)
    if method.learns and step.data:
        require_enough(len(training_pictures(step)))


class MadeVariant(msgspec.Struct, frozen=True, kw_only=True):
    """A variant that is there, converted and proved."""

    model: Model
    conversion: Conversion
    manifest: VariantManifest
    fresh: bool
    """Whether it was made now."""


def make_variant(step: Step, *, replace: bool = False, force: bool = False) -> MadeVariant:
    """The variant of a step, made when it is not there yet.

    One whose proof fails is taken back, unless with ``force``. Raises ``WrongInput``, what the
    method raises, and ``ConversionFailed``.
    """
    key = store.key_of(write_recipe(step, find_method(step.method)))
    require_free_name(step.name, key, replace=replace)
    files = make_files(step)
    conversion = publish_variant(step, files, force=force)
    return MadeVariant(
        model=load_model(step.name),
        conversion=conversion,
        manifest=files.manifest,
        fresh=files.fresh,
    )


class VariantFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What a method has made, in the store."""

    key: str
    folder: Path
    manifest: VariantManifest
    fresh: bool


def make_files(step: Step) -> VariantFiles:
    """The files of a step, made when they are not there yet. Raises what the method raises."""
    method = find_method(step.method)
    recipe = write_recipe(step, method)
    key = store.key_of(recipe)
    folder, fresh = store.get_or_make(
        VARIANTS_SHELF, key, lambda at: complete_recipe(recipe, step, method.make(step, at))
    )
    shutil.rmtree(step.checkpoints, ignore_errors=True)
    manifest = store.read_manifest(folder, VariantManifest)
    for file in list_files(manifest):
        _keep_file(folder / file)
    return VariantFiles(key=key, folder=folder, manifest=manifest, fresh=fresh)


def as_model(step: Step, files: VariantFiles) -> Model:
    """The variant as a model, without writing its YAML."""
    keys = describe_variant(step, files)
    return name_model(step.name, msgspec.convert(keys, ModelDefinition))


def bind_step(
    planned: PlannedStep, parent: Model, data: CompressionData | None, *, seed: int, target: str
) -> Step:
    """A planned step on a parent that is there.

    Its checkpoints are where the same recipe finds them again.
    """
    step = Step(
        name=planned.name,
        parent=parent,
        method=planned.method,
        settings=planned.settings,
        data=data,
        seed=seed,
        target=target,
        checkpoints=Path(),
    )
    key = store.key_of(write_recipe(step, find_method(step.method)))
    return msgspec.structs.replace(step, checkpoints=paths.artifacts() / CHECKPOINTS_SHELF / key)


def require_free_name(name: str, key: str, *, replace: bool) -> None:
    """Raise ``WrongInput`` where the name is another model's, or a variant's of another recipe."""
    if name not in model_names():
        return
    there = load_definition(name)
    if not there.variant:
        raise WrongInput(
            f"there is already a model '{name}', which compress did not make",
            remedy="choose another: --name",
        )
    if there.variant.recipe != key and not replace:
        raise WrongInput(
            f"there is already a variant '{name}', of other settings or data",
            remedy="--replace puts this one in its place; or choose another: --name",
        )


def publish_variant(step: Step, files: VariantFiles, *, force: bool) -> Conversion:
    """Write its YAML, convert and prove it; undone when that fails."""
    name = step.name
    keys = describe_variant(step, files)
    text = yaml.safe_dump(keys, sort_keys=False, default_flow_style=None, allow_unicode=True)
    path = definition.MODELS_FOLDER / f"{name}.yaml"
    before = path.read_bytes() if path.is_file() else None
    write_text(path, text)
    try:
        conversion = converter.convert_model(load_model(name), force=True)
        precision = INT8 if is_quantised(conversion.model) else FP32
        return conversion if force else conversion.require_proved([precision])
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        raise


def list_files(manifest: VariantManifest) -> list[str]:
    """The names of the files that the variant's model consists of."""
    return [manifest.weights, *manifest.parts.values()]


def _keep_file(file: Path) -> None:
    """Copy it into the cache, where a model's files are."""
    target = downloads_folder() / sha256_of_file(file) / file.name
    if not target.is_file():
        with atomic_write(target) as draft:
            shutil.copyfile(file, draft)


def describe_variant(step: Step, files: VariantFiles) -> JsonObject:
    """The keys of its YAML: the parent's, with what the method has changed."""
    name, parent, folder, manifest = step.name, step.parent, files.folder, files.manifest
    variant = Variant(
        parent=parent.name,
        method=find_method(manifest.method).name,
        recipe=files.key,
        edits=tuple(manifest.edits),
    )
    inherited = {key: value for key, value in stated_keys(parent).items() if key not in PARENTS_OWN}
    stated = {
        "title": f"{parent.title.partition(' (')[0]} ({name.partition('@')[2]})",
        "own": True,
        "variant": _without_empty(msgspec.to_builtins(variant)),
        "weights": [_weights_entry(name, parent, folder / manifest.weights)],
        "parts": {
            part: _weights_entry(name, parent, folder / file)
            for part, file in manifest.parts.items()
        },
        **inherited,
        **manifest.changes,
    }
    order = ["title", "own", "variant", "task", "network", "weights", "parts"]
    ordered = {key: stated[key] for key in [*order, *stated]}
    return _without_empty(ordered)


def stated_keys(model: ModelDefinition) -> JsonObject:
    """The keys that differ from their defaults, as a YAML has them."""
    values = msgspec.to_builtins(model)
    return {
        field.encode_name: values[field.encode_name]
        for field in msgspec.structs.fields(ModelDefinition)
        if getattr(model, field.name) != _default_of(field)
    }


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _without_empty(keys: JsonObject) -> JsonObject:
    return {key: value for key, value in keys.items() if value not in (None, {}, [], ())}


def _weights_entry(name: str, parent: Model, file: Path) -> dict[str, str]:
    original = parent.weights[0]
    return {
        "source": f"piyard compress: {name}",
        "file": file.name,
        "sha256": sha256_of_file(file),
        "licence": original.licence,
        "dataset": original.dataset,
    }


def say_variant(variant: MadeVariant) -> None:
    """What became of it, on stderr."""
    state = "made" if variant.fresh else "nothing changed"
    for note in variant.manifest.notes:
        console.info(f"  {note}")
    console.info(f"✓ {variant.model.name}: {state}, recipe {variant.manifest.method}")

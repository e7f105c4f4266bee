"""Which models are the user's own, written by ``model.add``, and what removing one means."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from piyard.convert.own.network_file import sha256_of_network
from piyard.core.download import downloads_folder
from piyard.core.errors import PROGRAM, WrongInput, unknown_name
from piyard.models import definition
from piyard.models.definition import (
    Model,
    label_list_path,
    load_definition,
    load_model,
    model_names,
)
from piyard.models.language_models import (
    LANGUAGE_MODELS_FOLDER,
    language_model_names,
    load_language_model,
)

OWN_LIST_ENDINGS = ("-labels", "-keypoints")
"""Of lists of names that ``model.add`` writes: no list that ships ends so."""


def is_own(name: str) -> bool:
    """Whether ``model.add`` wrote the model's YAML."""
    return load_definition(name).own


def find_own(file: Path, likely: str) -> Model | None:
    """The user's model of that network file, one of the likely name before others, or None."""
    sha256 = sha256_of_network(file)
    names = sorted(model_names(), key=lambda name: name != likely)
    for name in names:
        described = load_definition(name)
        if described.own and described.weights[0].sha256 == sha256:
            return load_model(name)
    return None


def cached_files() -> list[Path]:
    """Folders of the download cache that hold files of own models: maybe the only copies."""
    own = [each for name in model_names() if (each := load_definition(name)).own]
    files = [file for each in own for file in (*each.weights, *each.parts.values())]
    spoken = [load_language_model(name) for name in language_model_names()]
    files += [file for each in spoken if each.own for file in each.files]
    folders = [downloads_folder() / file.sha256 for file in files if file.sha256 and not file.url]
    return [folder for folder in folders if folder.is_dir()]


def require_free_name(name: str, file: Path, *, replace: bool) -> None:
    """Raise ``WrongInput`` for what cannot be a model's name, or is one already."""
    if not name or Path(name).name != name or name.startswith("."):
        raise WrongInput(f"'{name}' cannot be the name of a model", remedy="choose another: --name")
    if name not in model_names():
        return
    if not is_own(name):
        raise WrongInput(
            f"there is already a model '{name}', which model.add did not write",
            remedy="choose another: --name",
        )
    if not replace:
        raise WrongInput(
            f"there is already a model '{name}'",
            remedy=f"{PROGRAM} model.add {file} --replace puts this one in its place; or choose "
            "another: --name",
        )


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with a model of the user's own."""

    name: str
    files: list[Path]
    """Its YAML, and its lists of names that no other model has."""
    cached: list[Path]
    """The folders of its network's files in the cache, which no other model needs."""

    @property
    def paths(self) -> list[Path]:
        """All of it."""
        return [*self.files, *self.cached]


def plan_removal(name: str) -> Removal:
    """What removing the model means. Raises ``WrongInput`` for one that is not the user's own."""
    if name not in model_names():
        raise unknown_name("model", name, model_names())
    described = load_definition(name)
    yaml = definition.MODELS_FOLDER / f"{name}.yaml"
    if not described.own:
        raise WrongInput(
            f"'{name}' is not a model that model.add or compress has written, so it stays",
            remedy=f"what you wrote yourself you remove yourself: {yaml}",
        )
    _require_no_variants(name)
    others = [load_definition(other) for other in model_names() if other != name]
    used = {each for other in others for each in (other.labels, other.keypoints)}
    lists = [described.labels, described.keypoints]
    own_lists = {each for each in lists if each.endswith(OWN_LIST_ENDINGS)}
    needed = [file for other in others for file in (*other.weights, *other.parts.values())]
    files = [*described.weights, *described.parts.values()]
    digests = {
        file.sha256
        for file in files
        if file.sha256 and not file.url and not any(each.is_file(file.sha256) for each in needed)
    }
    return Removal(
        name=name,
        files=[yaml, *(label_list_path(each) for each in sorted(own_lists - used))],
        cached=[path for each in sorted(digests) if (path := downloads_folder() / each).is_dir()],
    )


def _require_no_variants(name: str) -> None:
    """The proof and the lineage of a variant need its parent."""
    variants = [
        other
        for other in model_names()
        if (variant := load_definition(other).variant) and variant.parent == name
    ]
    if variants:
        raise WrongInput(
            f"'{name}' has variants: {', '.join(variants)}",
            remedy="remove them first: each by model.remove",
        )


def plan_language_removal(name: str) -> Removal:
    """The same of a language model."""
    described = load_language_model(name)
    yaml = LANGUAGE_MODELS_FOLDER / f"{name}.yaml"
    if not described.own:
        raise WrongInput(
            f"'{name}' is not a model that model.add has written, so it stays",
            remedy=f"what you wrote yourself you remove yourself: {yaml}",
        )
    others = [load_language_model(other) for other in language_model_names() if other != name]
    needed = {file.sha256 for other in others for file in other.files}
    digests = {file.sha256 for file in described.files if file.sha256 and not file.url} - needed
    cached = [path for each in sorted(digests) if (path := downloads_folder() / each).is_dir()]
    return Removal(name=name, files=[yaml], cached=cached)


def apply_removal(removal: Removal) -> None:
    """Remove it."""
    for path in removal.files:
        path.unlink(missing_ok=True)
    for folder in removal.cached:
        shutil.rmtree(folder, ignore_errors=True)

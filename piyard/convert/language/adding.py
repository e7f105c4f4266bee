"""A language model of the user's own: its folder of Hugging Face, or its GGUF file, as YAML."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from piyard.convert.own.network_file import copy_network
from piyard.core.download import downloads_folder
from piyard.core.errors import PROGRAM, WrongInput
from piyard.core.files import sha256_of_file, write_text
from piyard.language.config import CONFIG_FILE
from piyard.language.gguf_file import is_gguf
from piyard.models.definition import model_names
from piyard.models.language_models import (
    LANGUAGE_MODELS_FOLDER,
    language_model_names,
    load_language_model,
)
from piyard.models.transformer_files import WEIGHTS_FILE, open_tensors

TOKENIZER_KEYS = {"tokenizer": "tokenizer.json", "tokenizer_config": "tokenizer_config.json"}
TEMPLATE_FILE = "chat_template.json"
"""Where models that see pictures have their chat template."""


class LanguageAddition(msgspec.Struct, frozen=True, kw_only=True):
    """What adding a model will write."""

    name: str
    path: Path
    text: str
    """Of the YAML."""
    copied: dict[Path, Path]
    """Place in the cache → the user's file."""

    @property
    def lines(self) -> list[str]:
        """For the user."""
        copies = [f"copy {file} to {place}" for place, file in self.copied.items()]
        return [f"write {self.path}", *copies]


def is_language_file(path: Path) -> bool:
    """Whether it is a folder with a configuration, or a GGUF file."""
    if path.is_dir():
        return (path / CONFIG_FILE).is_file()
    return path.is_file() and is_gguf(path)


def plan_language_addition(
    path: Path, name: str, licence: str, *, replace: bool
) -> LanguageAddition:
    """Nothing is written. Raises ``WrongInput`` and ``ConversionFailed``."""
    _require_free(name, path, replace=replace)
    source = open_tensors(path)
    files = {"weights": path / WEIGHTS_FILE if path.is_dir() else path}
    if not files["weights"].is_file():
        raise WrongInput(
            f"{path} has its weights in several files",
            remedy=f"join them: save_pretrained with max_shard_size='10GB' writes {WEIGHTS_FILE}",
        )
    if path.is_dir():
        files |= {key: path / file for key, file in TOKENIZER_KEYS.items()}
        if source.config.pictures and (path / TEMPLATE_FILE).is_file():
            files["tokenizer_config"] = path / TEMPLATE_FILE
    entries = {
        key: {"source": f"{path.name}/{file.name}", "file": file.name}
        | {"sha256": sha256_of_file(file), "licence": licence, "dataset": ""}
        for key, file in files.items()
        if file.is_file()
    }
    content = {
        "title": name,
        "task": "generate",
        "network": "transformer",
        "own": True,
        "language": msgspec.to_builtins(source.config),
        **entries,
        "weights": [entries["weights"]],
    }
    return LanguageAddition(
        name=name,
        path=LANGUAGE_MODELS_FOLDER / f"{name}.yaml",
        text=yaml.safe_dump(content, sort_keys=False, allow_unicode=True),
        copied={
            downloads_folder() / str(entry["sha256"]) / files[key].name: files[key]
            for key, entry in entries.items()
        },
    )


def _require_free(name: str, path: Path, *, replace: bool) -> None:
    if not name or Path(name).name != name or name.startswith("."):
        raise WrongInput(f"'{name}' cannot be the name of a model", remedy="choose another: --name")
    if name in model_names() or (
        name in language_model_names() and not load_language_model(name).own
    ):
        raise WrongInput(
            f"there is already a model '{name}', which is not of your own",
            remedy="choose another: --name",
        )
    if name in language_model_names() and not replace:
        raise WrongInput(
            f"there is already a model '{name}'",
            remedy=f"{PROGRAM} model.add {path} --replace puts this one in its place; or choose "
            "another: --name",
        )


def apply_language_addition(addition: LanguageAddition) -> None:
    """Copy and write its files."""
    for place, file in addition.copied.items():
        if not place.is_file():
            copy_network(file, place, place.parent.name)
    write_text(addition.path, addition.text)

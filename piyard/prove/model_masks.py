"""The masks that boards have shown to be needed, in a model's YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from piyard.core.errors import WrongInput
from piyard.core.files import write_text
from piyard.models import definition
from piyard.models.definition import load_model

if TYPE_CHECKING:
    from piyard.prove.board_proof import BoardProof


MASKS_KEY = "masks"
ModelMasks = dict[str, dict[str, int]]
"""As ``Model.masks``."""


def save_masks(proved: Iterable[BoardProof]) -> list[Path]:
    """Add what was found to each model's own masks; the files that were written.

    The file is read again, as it may have changed meanwhile. Several boards of a model add up: what
    one of them needs harms no other. Raises ``WrongInput`` for a file that cannot be changed, which
    then stays as it is.
    """
    masks_by_model: dict[str, ModelMasks] = {}
    for proof in proved:
        name = proof.model.name
        if proof.masks and not proof.failed:
            masks = masks_by_model.setdefault(name, dict(load_model(name).masks))
            present = masks.get(proof.weights, {})
            added = {name: present.get(name, 0) | mask for name, mask in proof.masks.items()}
            masks[proof.weights] = present | added
    return [_write_masks(name, masks) for name, masks in masks_by_model.items()]


def _write_masks(name: str, masks: ModelMasks) -> Path:
    path = definition.MODELS_FOLDER / f"{name}.yaml"
    text = with_masks(path.read_text(encoding="utf-8"), name, masks)
    if yaml.safe_load(text).get(MASKS_KEY) != masks:
        raise WrongInput(
            f"{path}: the masks cannot be written into it",
            evidence=json.dumps({MASKS_KEY: masks}),
            remedy="write them by hand",
        )
    write_text(path, text)
    return path


def with_masks(text: str, name: str, masks: ModelMasks) -> str:
    """The YAML with these masks in place of those it has; all else stays, comments too."""
    lines = [f"{MASKS_KEY}: # found by invoke prove --model {name} --mask"]
    for weights, layers in masks.items():
        lines.append(f"  {json.dumps(weights)}:")
        lines += [f"    {json.dumps(layer)}: {mask}" for layer, mask in layers.items()]
    return "\n".join([*_lines_without_masks(text), *lines, ""])


def _lines_without_masks(text: str) -> list[str]:
    """The lines without that key, its value, and what is blank at the end."""
    lines = text.splitlines()
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in node.value if node else []:
        if key.value == MASKS_KEY:
            first, end = key.start_mark.line, value.end_mark.line + bool(value.end_mark.column)
            while lines[end - 1].startswith("#") or not lines[end - 1].strip():
                end -= 1  # a comment that follows is not the value's
            del lines[first:end]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines

"""Masks that a board needs, written into the model's YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import yaml

from piyard import model as models
from piyard import whole
from piyard.boardproof.proven import Proven
from piyard.errors import WrongInput

KEY = "masks"
Masks = dict[str, dict[str, int]]
"""As ``Model.masks``."""


def keep(proved: Iterable[Proven]) -> list[Path]:
    """Add what was found to each model's own masks; the files that were written.

    Several boards of a model add up: what one of them needs harms no other. Raises ``WrongInput``
    for a file that cannot be changed, which then stays as it is.
    """
    masks_by_model: dict[str, Masks] = {}
    for proof in proved:
        if proof.masks and not proof.failed:
            masks = masks_by_model.setdefault(proof.model, dict(models.load(proof.model).masks))
            present = masks.get(proof.weights, {})
            added = {name: present.get(name, 0) | mask for name, mask in proof.masks.items()}
            masks[proof.weights] = present | added
    return [_write(name, masks) for name, masks in masks_by_model.items()]


def _write(name: str, masks: Masks) -> Path:
    path = models.FOLDER / f"{name}.yaml"
    text = with_masks(path.read_text(encoding="utf-8"), name, masks)
    if yaml.safe_load(text).get(KEY) != masks:
        raise WrongInput(
            f"{path}: the masks cannot be written into it",
            evidence=json.dumps({KEY: masks}),
            remedy="write them by hand",
        )
    whole.write(path, text)
    return path


def with_masks(text: str, name: str, masks: Masks) -> str:
    """The YAML with these masks in place of those it has; all else stays, comments too."""
    lines = [f"{KEY}: # found by invoke prove --model {name} --mask"]
    for weights, layers in masks.items():
        lines.append(f"  {json.dumps(weights)}:")
        lines += [f"    {json.dumps(layer)}: {mask}" for layer, mask in layers.items()]
    return "\n".join([*_without(text), *lines, ""])


def _without(text: str) -> list[str]:
    """The lines without that key, its value, and what is blank at the end."""
    lines = text.splitlines()
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in node.value if node else []:
        if key.value == KEY:
            first, end = key.start_mark.line, value.end_mark.line + bool(value.end_mark.column)
            while lines[end - 1].startswith("#") or not lines[end - 1].strip():
                end -= 1  # a comment that follows is not the value's
            del lines[first:end]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines

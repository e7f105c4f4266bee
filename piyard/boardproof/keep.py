"""Masks that a board showed to be needed, written into the model's YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from piyard import model as models
from piyard import whole
from piyard.boardproof.proven import Proven

BLOCK = re.compile(r"^masks:.*\n(?:[ \t]+.*\n)*", re.MULTILINE)

Masks = dict[str, dict[str, int]]
"""As ``Model.masks``."""


def keep(proved: Iterable[Proven]) -> list[Path]:
    """Add what was found to each model's own masks; the files that were written.

    Several boards of a model add up: what one of them needs harms no other.
    """
    found: dict[str, Masks] = {}
    for one in proved:
        if one.masks and not one.failed:
            masks = found.setdefault(one.model, dict(models.load(one.model).masks))
            known = masks.get(one.weights, {})
            more = {name: known.get(name, 0) | mask for name, mask in one.masks.items()}
            masks[one.weights] = known | more
    return [_write(name, masks) for name, masks in found.items()]


def _write(name: str, masks: Masks) -> Path:
    path = models.FOLDER / f"{name}.yaml"
    rest = BLOCK.sub("", path.read_text(encoding="utf-8")).rstrip("\n")
    lines = [
        line
        for weights, layers in masks.items()
        for line in (f'  "{weights}":', *(f"    {layer}: {mask}" for layer, mask in layers.items()))
    ]
    head = f"masks: # found by invoke prove --model {name} --mask"
    whole.write(path, "\n".join([rest, head, *lines, ""]))
    return path

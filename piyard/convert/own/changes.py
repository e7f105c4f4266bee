"""How what was only assumed of a model is made something else: flags of ``model.add``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piyard.convert.own.defaults import MAX_LEVEL

UNIT_FLAGS = ["--mean", "0,0,0", "--norm", ",".join([f"{1 / MAX_LEVEL:.6g}"] * 3)]
"""Levels from 0 to 1."""
IMAGENET_FLAGS = ["--mean", "123.675,116.28,103.53", "--norm", "0.0171248,0.017507,0.0174292"]
OTHER_FITS = {"crop": "stretch", "letterbox": "stretch", "stretch": "letterbox", "box": "stretch"}
OTHER_SIDES = (224, 256)
NAMES_FILE = "names.txt"
LEVEL_FACTS = frozenset({"mean", "norm"})


def list_changes(keys: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the YAML with these keys assumes, as text → flags for what else it often is.

    Mean and norm belong together.
    """
    facts = keys.get("assumed", [])
    changes: dict[str, list[str]] = {}
    for fact in facts:
        is_level = fact in LEVEL_FACTS
        changes["mean and norm" if is_level else fact] = _other_flags(fact, keys)
    return changes


def _other_flags(fact: str, keys: Mapping[str, Any]) -> list[str]:
    preprocess = keys["preprocess"]
    if fact in LEVEL_FACTS:
        return IMAGENET_FLAGS if not any(preprocess["mean"]) else UNIT_FLAGS
    if fact == "order":
        return ["--order", "bgr" if preprocess["order"] == "rgb" else "rgb"]
    if fact == "fit":
        return ["--fit", OTHER_FITS[preprocess["fit"]]]
    if fact == "input":
        side = next(each for each in OTHER_SIDES if each != keys["input"][1])
        return ["--input", f"{keys['input'][0]},{side},{side}"]
    if fact == "activation":
        return ["--activation", "softmax" if keys.get("activation") == "sigmoid" else "sigmoid"]
    return [f"--{fact}", "NAME" if fact == "output" else NAMES_FILE]

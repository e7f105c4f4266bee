"""How what was only assumed of a model is made something else: flags of ``model.add``."""

from __future__ import annotations

from collections.abc import Sequence

from piyard.convert.own.preparation import MAX_LEVEL, PICTURE_CHANNELS
from piyard.core.parsing import JsonValues

UNIT_FLAGS = ["--mean", "0,0,0", "--norm", ",".join([f"{1 / MAX_LEVEL:.6g}"] * 3)]
"""Levels from 0 to 1."""
IMAGENET_FLAGS = ["--mean", "123.675,116.28,103.53", "--norm", "0.0171248,0.017507,0.0174292"]
OTHER_FITS = {"crop": "stretch", "letterbox": "stretch", "stretch": "letterbox", "box": "stretch"}
OTHER_SIDES = (224, 256)
NAMES_FILE = "names.txt"
OTHER_TASKS = {"other": ["--task", "classify", "--labels", NAMES_FILE]}
LEVEL_FACTS = frozenset({"mean", "norm"})


def list_changes(keys: JsonValues) -> dict[str, list[str]]:
    """What the YAML with these keys assumes, as text → flags for what else it often is.

    Mean and norm belong together.
    """
    facts = keys.get("assumed", [])
    changes: dict[str, list[str]] = {}
    for fact in facts:
        if (fact == "order" and keys["input"][0] == 1) or (fact == "task" and "further" in keys):
            continue  # there is but one
        is_level = fact in LEVEL_FACTS
        changes["mean and norm" if is_level else fact] = _other_flags(fact, keys)
    return changes


def _other_flags(fact: str, keys: JsonValues) -> list[str]:
    if fact in LEVEL_FACTS:
        return _other_levels(keys["preprocess"], keys["input"][0])
    if fact == "order":
        return ["--order", _other_order(keys["preprocess"]["order"])]
    flags = {
        "fit": ["--fit", OTHER_FITS[keys["preprocess"]["fit"]]],
        "input": ["--input", _other_size(keys["input"])],
        "activation": [
            "--activation",
            "softmax" if keys.get("activation") == "sigmoid" else "sigmoid",
        ],
        "output": ["--output", "NAME"],
        "task": OTHER_TASKS.get(keys["task"], ["--task", "other"]),
        "images": ["--images", "none"],
    }
    return flags.get(fact, [f"--{fact}", NAMES_FILE])


def _other_levels(preprocess: JsonValues, channels: int) -> list[str]:
    if channels != PICTURE_CHANNELS:
        return _signed_flags(channels)
    return IMAGENET_FLAGS if not any(preprocess["mean"]) else UNIT_FLAGS


def _other_order(order: str) -> str:
    alpha = "a" if order.endswith("a") else ""
    return ("rgb" if order.startswith("bgr") else "bgr") + alpha


def _other_size(size: Sequence[int]) -> str:
    side = next(each for each in OTHER_SIDES if each != size[1])
    return f"{size[0]},{side},{side}"


def _signed_flags(channels: int) -> list[str]:
    """Levels from -1 to 1 of so many channels."""
    mean, norm = ([f"{value:.6g}"] * channels for value in (MAX_LEVEL / 2, 2 / MAX_LEVEL))
    return ["--mean", ",".join(mean), "--norm", ",".join(norm)]

"""What is known of a network of the user's own, what is only assumed, and how both are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

FLAGS = {
    "input": "--input",
    "order": "--order",
    "mean": "--mean",
    "norm": "--norm",
    "fit": "--fit or --resize",
    "output": "--output",
    "activation": "--activation",
}
"""Fact of a model → the flags that say it."""
FITS = frozenset({"fit", "resize", "crop", "resample", "pad", "place", "padding"})
"""Keys of ``preprocess`` that belong to its ``fit``."""
LEVELS = ("order", "mean", "norm")


def merged(said: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says of the preparation, where the user does not say otherwise."""
    other_fit = asked.get("fit") not in {None, said.get("fit")}
    kept = {key: value for key, value in said.items() if not (other_fit and key in FITS)}
    return kept | dict(asked)


def unsaid(known: Collection[str], *, size: str) -> list[str]:
    """The facts of a preparation that nobody said; ``known`` are keys of ``preprocess``."""
    first = [] if size else ["input"]
    fit = [] if known & FITS else ["fit"]  # type: ignore[operator]
    return [*first, *(key for key in LEVELS if key not in known), *fit]


def told(preprocess: Mapping[str, Any]) -> dict[str, str]:
    """Fact → words, of a model's ``preprocess`` or a part of it."""
    said = {key: f"{key} {_value(preprocess[key])}" for key in LEVELS if key in preprocess}
    return said | ({"fit": _fit(preprocess)} if "fit" in preprocess else {})


def line(fact: str, text: str) -> str:
    """How an assumption is told."""
    return f"assumed: {text} ({FLAGS[fact]} says otherwise)"


def _fit(preprocess: Mapping[str, Any]) -> str:
    if "crop" not in preprocess:
        return f"fit {preprocess['fit']}"
    resize, crop = preprocess["resize"], preprocess["crop"]
    return f"fit crop (short side to {resize}, the middle {crop} of it)"


def _value(value: str | Sequence[float]) -> str:
    return value if isinstance(value, str) else ",".join(f"{one:.6g}" for one in value)

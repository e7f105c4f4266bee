"""Facts about a user's own network that nobody stated: what is assumed, and how it is shown."""

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
"""Fact about a model → the flags that set it."""
FITS = frozenset({"fit", "resize", "crop", "resample", "pad", "place", "padding"})
"""Keys of ``preprocess`` that belong to its ``fit``."""
LEVELS = ("order", "mean", "norm")


def merged(metadata: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The ``preprocess`` that the file states, overridden by the user's options."""
    other_fit = options.get("fit") not in {None, metadata.get("fit")}
    base = {key: value for key, value in metadata.items() if not (other_fit and key in FITS)}
    return base | dict(options)


def unsaid(stated: Collection[str], *, size: str) -> list[str]:
    """The facts that nobody stated; ``stated`` are keys of ``preprocess``."""
    first = [] if size else ["input"]
    fit = [] if stated & FITS else ["fit"]  # type: ignore[operator]
    return [*first, *(key for key in LEVELS if key not in stated), *fit]


def told(preprocess: Mapping[str, Any]) -> dict[str, str]:
    """Fact → text, for a model's ``preprocess`` or a part of it."""
    facts = {key: f"{key} {_value(preprocess[key])}" for key in LEVELS if key in preprocess}
    return facts | ({"fit": _fit(preprocess)} if "fit" in preprocess else {})


def line(fact: str, text: str) -> str:
    """An assumption as a line for the user."""
    return f"assumed: {text} ({FLAGS[fact]} overrides it)"


def _fit(preprocess: Mapping[str, Any]) -> str:
    if "crop" not in preprocess:
        return f"fit {preprocess['fit']}"
    resize, crop = preprocess["resize"], preprocess["crop"]
    return f"fit crop (short side to {resize}, the middle {crop} of it)"


def _value(value: str | Sequence[float]) -> str:
    return value if isinstance(value, str) else ",".join(f"{number:.6g}" for number in value)

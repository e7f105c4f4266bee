"""The YAML's preprocessing as arguments of nnrun's picture commands."""

from __future__ import annotations

from collections.abc import Iterable

from piyard.model.steps import Box, Crop, Letterbox, Preprocess, Stretch


def nnrun_flags(how: Preprocess, size: tuple[int, int]) -> list[str]:
    """Flags for a network whose input has ``size`` = (rows, columns)."""
    return [*_geometry(how, size), *_levels(how)]


def _geometry(how: Preprocess, size: tuple[int, int]) -> list[str]:
    match how:
        case Crop():
            return [
                *("--resize", str(how.resize), "--crop", str(how.crop)),
                *("--resample", how.resample),
            ]
        case Letterbox():
            return [
                *_fit("letterbox", size),
                *("--pad", _listed(how.pad), "--place", how.place, "--resample", how.resample),
            ]
        case Stretch():
            return [*_fit("stretch", size), "--resample", how.resample]
        case Box():
            return [*_fit("box", size), "--padding", repr(how.padding)]


def _fit(kind: str, size: tuple[int, int]) -> list[str]:
    return ["--fit", kind, "--size", f"{size[0]}x{size[1]}"]


def _levels(how: Preprocess) -> list[str]:
    return ["--order", how.order, "--mean", _listed(how.mean), "--norm", _listed(how.norm)]


def _listed(values: Iterable[float]) -> str:
    return ",".join(map(repr, values))

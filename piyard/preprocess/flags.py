"""The YAML's preprocessing as arguments of nnrun's picture commands."""

from __future__ import annotations

from collections.abc import Iterable

from piyard.model.steps import Box, Crop, Letterbox, Preprocess, Stretch


def nnrun_flags(fit: Preprocess, size: tuple[int, int]) -> list[str]:
    """Flags for a network whose input has ``size`` = (rows, columns)."""
    return [*_geometry(fit, size), *_levels(fit)]


def _geometry(fit: Preprocess, size: tuple[int, int]) -> list[str]:
    match fit:
        case Crop():
            return [
                *("--resize", str(fit.resize), "--crop", str(fit.crop)),
                *("--resample", fit.resample),
            ]
        case Letterbox():
            return [
                *_fit("letterbox", size),
                *("--pad", _listed(fit.pad), "--place", fit.place, "--resample", fit.resample),
            ]
        case Stretch():
            return [*_fit("stretch", size), "--resample", fit.resample]
        case Box():
            return [*_fit("box", size), "--padding", repr(fit.padding)]


def _fit(name: str, size: tuple[int, int]) -> list[str]:
    return ["--fit", name, "--size", f"{size[0]}x{size[1]}"]


def _levels(steps: Preprocess) -> list[str]:
    return ["--order", steps.order, "--mean", _listed(steps.mean), "--norm", _listed(steps.norm)]


def _listed(values: Iterable[float]) -> str:
    return ",".join(map(repr, values))

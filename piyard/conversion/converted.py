"""How a conversion is told to a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from piyard import infer
from piyard.conversion import Conversion
from piyard.proof import Figures

COLUMNS = ("Model", "Data type", "Input", "Output", "Count", "Cosine", "Max abs")
FEW = 8
"""Layers that a person reads the names of."""


def rows(made: Conversion) -> list[list[str]]:
    """The proof's figures, an output of a kind of input a row."""
    return [
        [made.name, way, kind, output, *msgspec.convert(figures, Figures).cells]
        for way, proved in made.manifest["proof"].items()
        for kind, outputs in proved["inputs"].items()
        for output, figures in outputs.items()
    ]


def worst(made: Conversion) -> list[list[str]]:
    """Of each kind of input only the output that is least alike, and how many there are."""
    return [
        [made.name, way, kind, *_least(outputs)]
        for way, proved in made.manifest["proof"].items()
        for kind, outputs in proved["inputs"].items()
    ]


def _least(outputs: Mapping[str, Any]) -> list[str]:
    name, figures = min(outputs.items(), key=lambda one: float(one[1]["cosine"]))
    told = f"{name}, the least of {len(outputs)}" if len(outputs) > 1 else name
    return [told, *msgspec.convert(figures, Figures).cells]


def notes(made: Conversion) -> list[str]:
    """What is worth knowing beside the figures."""
    manifest = made.manifest
    told = list(manifest["lint"])
    if manifest["route"] == "onnx" and manifest["network"] != "onnx":
        told.append("by ONNX: torch calls this exporter deprecated; route trace is the usual one")
    if manifest["network"] == "torchscript":
        told.append("a TorchScript file is a program: it runs in a sandbox unless you trust it")
    if manifest["original"] == "ncnn":
        told.append("a ready pair has no original: only its fp16 was compared with its fp32")
    told += [f"output {name} proves nothing: {why}" for name, why in made.empty.items()]
    told += [f"output {name} is {why}: its difference was judged" for name, why in _blind(made)]
    if asked := manifest["masks"]:
        told.append(f"masked by its YAML, as a board showed: {', '.join(asked)}")
    if spared := manifest["no_fp16_storage"]:
        told.append(f"stays in fp32 where halves lose too much: {_listed(spared)}")
    return told


def _blind(made: Conversion) -> list[tuple[str, str]]:
    """Outputs whose cosine says nothing for any input, and why."""
    told: dict[str, set[str]] = {}
    for proved in made.manifest["proof"].values():
        for outputs in proved["inputs"].values():
            for name, figures in outputs.items():
                told.setdefault(name, set()).add(figures.get("blind", ""))
    return [(name, why.pop()) for name, why in told.items() if len(why) == 1 and "" not in why]


def state(made: Conversion) -> str:
    """Whether it was proved, in a few words."""
    if made.failed:
        return f"FAILED its proof: {made.failed[0]}"
    if made.empty:
        return f"converted, NOT PROVED: {', '.join(made.empty)}: {next(iter(made.empty.values()))}"
    return "converted and proved" if made.made else "nothing changed"


def _listed(names: Sequence[str]) -> str:
    """All of a few; of many the first ones, as the manifest has them all."""
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")


def beside(made: Conversion, usual: Conversion) -> list[str]:
    """How a conversion by another route differs from the usual one."""
    routes = [one.manifest["route"] for one in (made, usual)]
    kinds = [Counter(_types(one)) for one in (made, usual)]
    more = [
        f"{kinds[0][kind] - kinds[1][kind]:+d} {kind}" for kind in sorted({*kinds[0], *kinds[1]})
    ]
    changed = [text for text in more if not text.startswith("+0 ")]
    totals = f"{kinds[0].total()} layers and {kinds[1].total()}"
    told = (
        f"route {routes[0]} beside {routes[1]}: {totals} ({', '.join(changed) or 'the same kinds'})"
    )
    return [told] + [
        f"  {way}: lowest cosine {_lowest(made, way):.8f} and {_lowest(usual, way):.8f}"
        for way in made.manifest["proof"]
    ]


def _types(made: Conversion) -> list[str]:
    return [layer.type for stem in made.stems for layer in infer.layers(made.folder, stem)]


def _lowest(made: Conversion, way: str) -> float:
    kinds = made.manifest["proof"][way]["inputs"].values()
    return float(min(figures["cosine"] for outputs in kinds for figures in outputs.values()))

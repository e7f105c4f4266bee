"""A conversion and its proof are shown as rows, notes and a state."""

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
"""At most so many layers are named."""


def rows(conversion: Conversion) -> list[list[str]]:
    """The proof's figures, a row for each precision, kind of input and output."""
    return [
        [conversion.name, precision, kind, output, *msgspec.convert(figures, Figures).cells]
        for precision, proved in conversion.manifest["proof"].items()
        for kind, outputs in proved["inputs"].items()
        for output, figures in outputs.items()
    ]


def worst(conversion: Conversion) -> list[list[str]]:
    """For each kind of input only the output with the lowest cosine, and how many there are."""
    return [
        [conversion.name, precision, kind, *_least(outputs)]
        for precision, proved in conversion.manifest["proof"].items()
        for kind, outputs in proved["inputs"].items()
    ]


def _least(outputs: Mapping[str, Any]) -> list[str]:
    name, figures = min(outputs.items(), key=lambda item: float(item[1]["cosine"]))
    label = f"{name}, the least of {len(outputs)}" if len(outputs) > 1 else name
    return [label, *msgspec.convert(figures, Figures).cells]


def notes(conversion: Conversion) -> list[str]:
    """What is worth knowing beside the figures."""
    manifest = conversion.manifest
    lines = list(manifest["lint"])
    if manifest["route"] == "onnx" and manifest["network"] != "onnx":
        lines.append("by ONNX: torch calls this exporter deprecated; route trace is the default")
    if manifest["network"] == "torchscript":
        lines.append("a TorchScript file is a program: it runs in a sandbox unless you trust it")
    if manifest["original"] == "ncnn":
        lines.append("a ready pair has no original: only its fp16 was compared with its fp32")
    lines += [f"output {name} proves nothing: {why}" for name, why in conversion.empty.items()]
    lines += [
        f"output {name} is {why}: its difference was judged" for name, why in _blind(conversion)
    ]
    if masks := manifest["masks"]:
        lines.append(f"masked by its YAML, as a board showed: {', '.join(masks)}")
    if keep_fp32 := manifest["no_fp16_storage"]:
        lines.append(f"stays in fp32 where fp16 loses too much: {_listed(keep_fp32)}")
    return lines


def _blind(conversion: Conversion) -> list[tuple[str, str]]:
    """Outputs whose cosine means nothing for any input, and why."""
    reasons: dict[str, set[str]] = {}
    for proved in conversion.manifest["proof"].values():
        for outputs in proved["inputs"].values():
            for name, figures in outputs.items():
                reasons.setdefault(name, set()).add(figures.get("blind", ""))
    return [(name, why.pop()) for name, why in reasons.items() if len(why) == 1 and "" not in why]


def state(conversion: Conversion) -> str:
    """Whether it was proved, in a few words."""
    if conversion.failed:
        return f"FAILED its proof: {conversion.failed[0]}"
    if conversion.empty:
        why = next(iter(conversion.empty.values()))
        return f"converted, NOT PROVED: {', '.join(conversion.empty)}: {why}"
    return "converted and proved" if conversion.fresh else "nothing changed"


def _listed(names: Sequence[str]) -> str:
    """All names where they are few, else the first ones: the manifest has them all."""
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")


def beside(conversion: Conversion, default: Conversion) -> list[str]:
    """How a conversion by another route differs from the one by the default route."""
    routes = [each.manifest["route"] for each in (conversion, default)]
    ours, theirs = Counter(_types(conversion)), Counter(_types(default))
    counts = [f"{ours[type_] - theirs[type_]:+d} {type_}" for type_ in sorted({*ours, *theirs})]
    changes = ", ".join(text for text in counts if not text.startswith("+0 "))
    totals = f"{ours.total()} layers and {theirs.total()}"
    return [f"route {routes[0]} beside {routes[1]}: {totals} ({changes or 'the same kinds'})"] + [
        f"  {precision}: lowest cosine {_lowest(conversion, precision):.8f}"
        f" and {_lowest(default, precision):.8f}"
        for precision in conversion.manifest["proof"]
    ]


def _types(conversion: Conversion) -> list[str]:
    return [
        layer.type for stem in conversion.stems for layer in infer.layers(conversion.folder, stem)
    ]


def _lowest(conversion: Conversion, precision: str) -> float:
    kinds = conversion.manifest["proof"][precision]["inputs"].values()
    return float(min(figures["cosine"] for outputs in kinds for figures in outputs.values()))

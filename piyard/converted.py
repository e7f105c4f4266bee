"""How a conversion is told to a person."""

from __future__ import annotations

from piyard.conversion import Conversion

COLUMNS = ("Model", "Data type", "Input", "Output", "Count", "Cosine", "Max abs")


def rows(made: Conversion) -> list[list[str]]:
    """The proof's figures, an output of a kind of input a row."""
    return [
        [made.name, way, kind, output, *_cells(figures)]
        for way, proved in made.manifest["proof"].items()
        for kind, outputs in proved["inputs"].items()
        for output, figures in outputs.items()
    ]


def notes(made: Conversion) -> list[str]:
    """What is worth knowing beside the figures."""
    manifest = made.manifest
    told = list(manifest["lint"])
    if manifest["route"] == "onnx" and manifest["network"] != "onnx":
        told.append("by ONNX: torch calls this exporter deprecated; route trace is the usual one")
    if manifest["network"] == "torchscript":
        told.append("a TorchScript file is a program: it was run on this machine")
    if manifest["original"] == "ncnn":
        told.append("a ready pair has no original: only its fp16 was compared with its fp32")
    if spared := manifest["no_fp16_storage"]:
        told.append(f"stays in fp32 where halves lose too much: {', '.join(spared)}")
    return told


def _cells(figures: dict[str, float | None]) -> list[str]:
    apart = figures["max_abs"]
    return [
        str(figures["count"]),
        f"{figures['cosine']:.8f}",
        "not finite" if apart is None else f"{apart:.2g}",
    ]

"""A conversion and its proof as people see them: rows, notes and a state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from piyard.convert.conversions import Conversion
from piyard.convert.difference import OutputFigures
from piyard.convert.ncnn_net import read_layers

PROOF_COLUMNS = ("Model", "Data type", "Input", "Output", "Count", "Cosine", "Max abs")
SHOWN_LAYERS = 8
"""At most so many layers are named."""


def proof_rows(conversion: Conversion) -> list[list[str]]:
    """The proof's figures, a row for each precision, kind of input and output."""
    return [
        [conversion.name, precision, kind, output, *figures.cells]
        for precision, proved in conversion.manifest.proof.items()
        for kind, outputs in proved.inputs.items()
        for output, figures in outputs.items()
    ]


def worst_rows(conversion: Conversion) -> list[list[str]]:
    """For each kind of input only the output with the lowest cosine, and how many there are."""
    return [
        [conversion.name, precision, kind, *_least_alike_cells(outputs)]
        for precision, proved in conversion.manifest.proof.items()
        for kind, outputs in proved.inputs.items()
    ]


def _least_alike_cells(outputs: Mapping[str, OutputFigures]) -> list[str]:
    name, figures = min(outputs.items(), key=lambda item: item[1].cosine)
    label = f"{name}, the least of {len(outputs)}" if len(outputs) > 1 else name
    return [label, *figures.cells]


def list_notes(conversion: Conversion) -> list[str]:
    """What is worth knowing beside the figures."""
    manifest = conversion.manifest
    lines = list(manifest.lint)
    if manifest.route == "onnx" and manifest.network != "onnx":
        lines.append("by ONNX: torch calls this exporter deprecated; route trace is the default")
    if manifest.network == "torchscript":
        lines.append("a TorchScript file is a program: it runs in a sandbox unless you trust it")
    if manifest.original == "ncnn":
        lines.append("a ready pair has no original: only its fp16 was compared with its fp32")
    lines += [f"output {name} proves nothing: {why}" for name, why in conversion.empty.items()]
    lines += _unproved_meanings(conversion)
    lines += [
        f"output {name} is {why}: its difference was judged"
        for name, why in _blind_outputs(conversion)
    ]
    lines += [
        f"{precision}, {proved.ranking.text}"
        for precision, proved in manifest.proof.items()
        if proved.ranking is not msgspec.UNSET
    ]
    if fused := manifest.fused:
        lines.append(f"in fp16 boards run {' and '.join(fused)} in nnrun's own layers")
    if masks := manifest.masks:
        lines.append(f"masked by its YAML, as a board showed: {', '.join(masks)}")
    if keep_fp32 := manifest.no_fp16_storage:
        lines.append(f"stays in fp32 where fp16 loses too much: {_join_names(keep_fp32)}")
    return lines


def _unproved_meanings(conversion: Conversion) -> list[str]:
    """What the outputs mean, where nothing shown to it could have differed."""
    if conversion.model.head is None or not conversion.has_real_weights:
        return []
    proofs = conversion.manifest.proof.values()
    predictions = [each.predictions for each in proofs if each.predictions]
    tracks = [each.tracks for each in proofs if each.tracks]
    lines = [
        f"what {what} proves nothing: {agreement.text}"
        for what, agreements in (
            ("is found in pictures", predictions),
            ("is followed in a clip", tracks),
        )
        for agreement in agreements
        if agreement.proves_nothing
    ]
    if not predictions:
        lines.append(
            "only outputs were compared: PIYARD_MIRROR has no pictures to compare what is found"
        )
    return list(dict.fromkeys(lines))


def _blind_outputs(conversion: Conversion) -> list[tuple[str, str]]:
    """Outputs whose cosine means nothing for any input, and why."""
    reasons: dict[str, set[str]] = {}
    for proved in conversion.manifest.proof.values():
        for outputs in proved.inputs.values():
            for name, figures in outputs.items():
                reasons.setdefault(name, set()).add(figures.blind)
    return [(name, why.pop()) for name, why in reasons.items() if len(why) == 1 and "" not in why]


def describe_state(conversion: Conversion) -> str:
    """Whether it was proved, in a few words."""
    if conversion.failed and conversion.proved_in:
        proved = ", ".join(conversion.proved_in)
        return f"proved in {proved} only (--precision {proved}): {conversion.failed[0]}"
    if conversion.failed:
        return f"FAILED its proof: {conversion.failed[0]}"
    if conversion.empty:
        why = next(iter(conversion.empty.values()))
        return f"converted, NOT PROVED: {', '.join(conversion.empty)}: {why}"
    return "converted and proved" if conversion.fresh else "nothing changed"


def _join_names(names: Sequence[str]) -> str:
    """All names where they are few, else the first ones: the manifest has them all."""
    more = len(names) - SHOWN_LAYERS
    return ", ".join(names[:SHOWN_LAYERS]) + (f" and {more} more" if more > 0 else "")


def compare_routes(conversion: Conversion, default: Conversion) -> list[str]:
    """How a conversion by another route differs from the one by the default route."""
    routes = [each.manifest.route for each in (conversion, default)]
    ours, theirs = Counter(_layer_types(conversion)), Counter(_layer_types(default))
    counts = [f"{ours[type_] - theirs[type_]:+d} {type_}" for type_ in sorted({*ours, *theirs})]
    changes = ", ".join(text for text in counts if not text.startswith("+0 "))
    totals = f"{ours.total()} layers and {theirs.total()}"
    return [f"route {routes[0]} beside {routes[1]}: {totals} ({changes or 'the same kinds'})"] + [
        f"  {precision}: lowest cosine {_lowest_cosine(conversion, precision):.8f}"
        f" and {_lowest_cosine(default, precision):.8f}"
        for precision in conversion.manifest.proof
    ]


def _layer_types(conversion: Conversion) -> list[str]:
    return [
        layer.type for stem in conversion.stems for layer in read_layers(conversion.folder, stem)
    ]


def _lowest_cosine(conversion: Conversion, precision: str) -> float:
    kinds = conversion.manifest.proof[precision].inputs.values()
    return min(figures.cosine for outputs in kinds for figures in outputs.values())

"""Makes a conversion: lowered, masked, once more in fp16, proved, operations counted."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from piyard import infer, labels, originals, paths, proof, say, scratch, stimulus
from piyard import model as models
from piyard.conversion import LABELS, REFERENCE, lint, masks, meaning, size
from piyard.errors import ConversionFailed
from piyard.model import Model
from piyard.originals import Files, Original
from piyard.proof import Proved, trial

PHASES = 4
HALF = "piyard-half-"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a conversion is made of."""

    model: Model
    name: str
    files: Files
    route: str
    ir: Path | None
    """The PNNX IR that route ``pnnx`` begins with."""
    key: str


def make(plan: Plan, at: Path) -> dict[str, Any]:
    """Fill the folder; returns the part of the manifest that is not among the inputs."""
    from piyard.torch_shim import inference

    with say.step(f"convert {plan.name}") as step, inference(), scratch.folder(HALF) as half:
        try:
            step.phase(1, PHASES, "read the original")
            nets = originals.nets(plan.model, plan.files, route=plan.route, ir=plan.ir)
            meaning.require(plan.model, nets["model"])
            meaning.require_logits(plan.model, nets["model"])
            step.phase(2, PHASES, "lower to ncnn")
            _lower(nets, at, half)
            masks.add(at, asked_masks(plan.model, plan.files, plan.route))
            pictures = proof.real_pictures(plan.model)
            has_weights = plan.files.main.file is not None
            step.phase(3, PHASES, "prove")
            result = trial.run(plan.model, nets, at, half, pictures, meant=has_weights)
        except ConversionFailed as error:
            raise _with_log(error, at, f"convert-{plan.name}-{plan.key}") from None
        step.ok, step.outcome = not result.failed, _cosines(result.proved)
        step.phase(4, PHASES, "count operations")
        _label(plan.model, at)
        return {
            "weights": plan.files.main.description,
            "nets": list(nets),
            "original": nets["model"].kind,
            "no_fp16_storage": result.keep_fp32,
            "lint": [note for note in [lint.skew()] if note],
            "failed": result.failed,
            "empty": result.empty,
            "reference": _reference(plan.model, nets["model"], at),
            "proof": _told(result.proved),
            **_size(plan.model, nets, at),
        }


def _cosines(proved: Proved) -> str:
    """The lowest cosine of any output, in each precision."""
    lowest = {
        precision: min(each.cosine for outputs in kinds.values() for each in outputs.values())
        for precision, kinds in proved.figures.items()
    }
    return ", ".join(f"{precision} cosine {cosine:.6f}" for precision, cosine in lowest.items())


def asked_masks(model: Model, files: Files, route: str) -> dict[str, int]:
    """The masks that the YAML has for these weights.

    They are for the model's own route: by another one the same name may be another layer's.
    """
    own = originals.routes(model)[0]
    return model.masks.get(files.main.short, {}) if route == own else {}


def _lower(nets: Mapping[str, Original], at: Path, half: Path) -> None:
    """Each network with fp32 weights and with fp16 weights."""
    for net in nets.values():
        net.lower(at, half=False)
        net.lower(half, half=True)


def _with_log(error: ConversionFailed, at: Path, name: str) -> ConversionFailed:
    """The error, with what pnnx wrote kept where the user can read it."""
    files = [*at.glob("*.pnnx.log"), *at.glob("*.ncnn.param")]
    if not files:
        return error
    folder = paths.artifacts() / "logs" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    remedy = f"{error.remedy}; kept: {folder}" if error.remedy else f"kept: {folder}"
    return ConversionFailed(error.what, evidence=error.evidence, remedy=remedy)


def _label(model: Model, at: Path) -> None:
    """The names of the classes, one a line; none for a model without classes."""
    names = models.labels(model) if model.labels else []
    (at / LABELS).write_text(labels.text(names), encoding="utf-8", newline="\n")


def _reference(model: Model, original: Original, at: Path) -> dict[str, Any]:
    names = infer.outputs(infer.load(at))
    outputs = original.run(stimulus.tensor(model.input, stimulus.SEED, model.input_range))
    (at / REFERENCE).mkdir()
    for name, values in zip(names, outputs, strict=True):
        values.astype("<f4").tofile(at / REFERENCE / f"{name}.f32")
    shapes = {name: list(v.shape) for name, v in zip(names, outputs, strict=True)}
    reference = {"seed": stimulus.SEED, "span": list(model.input_range), "outputs": shapes}
    return reference | {"names": original.output_names(len(names))}


def _told(proved: Proved) -> dict[str, Any]:
    machine, plain = platform.machine(), msgspec.to_builtins(proved)
    return {
        precision: {
            "computed": f"{proof.COMPUTED[precision]}, on {machine}",
            "inputs": figures,
            "found": plain["predictions"].get(precision),
            "tracks": plain["tracks"].get(precision),
        }
        for precision, figures in plain["figures"].items()
    }


def _size(model: Model, nets: Mapping[str, Original], at: Path) -> dict[str, Any]:
    """One inference of all networks; where there are several, also of the first one: ``main``."""
    feeds = proof.feeds(model, nets, ()).items()
    inputs = {stem: feed["noise"][0] for stem, feed in feeds}
    counts = {stem: net.size() or size.count(at, inputs[stem], stem) for stem, net in nets.items()}
    total = {key: sum(count[key] for count in counts.values()) for key in ("params", "macs")}
    return total | ({"main": counts["model"]} if len(counts) > 1 else {})

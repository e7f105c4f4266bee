"""How a conversion is made: lowered, masked, lowered once more in halves, proved, measured."""

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
    """What is to be made."""

    model: Model
    name: str
    files: Files
    route: str
    ir: Path | None
    """The PNNX IR that route ``pnnx`` begins with."""
    key: str


def make(plan: Plan, at: Path) -> dict[str, Any]:
    """Fill the folder; the manifest's part that is not among the inputs."""
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
            pictures, real = proof.real_pictures(plan.model), plan.files.main.file is not None
            step.phase(3, PHASES, "prove")
            tried = trial.run(plan.model, nets, at, half, pictures, meant=real)
        except ConversionFailed as error:
            raise _with_log(error, at, f"convert-{plan.name}-{plan.key}") from None
        step.ok, step.outcome = not tried.failed, _cosines(tried.proved)
        step.phase(4, PHASES, "count operations")
        _label(plan.model, at)
        return {
            "weights": plan.files.main.told,
            "nets": list(nets),
            "original": nets["model"].kind,
            "no_fp16_storage": tried.spared,
            "lint": [note for note in [lint.skew()] if note],
            "failed": tried.failed,
            "empty": tried.empty,
            "reference": _reference(plan.model, nets["model"], at),
            "proof": _told(tried.proved),
            **_size(plan.model, nets, at),
        }


def _cosines(proved: Proved) -> str:
    """The lowest cosine of any output, in each precision."""
    lowest = {
        way: min(each.cosine for outputs in kinds.values() for each in outputs.values())
        for way, kinds in proved.figures.items()
    }
    return ", ".join(f"{way} cosine {cosine:.6f}" for way, cosine in lowest.items())


def asked_masks(model: Model, files: Files, route: str) -> dict[str, int]:
    """The masks that the YAML names for these weights.

    They are for the model's own route: by another one the same name may be another layer's.
    """
    own = originals.routes(model)[0]
    return model.masks.get(files.main.short, {}) if route == own else {}


def _lower(nets: Mapping[str, Original], at: Path, half: Path) -> None:
    """Both forms of each net."""
    for net in nets.values():
        net.lower(at, half=False)
        net.lower(half, half=True)


def _with_log(error: ConversionFailed, at: Path, name: str) -> ConversionFailed:
    """The error, with what pnnx wrote kept where the user can read it."""
    files = [*at.glob("*.pnnx.log"), *at.glob("*.ncnn.param")]
    if not files:
        return error
    kept = paths.artifacts() / "logs" / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, kept / file.name)
    remedy = f"{error.remedy}; kept: {kept}" if error.remedy else f"kept: {kept}"
    return ConversionFailed(error.what, evidence=error.evidence, remedy=remedy)


def _label(model: Model, at: Path) -> None:
    """The names of the classes, one a line; none for a model that knows no classes."""
    names = models.labels(model) if model.labels else []
    (at / LABELS).write_text(labels.text(names), encoding="utf-8", newline="\n")


def _reference(model: Model, original: Original, at: Path) -> dict[str, Any]:
    names = infer.outputs(infer.load(at))
    outputs = original.run(stimulus.tensor(model.input, stimulus.SEED, model.noise))
    (at / REFERENCE).mkdir()
    for name, values in zip(names, outputs, strict=True):
        values.astype("<f4").tofile(at / REFERENCE / f"{name}.f32")
    shapes = {name: list(v.shape) for name, v in zip(names, outputs, strict=True)}
    told = {"seed": stimulus.SEED, "span": list(model.noise), "outputs": shapes}
    return told | {"names": original.output_names(len(names))}


def _told(proved: Proved) -> dict[str, Any]:
    machine, told = platform.machine(), msgspec.to_builtins(proved)
    return {
        way: {
            "computed": f"{proof.COMPUTED[way]}, on {machine}",
            "inputs": figures,
            "found": told["found"].get(way),
            "tracks": told["tracks"].get(way),
        }
        for way, figures in told["figures"].items()
    }


def _size(model: Model, nets: Mapping[str, Original], at: Path) -> dict[str, Any]:
    """Of all nets together, one inference of each; of several also the first one's, ``main``."""
    feeds = proof.feeds(model, nets, ()).items()
    fed = {stem: feed["noise"][0] for stem, feed in feeds}
    each = {stem: net.size() or size.count(at, fed[stem], stem) for stem, net in nets.items()}
    whole = {what: sum(one[what] for one in each.values()) for what in ("params", "macs")}
    return whole | ({"main": each["model"]} if len(each) > 1 else {})

"""Model → Conversion: ncnn's files, the proof that they are right, and a reference for boards."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert import conversions
from piyard.convert.conversion_key import key_inputs, model_masks
from piyard.convert.conversions import (
    CONVERSION_SHELF,
    LABELS_FILE,
    REFERENCE_FOLDER,
    Conversion,
    ConversionInputs,
    ConversionManifest,
    PrecisionProof,
    ReferenceInfo,
)
from piyard.convert.fused_proof import fuse_encoders, prove_fused
from piyard.convert.lint import describe_version_skew, require_classes, require_logits
from piyard.convert.model_files import ModelFiles, choose_files
from piyard.convert.ncnn_net import (
    NET_STEM,
    PRECISION_NOTES,
    declared_inputs,
    input_blobs,
    load_net,
    net_outputs,
    read_layers,
)
from piyard.convert.net_size import net_sizes
from piyard.convert.param import add_masks
from piyard.convert.proof import ProofResult
from piyard.convert.proof_inputs import proof_pictures
from piyard.convert.proof_trial import TrialResult, run_trial
from piyard.convert.reference import ReferenceModel
from piyard.convert.reference_models import reference_networks
from piyard.convert.routes import require_route
from piyard.convert.text_encoder import TextReference, find_text
from piyard.convert.variant_pair import VariantPair
from piyard.core import console, paths, store
from piyard.core.console import Step
from piyard.core.errors import ConversionFailed
from piyard.core.files import scratch_folder
from piyard.core.labels import format_labels
from piyard.core.store import key_of
from piyard.models.definition import Model, read_labels
from piyard.models.networks import inference
from piyard.models.synthetic import INPUT_SEED, random_tensors

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


CONVERSION_PHASES = 4
HALF_FOLDER_PREFIX = "piyard-half-"


class ConversionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a conversion is made of."""

    model: Model
    files: ModelFiles
    route: str
    ir: Path | None
    """The PNNX IR that route ``pnnx`` begins with."""
    key: str
    inputs: ConversionInputs
    """What gives the key."""


class ProvedNetworks(msgspec.Struct, frozen=True, kw_only=True):
    """The networks of a conversion, lowered, and what their proof says."""

    nets: Mapping[str, ReferenceModel]
    """By stem."""
    result: TrialResult
    text: TextReference | None
    """Of a model with an encoder of texts."""
    fused: list[str]
    """Encoders whose attention was fused."""


def make_conversion(plan: ConversionPlan, at: Path) -> ConversionManifest:
    """Fill the folder; returns its manifest."""
    with console.step(f"convert {plan.model.name}") as step, inference():
        try:
            proved = _lower_and_prove(plan, at, step)
        except ConversionFailed as error:
            raise _with_log(error, at, f"convert-{plan.model.name}-{plan.key}") from None
        step.ok = not proved.result.failed
        step.outcome = _describe_cosines(proved.result.proved)
        step.phase(4, CONVERSION_PHASES, "count operations")
        _write_labels(plan.model, at)
        return _make_manifest(plan, proved, at)


def _lower_and_prove(plan: ConversionPlan, at: Path, step: Step) -> ProvedNetworks:
    with scratch_folder(HALF_FOLDER_PREFIX) as half:
        step.phase(1, CONVERSION_PHASES, "read the original")
        nets = reference_networks(plan.model, plan.files, route=plan.route, ir=plan.ir)
        require_classes(plan.model, nets["model"])
        require_logits(plan.model, nets["model"])
        step.phase(2, CONVERSION_PHASES, "lower to ncnn")
        _lower_networks(nets, at, half)
        add_masks(at, model_masks(plan.model, plan.files, plan.route))
        step.phase(3, CONVERSION_PHASES, "prove")
        return _prove_networks(plan, nets, at, half)


def _prove_networks(
    plan: ConversionPlan, nets: Mapping[str, ReferenceModel], at: Path, half: Path
) -> ProvedNetworks:
    """As pnnx wrote them; encoders of a pair are then fused, and proved again."""
    pictures = proof_pictures(plan.model)
    has_weights = plan.files.main.file is not None
    result = run_trial(plan.model, nets, at, half, pictures, meant=has_weights)
    text, fused = find_text(nets), list[str]()
    if text:
        text.save(at)
        fused = fuse_encoders(nets, text, at)
        result = prove_fused(plan.model, nets, at, fused, pictures, result)
    return ProvedNetworks(nets=nets, result=result, text=text, fused=fused)


def _make_manifest(plan: ConversionPlan, proved: ProvedNetworks, at: Path) -> ConversionManifest:
    result, original = proved.result, proved.nets["model"]
    sizes = net_sizes(plan.model, proved.nets, at)
    inputs = msgspec.structs.asdict(plan.inputs) | {"weights": plan.files.main.description}
    return ConversionManifest(
        **inputs,
        nets=list(proved.nets),
        original=original.kind,
        no_fp16_storage=result.keep_fp32,
        lint=[note for note in [describe_version_skew(), *result.notes] if note],
        failed=result.failed,
        empty=result.empty,
        reference=_write_reference(plan.model, original, at),
        proof=_proof_by_precision(result.proved),
        params=sum(size.params for size in sizes.values()),
        macs=sum(size.macs for size in sizes.values()),
        main=sizes[NET_STEM] if len(sizes) > 1 else msgspec.UNSET,
        texts=proved.text.figures if proved.text else msgspec.UNSET,
        fused=proved.fused or msgspec.UNSET,
    )


def _describe_cosines(proved: ProofResult) -> str:
    """The lowest cosine of any output, in each precision."""
    lowest = {
        precision: min(each.cosine for outputs in kinds.values() for each in outputs.values())
        for precision, kinds in proved.figures.items()
    }
    return ", ".join(f"{precision} cosine {cosine:.6f}" for precision, cosine in lowest.items())


def _lower_networks(nets: Mapping[str, ReferenceModel], at: Path, half: Path) -> None:
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


def _write_labels(model: Model, at: Path) -> None:
    """The names of the classes, one a line; none for a model without classes."""
    names = read_labels(model) if model.labels else []
    (at / LABELS_FILE).write_text(format_labels(names), encoding="utf-8", newline="\n")


def _write_reference(model: Model, original: ReferenceModel, at: Path) -> ReferenceInfo:
    names = net_outputs(load_net(at))
    # What int8 costs is the proof's to judge; a board is to compute the very file that passed it.
    computed_here = original.pair if isinstance(original, VariantPair) else original
    outputs = computed_here.run(*_reference_inputs(model, at))
    (at / REFERENCE_FOLDER).mkdir()
    for name, values in zip(names, outputs, strict=True):
        values.astype("<f4").tofile(at / REFERENCE_FOLDER / f"{name}.f32")
    return ReferenceInfo(
        seed=INPUT_SEED,
        span=model.input_range,
        outputs={name: list(v.shape) for name, v in zip(names, outputs, strict=True)},
        names=list(original.output_names(len(names))),
    )


def _reference_inputs(model: Model, at: Path) -> list[Floats]:
    """Inputs in the file's order, made up in the order in which nnrun takes them."""
    names = declared_inputs(read_layers(at))
    shapes = dict(zip(input_blobs(read_layers(at)), model.input_shapes, strict=True))
    drawn = random_tensors([shapes[name] for name in names], INPUT_SEED, model.input_range)
    by_name = dict(zip(names, drawn, strict=True))
    return [by_name[name] for name in shapes]


def _proof_by_precision(proved: ProofResult) -> dict[str, PrecisionProof]:
    machine = platform.machine()
    return {
        precision: PrecisionProof(
            computed=f"{PRECISION_NOTES[precision]}, on {machine}",
            inputs=figures,
            predictions=proved.predictions.get(precision),
            tracks=proved.tracks.get(precision),
            ranking=proved.rankings.get(precision, msgspec.UNSET),
        )
        for precision, figures in proved.figures.items()
    }


def convert_model(
    model: Model, *, random_weights: bool = False, route: str = "", force: bool = False
) -> Conversion:
    """The conversion of a model, made when it is not there yet.

    Raises ``WrongInput``, ``DownloadFailed`` when no accepted weights can be had, and
    ``ConversionFailed``; the log of a failed one is kept under artifacts/logs. One whose proof
    failed is kept and refused, unless with ``force``.
    """
    route = require_route(model, route)
    files = choose_files(model, random_weights=random_weights)
    ir = None
    if route == "pnnx":
        ir = convert_model(model, random_weights=random_weights, force=True).folder
    inputs = key_inputs(model, files, route)
    plan = ConversionPlan(
        model=model, files=files, route=route, ir=ir, key=key_of(inputs), inputs=inputs
    )
    folder, fresh = store.get_or_make(
        CONVERSION_SHELF, plan.key, lambda at: make_conversion(plan, at)
    )
    conversion = conversions.load_conversion(model, plan.key, folder, fresh=fresh)
    return conversion if force else conversion.require_proved()

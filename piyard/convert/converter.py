"""Model → Conversion: ncnn's files, the proof that they are right, and a reference for boards."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert import conversions
from piyard.convert.analysis import count_macs, count_params
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
    net_inputs,
    net_outputs,
    read_layers,
    run_all_blobs,
)
from piyard.convert.param import add_masks
from piyard.convert.proof import ProofResult
from piyard.convert.proof_inputs import make_inputs, proof_pictures
from piyard.convert.proof_trial import run_trial
from piyard.convert.reference import ReferenceModel
from piyard.convert.reference_models import reference_model, reference_networks
from piyard.convert.routes import model_routes, require_route
from piyard.convert.text_encoder import find_text
from piyard.convert.variant_pair import VariantPair
from piyard.core import console, paths, store
from piyard.core.errors import ConversionFailed, NotSetUp
from piyard.core.files import scratch_folder, sha256_of_file
from piyard.core.labels import format_labels
from piyard.core.store import NetSize, key_of
from piyard.models.definition import Model, read_labels
from piyard.models.networks import inference
from piyard.models.synthetic import INPUT_SEED, random_tensors
from piyard.models.timm_networks import is_timm_network
from piyard.models.weights import RANDOM_WEIGHTS, ChosenWeights
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture

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


def make_conversion(plan: ConversionPlan, at: Path) -> ConversionManifest:
    """Fill the folder; returns its manifest."""
    with (
        console.step(f"convert {plan.model.name}") as step,
        inference(),
        scratch_folder(HALF_FOLDER_PREFIX) as half,
    ):
        try:
            step.phase(1, CONVERSION_PHASES, "read the original")
            nets = reference_networks(plan.model, plan.files, route=plan.route, ir=plan.ir)
            require_classes(plan.model, nets["model"])
            require_logits(plan.model, nets["model"])
            step.phase(2, CONVERSION_PHASES, "lower to ncnn")
            _lower_networks(nets, at, half)
            add_masks(at, model_masks(plan.model, plan.files, plan.route))
            pictures = proof_pictures(plan.model)
            has_weights = plan.files.main.file is not None
            step.phase(3, CONVERSION_PHASES, "prove")
            result = run_trial(plan.model, nets, at, half, pictures, meant=has_weights)
            text, fused = find_text(nets), list[str]()
            if text:
                text.save(at)
                fused = fuse_encoders(nets, text, at)
                result = prove_fused(plan.model, nets, at, fused, pictures, result)
        except ConversionFailed as error:
            raise _with_log(error, at, f"convert-{plan.model.name}-{plan.key}") from None
        step.ok, step.outcome = not result.failed, _describe_cosines(result.proved)
        step.phase(4, CONVERSION_PHASES, "count operations")
        _write_labels(plan.model, at)
        sizes = _net_sizes(plan.model, nets, at)
        inputs = msgspec.structs.asdict(plan.inputs) | {"weights": plan.files.main.description}
        return ConversionManifest(
            **inputs,
            nets=list(nets),
            original=nets["model"].kind,
            no_fp16_storage=result.keep_fp32,
            lint=[note for note in [describe_version_skew(), *result.notes] if note],
            failed=result.failed,
            empty=result.empty,
            reference=_write_reference(plan.model, nets["model"], at),
            proof=_proof_by_precision(result.proved),
            params=sum(size.params for size in sizes.values()),
            macs=sum(size.macs for size in sizes.values()),
            main=sizes[NET_STEM] if len(sizes) > 1 else msgspec.UNSET,
            texts=text.figures if text else msgspec.UNSET,
            fused=fused or msgspec.UNSET,
        )


def _describe_cosines(proved: ProofResult) -> str:
    """The lowest cosine of any output, in each precision."""
    lowest = {
        precision: min(each.cosine for outputs in kinds.values() for each in outputs.values())
        for precision, kinds in proved.figures.items()
    }
    return ", ".join(f"{precision} cosine {cosine:.6f}" for precision, cosine in lowest.items())


def model_masks(model: Model, files: ModelFiles, route: str) -> dict[str, int]:
    """The masks that the YAML has for these weights.

    They are for the model's own route: by another one the same name may be another layer's.
    """
    own = model_routes(model)[0]
    return model.masks.get(files.main.short, {}) if route == own else {}


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


def _net_sizes(model: Model, nets: Mapping[str, ReferenceModel], at: Path) -> dict[str, NetSize]:
    """Of one inference of each network."""
    feeds = make_inputs(model, nets, ()).items()
    inputs = {stem: feed["noise"][0] for stem, feed in feeds}
    return {stem: _net_size(net, at, inputs[stem], stem) for stem, net in nets.items()}


def _net_size(net: ReferenceModel, at: Path, inputs: Sequence[Floats], stem: str) -> NetSize:
    size = net.size()
    return NetSize(**size) if size else count_operations(at, inputs, stem)


def count_operations(folder: Path, inputs: Sequence[Floats], stem: str = "model") -> NetSize:
    """The size of the network in the folder, for one inference of these inputs."""
    layers, net = read_layers(folder, stem), load_net(folder, stem)
    blobs = run_all_blobs(net, layers, *inputs)
    shapes = {name: value.shape for name, value in blobs.items()}
    shapes |= {name: x.shape for name, x in zip(net_inputs(net), inputs, strict=True)}
    return NetSize(
        params=sum(count_params(layer) for layer in layers),
        macs=sum(count_macs(layer, shapes) for layer in layers),
    )


CONVERSION_FORMAT = 16
"""Raise it when the code here makes other files from the same inputs."""
CONVERSION_TOOLS = ("torch", "torchvision", "onnx", "onnxruntime", "pnnx", "ncnn")


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


def load_original(conversion: Conversion) -> ReferenceModel:
    """What the conversion was made from, to be run under ``networks.inference``."""
    return reference_model(conversion.model, _chosen_weights(conversion))


def compute_reference_logits(conversion: Conversion, pictures: Sequence[Path]) -> Floats:
    """The original's first output for each picture, shape (pictures, classes)."""
    import numpy as np

    model = conversion.model
    with inference():
        network = load_original(conversion)
        pixels = map(read_picture, pictures)
        inputs = (prepare_picture(each, model.preprocess, model.input[1:]) for each in pixels)
        return np.stack([network.run(values)[0] for values in inputs])


def _chosen_weights(conversion: Conversion) -> ChosenWeights:
    if not conversion.has_real_weights:
        return RANDOM_WEIGHTS
    sha256 = conversion.manifest.weights.sha256
    file = next(file for file in conversion.model.weights if file.is_file(sha256))
    return ChosenWeights(file=file, sha256=sha256)


def key_inputs(model: Model, files: ModelFiles, route: str) -> ConversionInputs:
    """Everything that decides the bytes, and the thresholds they have passed."""
    return ConversionInputs(
        format=CONVERSION_FORMAT,
        route=route,
        network=model.network,
        task=model.task,
        input=model.input,
        input_range=model.input_range,
        further=list(model.further) or msgspec.UNSET,
        dynamic=model.dynamic,
        edits=list(model.variant.edits) if model.variant else msgspec.UNSET,
        cut=list(model.cut),
        output=model.output,
        activation=model.activation,
        preprocess=model.preprocess,
        head=model.head,
        tracker=model.tracker,
        text=model.text or msgspec.UNSET,
        labels=sha256_of_file(model.labels_file) if model.labels else "",
        weights=files.main.identity,
        parts={name: chosen.identity for name, chosen in files.parts.items()},
        masks=model_masks(model, files, route),
        thresholds=model.proof,
        versions={tool: _tool_version(tool) for tool in _conversion_tools(model)},
    )


def _conversion_tools(model: Model) -> tuple[str, ...]:
    return (*CONVERSION_TOOLS, "timm") if is_timm_network(model.network) else CONVERSION_TOOLS


def _tool_version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        raise NotSetUp(f"{tool} is not installed", remedy="run ./yard once") from None

"""Which layers a board must not compute in fp16 for its outputs to stay the original's.

The desktop's proof simulates fp16 storage, but not fp16 sums: no x86 has them. A board that has
them shows here what each layer really loses, and whether fp32 for the worst of them is enough.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert import divergence
from piyard.convert.conversions import LABELS_FILE, Conversion, ConversionManifest
from piyard.convert.difference import max_distance
from piyard.convert.divergence import describe_layer
from piyard.convert.lint import find_origins
from piyard.convert.mask_search import (
    SearchLimit,
    fewest_layers,
    order_by_loss,
    relative_distance,
)
from piyard.convert.ncnn_net import load_net, net_inputs, read_layers, run_all_blobs, run_layer
from piyard.convert.net_size import BlobShape, count_macs
from piyard.convert.param import FP32_MASK, Layer, add_masks, join_name, split_name
from piyard.convert.proof import compare_with_reference, prediction_problem
from piyard.convert.proof_inputs import ProofCase
from piyard.core import console, paths
from piyard.core.errors import BoardCommandFailed, BoardDiskFull, UnreadableLog
from piyard.core.files import scratch_folder
from piyard.core.store import key_of, make_at, read_manifest
from piyard.prove import tensors
from piyard.prove.board_proof import BoardProof, prove_on_board
from piyard.run import execute
from piyard.run.job import JobContext

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


MASKABLE_PRECISIONS = ("fp16", "int8")
"""Precisions whose layers ncnn's masks can spare fp16."""
TOLERATED_ERRORS = (BoardCommandFailed, BoardDiskFull, UnreadableLog)
"""What may stop a closer look, which takes more memory and room, but not the proof itself."""


SEARCH_LIMIT_S = 3600.0
"""Of the search for masks on a board, which computes the inputs anew for each trial."""


def prove_and_explain(
    context: JobContext,
    question: ProofCase,
    *,
    mask: bool,
    mask_limit_s: float = SEARCH_LIMIT_S,
) -> BoardProof:
    """The proof; where it failed, where that begins and, with ``mask``, what helps."""
    proof = prove_on_board(context, question)
    if not proof.failed:
        return proof
    try:
        looked = probe_layers(context, question, proof)
    except TOLERATED_ERRORS as error:
        return msgspec.structs.replace(proof, where=[f"where it begins is not known: {error.what}"])
    begins = [
        line for probe in looked for line in first_lost_layer(context, question, probe, proof.least)
    ]
    located = msgspec.structs.replace(proof, where=begins)
    if not (mask and is_maskable(proof)):
        return located
    return _with_masks(context, question, looked, located, SearchLimit(mask_limit_s))


def _with_masks(
    context: JobContext,
    question: ProofCase,
    looked: Sequence[LayerProbe],
    proof: BoardProof,
    limit: SearchLimit,
) -> BoardProof:
    try:
        return prove_with_masks(context, question, looked, limit) or proof
    except TOLERATED_ERRORS as error:
        console.info(
            f"{proof.model.name} on {proof.host}: which masks help is not known: {error.what}"
        )
        return proof
    finally:  # what was tried is not what the board is left with
        execute.deploy_and_hold(context, [context.release])


def is_maskable(proof: BoardProof) -> bool:
    in_halves = proof.requested in MASKABLE_PRECISIONS and not proof.precision.startswith("fp32")
    return in_halves and bool(proof.astray)


class LayerProbe(msgspec.Struct, frozen=True, kw_only=True):
    """A net's inputs, and all the blobs that the board computes from them."""

    stem: str
    layers: list[Layer]
    inputs: tuple[Floats, ...]
    blobs: Mapping[str, Floats]

    @property
    def working(self) -> list[Layer]:
        """The layers that compute something."""
        return [layer for layer in self.layers if layer.type != "Input"]


def probe_layers(context: JobContext, inputs: ProofCase, proof: BoardProof) -> list[LayerProbe]:
    """Each net that is not alike, with the input that it is furthest apart for."""
    probes = []
    for stem in proof.astray:
        kind = proof.worst_kind(stem)
        first = inputs.fed[stem][kind][0]
        (blobs,) = tensors.compute_tensors(context, stem, {kind: [first]}, every=True).blobs[kind]
        layers = read_layers(context.conversion.folder, stem)
        probes.append(LayerProbe(stem=stem, layers=layers, inputs=first, blobs=blobs))
    return probes


def first_lost_layer(
    context: JobContext, inputs: ProofCase, closer: LayerProbe, least: float
) -> list[str]:
    """The first layer that moves away from ncnn's fp32 on this machine, for good."""
    folder, stem = context.conversion.folder, closer.stem
    exact = run_all_blobs(load_net(folder, stem), closer.layers, *closer.inputs)
    most = max_distance(least)
    matching = {name: _layer_distance(closer, name, value) <= most for name, value in exact.items()}
    layer = divergence.first_lost_layer(closer.layers, matching)
    if layer is None:
        return []
    layer_origins = find_origins(folder, stem, inputs.names[stem])
    return [describe_layer(layer, layer_origins.get(layer.name, ""))]


def layer_losses(context: JobContext, closer: LayerProbe) -> dict[str, float]:
    """Each layer's own error: it is computed here again from the board's inputs of it."""
    net = load_net(context.conversion.folder, closer.stem)
    values = {**closer.blobs, **dict(zip(net_inputs(net), closer.inputs, strict=True))}
    loss_by_layer = {}
    for layer in closer.working:
        exact = run_layer(net, layer, [values[name] for name in layer.bottoms])
        loss_by_layer[layer.name] = max(
            _layer_distance(closer, name, value) for name, value in exact.items()
        )
    return loss_by_layer


def _layer_distance(closer: LayerProbe, name: str, exact: Floats) -> float:
    return relative_distance(exact, closer.blobs[name].reshape(exact.shape))


SAVED_A_MAC = 1 / 4 - 1 / 8
"""Instructions: four of fp32's multiply at once, eight of fp16's."""
SAVED_A_VALUE = 1 / 4
"""Of a layer that works value by value: load, compute and store, four or eight at once."""
CAST_A_VALUE = 1.0
"""Between fp32 by fours and fp16 by eights: load, convert, store, and the order of channels.
Counted on an emulated Cortex-A76, 0.9 to 1.1."""
MOVES_NOTHING = {"Input", "Split", "Reshape", "Flatten", "Noop", "MemoryData", "Dropout"}


def is_slower(closer: LayerProbe, masked: Collection[str]) -> bool:
    """Whether the net is slower than in fp32 when these layers, or types of layers, are masked."""
    in_fp32 = {
        layer.name for layer in closer.working if layer.name in masked or layer.type in masked
    }
    names = [name for layer in closer.layers if layer.type == "Input" for name in layer.tops]
    shapes = {name: blob.shape for name, blob in closer.blobs.items()}
    shapes |= {name: layer.shape for name, layer in zip(names, closer.inputs, strict=True)}
    fp16 = [layer for layer in closer.working if layer.name not in in_fp32]
    saved = sum(_saved_instructions(layer, shapes) for layer in fp16)
    return CAST_A_VALUE * _cast_values(closer.working, in_fp32, shapes) > saved


def _saved_instructions(layer: Layer, shapes: dict[str, BlobShape]) -> float:
    if layer.type in MOVES_NOTHING:
        return 0.0
    count = sum(prod(shapes[name]) for name in layer.tops)
    return SAVED_A_MAC * count_macs(layer, shapes) + SAVED_A_VALUE * count


def _cast_values(
    working: Sequence[Layer], in_fp32: Collection[str], shapes: dict[str, BlobShape]
) -> int:
    """Values that are cast: once a reader, as ncnn does it."""
    is_fp32 = {name: layer.name in in_fp32 for layer in working for name in layer.tops}
    pairs = ((layer, name) for layer in working for name in layer.bottoms if name in is_fp32)
    return sum(
        prod(shapes[name]) for layer, name in pairs if is_fp32[name] != (layer.name in in_fp32)
    )


TRIAL_FOLDER = ".trials-"
"""Beside the weights, which the trials share with the conversion."""
WHOLE_NET = 1.0
"""The part of the types that may be masked."""


class MaskSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried, and the folder of this machine where that is written."""

    context: JobContext
    question: ProofCase
    folder: Path
    limit: SearchLimit

    def seat_with(self, by_name: Mapping[str, int]) -> JobContext:
        """The context with these layers masked."""
        return self.context.with_conversion(
            masked_conversion(self.context.conversion, by_name, self.folder)
        )


def needed_masks(search: MaskSearch, closer: LayerProbe) -> dict[str, int]:
    """Layer or type → mask, as few as bring that net over its threshold; nothing where none do.

    Single layers where a part of the net is enough, else whole types; what costs less first. A
    layer of a second net begins with its name, as ``head:conv_1``.
    """
    bears = partial(_is_near_enough, search, closer.stem)
    loss_by_layer = layer_losses(search.context, closer)
    order = order_by_loss(closer.working, loss_by_layer)
    layers = fewest_layers(order, bears, search.limit)
    if not (layers or search.limit.stopped):
        types = _types_by_loss(closer.working, loss_by_layer)
        layers = fewest_layers(types, bears, search.limit, WHOLE_NET)
    return _masks_of(closer.stem, layers)


def prove_with_masks(
    context: JobContext,
    question: ProofCase,
    closer: Sequence[LayerProbe],
    limit: SearchLimit,
) -> BoardProof | None:
    """The proof with the masks that are needed; None where none help, or none are found in time."""
    with scratch_folder(TRIAL_FOLDER, within=paths.artifacts()) as folder:
        search = MaskSearch(context=context, question=question, folder=folder, limit=limit)
        each = {probe.stem: needed_masks(search, probe) for probe in closer}
        fp32_layers = {
            name: mask for stem_masks in each.values() for name, mask in stem_masks.items()
        }
        if limit.stopped:
            console.info(
                f"{question.model.name} on {context.job.host}: {limit.note(len(fp32_layers))}"
            )
        if not fp32_layers:
            return None
        better = prove_on_board(search.seat_with(fp32_layers), question)
    slower = [
        probe.stem
        for probe in closer
        if is_slower(probe, {split_name(name)[1] for name in each[probe.stem]})
    ]
    return msgspec.structs.replace(better, masks=fp32_layers, slower=slower)


def masked_conversion(conversion: Conversion, by_name: Mapping[str, int], at: Path) -> Conversion:
    """The conversion with these masks in its .param files, in a folder within ``at``."""
    if not by_name:
        return conversion
    key = key_of({"conversion": conversion.key, "masks": dict(by_name)})
    if not (at / key).is_dir():
        make_at(at / key, lambda draft: _write_masked_files(conversion, by_name, draft))
    return msgspec.structs.replace(conversion, key=key, folder=at / key)


def _write_masked_files(
    conversion: Conversion, by_name: Mapping[str, int], at: Path
) -> ConversionManifest:
    shutil.copyfile(conversion.folder / LABELS_FILE, at / LABELS_FILE)
    for stem in conversion.stems:
        shutil.copyfile(conversion.folder / f"{stem}.ncnn.param", at / f"{stem}.ncnn.param")
        _share_weights(conversion.folder / f"{stem}.ncnn.bin", at / f"{stem}.ncnn.bin")
    add_masks(at, by_name)
    before = read_manifest(conversion.folder, ConversionManifest)
    return msgspec.structs.replace(before, masks={**before.masks, **by_name})


def _share_weights(weights: Path, at: Path) -> None:
    """The same file under another name: a dozen copies of large weights would fill a disk."""
    try:
        at.hardlink_to(weights)
    except OSError:
        shutil.copyfile(weights, at)


def _masks_of(stem: str, layers: Iterable[str]) -> dict[str, int]:
    return {join_name(stem, name): FP32_MASK for name in sorted(layers)}


def _types_by_loss(working: Sequence[Layer], loss_by_layer: Mapping[str, float]) -> list[str]:
    """Types of layers, those first whose layers lose most together."""
    total: dict[str, float] = {}
    for layer in working:
        total[layer.type] = total.get(layer.type, 0.0) + loss_by_layer[layer.name] ** 2
    return sorted(total, key=lambda name: -total[name])


def _is_near_enough(search: MaskSearch, stem: str, tried: set[str]) -> bool:
    """Whether the outputs agree, with a margin, when these are masked."""
    inputs, context = search.question, search.seat_with(_masks_of(stem, tried))
    answer = tensors.compute_tensors(context, stem, inputs.fed[stem])
    figures, agreement = compare_with_reference(inputs, {stem: answer.blobs})
    lowest = min(each.agreement for outputs in figures.values() for each in outputs.values())
    least = (1 + inputs.model.min_cosine(answer.precision)) / 2
    problem = prediction_problem(inputs.model, answer.precision, agreement) if agreement else ""
    what, suffix = join_name(stem, f"{len(tried)} masked"), f"; {problem}" if problem else ""
    console.info(
        f"{context.job.host}: {what}: lowest cosine {lowest:.6f}, required {least:.6g}{suffix}"
    )
    return lowest >= least and not problem

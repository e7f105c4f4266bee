"""A converted model on trial: proved, helped where fp16 alone is not enough, and judged.

Each layer is measured for how much fp16 alone costs it; those that lose most stay in fp32 first, as
few as bring the outputs over the threshold. Names do not survive the conversion, values do: each
blob of ncnn is looked for among everything the original computes on its way. A layer whose output
is nowhere to be found there is at fault when nothing after it is found again either; otherwise it
was only put together differently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.difference import max_distance
from piyard.convert.lint import find_origins
from piyard.convert.ncnn_net import (
    NetPair,
    load_net_pair,
    net_inputs,
    run_all_blobs,
    run_layer_fp16,
)
from piyard.convert.param import FP32_MASK, Layer, write_masks
from piyard.convert.proof import (
    ProofResult,
    compare_with_reference,
    constant_outputs,
    proof_problems,
    prove_nets,
    run_inputs,
)
from piyard.convert.proof_inputs import (
    ProofCase,
    follow_objects,
    make_case,
    make_inputs,
    reference_clip,
)
from piyard.convert.reference import ReferenceModel
from piyard.models.definition import Model
from piyard.vision.overlap import Agreement
from piyard.vision.tasks.track import TRACK

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


SAME_WITHIN = 1e-3
"""Largest length of the difference of two tensors, as a part of their own length."""


def first_diverging(
    net: Any, layers: Sequence[Layer], computed: Iterable[tuple[str, Floats]], *values: Floats
) -> Layer | None:
    """The first layer at fault, given what the original computes of ``values``."""
    computed_tensors = _by_size(values, computed)
    blobs = run_all_blobs(net, layers, *values)
    right = {name: _is_computed(value, computed_tensors) for name, value in blobs.items()}
    return first_lost_layer(layers, right)


def first_diverging_fp16(nets: NetPair, *values: Floats, alike: float) -> Layer | None:
    """The first layer whose output fp16 storage moves further than ``alike``, for good."""
    exact = run_all_blobs(nets.full, nets.layers, *values)
    rounded = nets.all_blobs_fp16(*values)
    right = {
        name: relative_distance(value, rounded[name]) <= alike for name, value in exact.items()
    }
    return first_lost_layer(nets.layers, right)


def first_lost_layer(layers: Sequence[Layer], right: Mapping[str, bool]) -> Layer | None:
    """The first layer with a wrong output from which no right blob follows."""
    recovers: dict[str, bool] = {}
    lost: Layer | None = None
    for layer in reversed(layers):
        if layer.type == "Input":
            continue
        well = any(right[name] or recovers.get(name, False) for name in layer.tops)
        for name in layer.bottoms:
            recovers[name] = recovers.get(name, False) or well
        lost = lost if well else layer
    return lost


def describe_layer(layer: Layer, origin: str = "") -> str:
    """The line that names it, and where in the original it came from."""
    from_ = f", in the original {origin}" if origin else ""
    return f"first diverging layer: {layer.type} '{layer.name}'{from_}"


def relative_distance(reference: Floats, other: Floats) -> float:
    """Length of the difference as a part of ``reference``'s own; infinite when not finite."""
    import numpy as np

    a, b = (values.astype(np.float64).ravel() for values in (reference, other))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    length, apart = float(np.linalg.norm(a)), float(np.linalg.norm(a - b))
    return apart / length if length else apart


def _by_size(
    values: Sequence[Floats], computed: Iterable[tuple[str, Floats]]
) -> dict[int, list[Floats]]:
    by_size: dict[int, list[Floats]] = {}
    for value in (*values, *(value for _, value in computed)):
        by_size.setdefault(value.size, []).append(value)
    return by_size


def _is_computed(value: Floats, by_size: Mapping[int, list[Floats]]) -> bool:
    return any(
        relative_distance(tensor, value) <= SAME_WITHIN for tensor in by_size.get(value.size, [])
    )


MAX_FP32_SHARE = 0.25
"""The largest share of the layers that may stay in fp32."""


def fewest_layers(
    order: Sequence[str], well: Callable[[set[str]], bool], most_of_all: float | None = None
) -> set[str]:
    """The first so many names whose sparing makes all ``well``; none when that takes too many.

    ``order`` has those first that lose most; at most ``MAX_FP32_SHARE`` of them are taken.
    """
    most = int((MAX_FP32_SHARE if most_of_all is None else most_of_all) * len(order))
    few, many = 0, min(1, most)
    while many and not well(set(order[:many])):
        few, many = many, min(2 * many, most) if many < most else 0
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if well(set(order[:middle])) else (middle, many)
    return set(order[:many])


def layers_by_loss(nets: NetPair, inputs: Sequence[Floats]) -> list[str]:
    """All layers, those first that lose most in fp16; after one that overflows, its readers.

    ``inputs`` are one array for each of its inputs.
    """
    exact = run_all_blobs(nets.full, nets.layers, *inputs)
    blobs = exact | dict(zip(net_inputs(nets.full), inputs, strict=True))
    working = [layer for layer in nets.layers if layer.type != "Input"]
    return order_by_loss(working, {layer.name: _fp16_loss(nets, layer, blobs) for layer in working})


def order_by_loss(working: Sequence[Layer], lost: Mapping[str, float]) -> list[str]:
    """Names of layers, by what each loses; one that reads what overflowed loses as much."""
    spilt = {name for layer in working if lost[layer.name] == float("inf") for name in layer.tops}
    all_lost = {layer.name for layer in working if spilt & set(layer.bottoms)}
    counted = {**lost, **dict.fromkeys(all_lost, float("inf"))}
    return sorted(counted, key=lambda name: -counted[name])


def _fp16_loss(nets: NetPair, layer: Layer, blobs: dict[str, Floats]) -> float:
    """How far the layer's output is from the exact one when it alone computes in fp16."""
    inputs = [blobs[name] for name in layer.bottoms]
    rounded = run_layer_fp16(nets.half, layer, inputs)
    return max(relative_distance(blobs[name], rounded[name]) for name in layer.tops)


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a trial."""

    proved: ProofResult
    keep_fp32: list[str]
    """Layers that stay in fp32 because the net fails the proof with fp16 there."""
    failed: list[str]
    """What differs too much, a line each, and where it starts; empty when all is well."""
    empty: dict[str, str] = {}
    """Outputs of which even agreement proves nothing, and why."""


class ProofTrial(msgspec.Struct, frozen=True, kw_only=True):
    """All that is compared."""

    case: ProofCase
    originals: Mapping[str, ReferenceModel]
    full: Path
    half: Path

    def pairs(self) -> dict[str, NetPair]:
        """The nets as their files are now."""
        return {stem: load_net_pair(self.full, self.half, stem) for stem in self.originals}

    def prove(self) -> ProofResult:
        """The figures of the files as they are now."""
        pairs = self.pairs()
        proved = prove_nets(self.case, self.originals, pairs)
        return msgspec.structs.replace(proved, tracks=self._tracks(pairs, proved.figures))

    def _tracks(
        self, pairs: Mapping[str, NetPair], precisions: Collection[str]
    ) -> dict[str, Agreement]:
        """What a tracker follows; empty without a clip."""
        model, clip = self.case.model, self.case.clip
        if clip is None:
            return {}
        computes = {
            precision: {stem: nets.computes(precision) for stem, nets in pairs.items()}
            for precision in precisions
        }
        return {
            precision: TRACK.compare_tracks(
                clip.expected, follow_objects(model, clip.film, computes[precision])
            )
            for precision in precisions
        }


def run_trial(
    model: Model,
    originals: Mapping[str, ReferenceModel],
    full: Path,
    half: Path,
    pictures: Sequence[Path],
    *,
    meant: bool,
) -> TrialResult:
    """Prove the nets in both folders; the .param in ``full`` gets the masks that help.

    With random weights nothing is ``meant`` by the outputs: thousands of boxes are as good as each
    other, and neither what is found in pictures nor what is followed is compared. Raises
    ``ConversionFailed`` when there is nothing to compare with.
    """
    fed = make_inputs(model, originals, pictures)
    clip = reference_clip(model, originals) if meant else None
    case = make_case(model, originals, fed, pictures if meant else (), clip)
    trial = ProofTrial(case=case, originals=originals, full=full, half=half)
    proved = trial.prove()
    wrong = proof_problems(model, proved)
    kept_fp32 = (
        _mask_layers(trial) if wrong and all(line.startswith("fp16") for line in wrong) else []
    )
    if kept_fp32:
        proved = trial.prove()
        wrong = proof_problems(model, proved)
    return TrialResult(
        proved=proved,
        keep_fp32=kept_fp32,
        failed=wrong + (_diverging_layers(trial, wrong) if wrong else []),
        empty=constant_outputs(case, proved.figures),
    )


def _mask_layers(trial: ProofTrial) -> list[str]:
    """Mask as few layers as bring each net over the threshold; their names."""
    all_masked = []
    few = trial.case.few()
    for stem, nets in trial.pairs().items():
        bearable = partial(_is_bearable, few, stem, nets)
        inputs = few.fed[stem]["noise"][0]
        masked = set() if bearable(set()) else fewest_layers(layers_by_loss(nets, inputs), bearable)
        write_masks(trial.full / f"{stem}.ncnn.param", dict.fromkeys(masked, FP32_MASK))
        all_masked += sorted(masked)
    return all_masked


def _is_bearable(case: ProofCase, stem: str, nets: NetPair, keep_fp32: set[str]) -> bool:
    """Whether the outputs, and what is found, stay alike when these layers stay in fp32."""
    outputs = run_inputs(partial(nets.run_fp16, keep_fp32=keep_fp32), case.fed[stem])
    figures, predictions = compare_with_reference(case, {stem: outputs})
    by_precision = {"fp16": predictions} if predictions else {}
    return not proof_problems(
        case.model, ProofResult(figures={"fp16": figures}, predictions=by_precision)
    )


def _diverging_layers(trial: ProofTrial, wrong: Sequence[str]) -> list[str]:
    """The first layer at fault of each net, for fp32 when that is wrong, else for fp16."""
    exact = any(line.startswith("fp32") for line in wrong)
    lines = []
    for stem, nets in trial.pairs().items():
        inputs = trial.case.fed[stem]["noise"][0]
        layer = (
            _first_wrong(trial.originals[stem], nets, inputs)
            if exact
            else _first_worn(trial, nets, inputs)
        )
        if layer:
            layer_origins = find_origins(trial.full, stem, trial.case.names[stem])
            lines.append(describe_layer(layer, layer_origins.get(layer.name, "")))
    return lines


def _first_wrong(
    original: ReferenceModel, nets: NetPair, inputs: tuple[Floats, ...]
) -> Layer | None:
    return first_diverging(nets.full, nets.layers, original.tensors(*inputs), *inputs)


def _first_worn(trial: ProofTrial, nets: NetPair, inputs: tuple[Floats, ...]) -> Layer | None:
    alike = max_distance(trial.case.model.proof.cosine_fp16)
    return first_diverging_fp16(nets, *inputs, alike=alike)

"""A converted model on trial: proved, helped where fp16 alone is not enough, and judged.

Where ncnn's long sums are not exact enough, they are split (``averages.py``); where fp16 alone is
not enough, layers stay in fp32 (``mask_search.py``); what is wrong all the same is named by the
first layer at fault (``divergence.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.averages import split_averages
from piyard.convert.difference import compare_outputs, max_distance, worst_difference
from piyard.convert.divergence import describe_layer, first_diverging, first_diverging_fp16
from piyard.convert.lint import find_origins
from piyard.convert.mask_search import (
    SearchLimit,
    fewest_layers,
    layers_by_loss,
)
from piyard.convert.ncnn_net import (
    NetPair,
    load_net_pair,
    net_inputs,
    run_all_blobs,
)
from piyard.convert.pair_cut import format_param
from piyard.convert.param import FP32_MASK, INT8, Layer, write_masks
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
from piyard.core import console
from piyard.core.text import format_count
from piyard.models.definition import Model
from piyard.vision.overlap import Agreement
from piyard.vision.tasks.track import TRACK

if TYPE_CHECKING:
    from piyard.convert.proof import Computed
    from piyard.vision.schema import Floats


HARDEST_KINDS = 2
"""Kinds of input by which layers that must stay in fp32 are looked for."""


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a trial."""

    proved: ProofResult
    keep_fp32: list[str]
    """Layers that stay in fp32 because the net fails the proof with fp16 there."""
    failed: list[str]
    """What differs too much, a line each, and where it starts; empty when all is well."""
    empty: dict[str, str] = {}
    """Outputs of which even agreement proves nothing, and why."""
    notes: list[str] = []
    """What else is worth knowing."""


class ProofTrial(msgspec.Struct, frozen=True, kw_only=True):
    """All that is compared."""

    case: ProofCase
    originals: Mapping[str, ReferenceModel]
    full: Path
    half: Path

    def pairs(self) -> dict[str, NetPair]:
        """The nets as their files are now."""
        return {stem: load_net_pair(self.full, self.half, stem) for stem in self.originals}

    def param_files(self, *stems: str) -> list[Path]:
        """Those of these nets, or of all; both folders have the same layers."""
        return [
            folder / f"{stem}.ncnn.param"
            for folder in (self.full, self.half)
            for stem in stems or self.originals
        ]

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
    notes: list[str] = []
    if _fails_in_fp32(wrong) and not model.dynamic:
        proved, wrong, notes = _prove_by_rows(trial, proved, wrong)
    limit = SearchLimit()
    kept_fp32 = _mask_layers(trial, limit) if wrong and not _fails_beside_fp16(wrong) else []
    if kept_fp32:
        proved = trial.prove()
        wrong = proof_problems(model, proved)
    return TrialResult(
        proved=proved,
        keep_fp32=kept_fp32,
        failed=wrong + (_diverging_layers(trial, wrong) if wrong else []),
        empty=constant_outputs(case, proved.figures),
        notes=[note for note in (*notes, limit.note(len(kept_fp32))) if note],
    )


def _fails_in_fp32(wrong: Sequence[str]) -> bool:
    return any(line.startswith("fp32") for line in wrong)


def _fails_beside_fp16(wrong: Sequence[str]) -> bool:
    return any(not line.startswith("fp16") for line in wrong)


def _prove_by_rows(
    trial: ProofTrial, proved: ProofResult, wrong: list[str]
) -> tuple[ProofResult, list[str], list[str]]:
    """The proof, its problems and a note, with long averages in two steps where that is the remedy.

    Else the files are what they were.
    """
    before = {file: file.read_text() for file in trial.param_files()}
    stems = [stem for stem, kinds in trial.case.fed.items() if "noise" in kinds]
    names = [name for stem in stems for name in _split_averages(trial, stem)]
    if names:
        console.info("  averages of many values by rows first: ncnn adds them one after another")
        better = trial.prove()
        left = proof_problems(trial.case.model, better)
        if not _fails_beside_fp16(left):
            averages = format_count(len(names), "average")
            return better, left, [f"{averages} by rows first, as ncnn's long sums are not exact"]
    for file, text in before.items():
        file.write_text(text)
    return proved, wrong, []


def _split_averages(trial: ProofTrial, stem: str) -> list[str]:
    """Names of the layers of that net that were split, in both folders."""
    nets = load_net_pair(trial.full, trial.half, stem)
    inputs = trial.case.fed[stem]["noise"][0]
    blobs = run_all_blobs(nets.full, nets.layers, *inputs)
    blobs |= zip(net_inputs(nets.full), inputs, strict=True)
    layers, names = split_averages(nets.layers, {name: each.shape for name, each in blobs.items()})
    for file in trial.param_files(stem) if names else []:
        file.write_text(format_param(layers))
    return names


def _mask_layers(trial: ProofTrial, limit: SearchLimit) -> list[str]:
    """Mask as few layers as bring each net over the threshold; their names."""
    all_masked = []
    case = trial.case
    for stem, nets in trial.pairs().items():
        outputs = run_inputs(nets.run_fp16, case.fed[stem])
        masked: set[str] = set()
        if _fp16_problems(case, stem, outputs):
            hardest = _hardest_inputs(case, stem, outputs)
            order = layers_by_loss(nets, *(fed[0] for fed in hardest.fed[stem].values()))
            bearable = partial(_is_bearable, (hardest, case), stem, nets)
            masked = fewest_layers(order, bearable, limit)
        write_masks(trial.full / f"{stem}.ncnn.param", dict.fromkeys(masked, FP32_MASK))
        all_masked += sorted(masked)
    return all_masked


def _is_bearable(cases: Sequence[ProofCase], stem: str, nets: NetPair, keep_fp32: set[str]) -> bool:
    """Whether the outputs, and what is found, stay alike when these layers stay in fp32.

    A case that is not spares those after it.
    """
    layers = format_count(len(keep_fp32), "layer")
    with console.step(f"fp16 with {layers} of {len(nets.layers)} in fp32") as step:
        run = partial(nets.run_fp16, keep_fp32=keep_fp32)
        each = (_fp16_problems(case, stem, run_inputs(run, case.fed[stem])) for case in cases)
        problems = next(filter(None, each), [])
        step.ok, step.outcome = not problems, f"not enough: {problems[0]}" if problems else "enough"
    return not problems


def _hardest_inputs(case: ProofCase, stem: str, got: Computed) -> ProofCase:
    """Of the two kinds that are furthest apart for that net, the input that is.

    What is found in a picture is not part of it.
    """
    expected = case.expected[stem]
    agreements = {
        (kind, number): _lowest_agreement(expected[kind][number], list(output.values()))
        for kind, outputs in got.items()
        for number, output in enumerate(outputs)
    }
    hardest: dict[str, int] = {}
    for kind, number in sorted(agreements, key=agreements.__getitem__):
        hardest.setdefault(kind, number)
    few = list(hardest.items())[:HARDEST_KINDS]
    return msgspec.structs.replace(
        case,
        fed={stem: {kind: [case.fed[stem][kind][number]] for kind, number in few}},
        expected={stem: {kind: [expected[kind][number]] for kind, number in few}},
        pictures=(),
    )


def _lowest_agreement(reference: Sequence[Floats], got: Sequence[Floats]) -> float:
    pairs = zip(reference, got, strict=True)
    return min(worst_difference([compare_outputs(*pair)]).agreement for pair in pairs)


def _fp16_problems(case: ProofCase, stem: str, outputs: Computed) -> list[str]:
    """What is too far apart in these outputs of that net."""
    figures, predictions = compare_with_reference(case, {stem: outputs})
    by_precision = {"fp16": predictions} if predictions else {}
    return proof_problems(
        case.model, ProofResult(figures={"fp16": figures}, predictions=by_precision)
    )


def _diverging_layers(trial: ProofTrial, wrong: Sequence[str]) -> list[str]:
    """The first layer at fault of each net, for fp32 when that is wrong, else for fp16."""
    if any(line.startswith(INT8) for line in wrong):
        return []  # every quantised layer moves: compress --per-layer says which moves what
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

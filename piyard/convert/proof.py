"""Proof that the converted network computes what its original computes.

Compared are outputs on pictures, on noise and on a tensor whose memory is not contiguous, with ncnn
in fp32 and with fp16 storage imitated (see ncnn_net.py), and what the outputs mean: the class, the
objects, the keypoints of each picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.difference import (
    CONSTANT_OUTPUT,
    OutputDifference,
    OutputFigures,
    compare_outputs,
    max_distance,
    worst_difference,
)
from piyard.convert.ncnn_net import NET_STEM, PRECISION_NOTES, NetPair
from piyard.convert.param import INT8, TEXT_STEM, count_quantised, join_name, split_name
from piyard.convert.proof_inputs import PICTURES_KIND, InputsByKind, ProofCase
from piyard.convert.ranking import Ranking, compare_rankings, computed_rows, last_rows
from piyard.convert.reference import ReferenceModel
from piyard.convert.text_encoder import SENTENCES_KIND
from piyard.core.errors import ConversionFailed
from piyard.models.definition import Model
from piyard.vision.head_schema import DenseHead
from piyard.vision.overlap import (
    SAME_OBJECT_IOU,
    Agreement,
    AgreementLimits,
    worst_agreement,
)
from piyard.vision.pictures import read_picture
from piyard.vision.schema import BytetrackConfig
from piyard.vision.transforms import picture_transform

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

    NetOutputs = Sequence[Floats]
    Outputs = list[Floats]
    Computed = Mapping[str, Sequence[Mapping[str, Floats]]]
    """Kind of input → the outputs for each input, by blob."""


def predictions_agreement(
    model: Model,
    pictures: Sequence[Path],
    expected: Sequence[NetOutputs],
    got: Sequence[NetOutputs],
) -> Agreement | None:
    """The worst of the pictures; None for a network without a head, or without pictures."""
    if model.head is None or not pictures:
        return None
    task, size = model.spec, model.input[1:]
    agreements = []
    for path, reference, output in zip(pictures, expected, got, strict=True):
        picture = read_picture(path)
        transform = picture_transform(picture.size, model.preprocess, size)
        agreements.append(
            task.compare(
                task.decode(model.head, reference, size, transform),
                task.decode(model.head, output, size, transform),
            )
        )
    return worst_agreement(agreements)


FiguresByKind = dict[str, dict[str, OutputFigures]]
"""Kind of input → output → figures."""


class ProofResult(msgspec.Struct, frozen=True, kw_only=True):
    """How alike the converted model is, by precision."""

    figures: dict[str, FiguresByKind]
    predictions: dict[str, Agreement] = {}
    """What the outputs for real pictures mean; nothing where there are none, or no head."""
    tracks: dict[str, Agreement] = {}
    """What is followed in a clip; nothing where there is none, or no tracker."""
    rankings: dict[str, Ranking] = {}
    """How near pictures and texts are; nothing for a model without an encoder of texts."""


def compare_with_reference(
    case: ProofCase, got: Mapping[str, Computed]
) -> tuple[FiguresByKind, Agreement | None]:
    """How alike the outputs of each net are, and what is found in the pictures."""
    by_kind: FiguresByKind = {}
    for stem, computed in got.items():
        for kind, outputs in _figures_by_kind(stem, computed, case.expected[stem]).items():
            by_kind.setdefault(kind, {}).update(outputs)
    main = got.get(NET_STEM)
    if main is None or not case.pictures:
        return by_kind, None
    outputs_by_picture = [list(outputs.values()) for outputs in main[PICTURES_KIND]]
    return by_kind, predictions_agreement(
        case.model, case.pictures, case.expected[NET_STEM][PICTURES_KIND], outputs_by_picture
    )


def prove_nets(
    case: ProofCase, originals: Mapping[str, ReferenceModel], pairs: Mapping[str, NetPair]
) -> ProofResult:
    """The figures of ncnn on this machine."""
    functions = {stem: _net_functions(pairs[stem], originals[stem]) for stem in case.fed}
    figures: dict[str, FiguresByKind] = {}
    predictions: dict[str, Agreement] = {}
    rankings: dict[str, Ranking] = {}
    for precision in PRECISION_NOTES:
        runs = {
            stem: by_precision[precision]
            for stem, by_precision in functions.items()
            if precision in by_precision
        }
        if runs:
            outputs = {stem: run_inputs(run, case.fed[stem]) for stem, run in runs.items()}
            figures[precision], predicted = compare_with_reference(case, outputs)
            predictions |= {precision: predicted} if predicted else {}
            ranking = rank_texts(case, outputs)
            rankings |= {precision: ranking} if ranking else {}
    return ProofResult(figures=figures, predictions=predictions, rankings=rankings)


def rank_texts(case: ProofCase, got: Mapping[str, Computed]) -> Ranking | None:
    """How near pictures and texts are; None without both, and where only one was computed."""
    if not {NET_STEM, TEXT_STEM} <= got.keys():
        return None
    expected, ours = case.expected, got
    kind = next(each for each in (PICTURES_KIND, "drawn") if each in ours[NET_STEM])
    return compare_rankings(
        [outputs[0] for outputs in expected[NET_STEM][kind]],
        last_rows(expected[TEXT_STEM][SENTENCES_KIND]),
        [outputs[0] for outputs in computed_rows(ours[NET_STEM][kind])],
        last_rows(computed_rows(ours[TEXT_STEM][SENTENCES_KIND])),
    )


def run_inputs(run: Callable[..., dict[str, Floats]], feed: InputsByKind) -> Computed:
    """What that run makes of everything that is fed."""
    return {kind: [run(*arrays) for arrays in inputs] for kind, inputs in feed.items()}


def _net_functions(
    nets: NetPair, original: ReferenceModel
) -> dict[str, Callable[..., dict[str, Floats]]]:
    """A ready pair is its own original: in fp32 there is nothing to compare.

    A quantised net computes in int8 and in nothing else; what surrounds it is exact here.
    """
    if original.is_program and count_quantised(nets.layers):
        return {INT8: nets.run_fp32}
    if not original.is_program:
        return {"fp16": nets.run_fp16}
    return {"fp32": nets.run_fp32, "fp16": nets.run_fp16}


def _figures_by_kind(
    stem: str, got: Computed, expected: Mapping[str, Sequence[Outputs]]
) -> FiguresByKind:
    by_kind: FiguresByKind = {}
    for kind, outputs in got.items():
        pairs = [
            _compare_outputs(output, reference)
            for output, reference in zip(outputs, expected[kind], strict=True)
        ]
        by_kind[kind] = {
            join_name(stem, name): worst_difference([pair[name] for pair in pairs])
            for name in pairs[0]
        }
    return by_kind


def _compare_outputs(
    got: Mapping[str, Floats], expected: list[Floats]
) -> dict[str, OutputDifference]:
    if len(got) != len(expected):
        raise ConversionFailed(f"ncnn has {len(got)} outputs, the original {len(expected)}")
    named = zip(got.items(), expected, strict=True)
    return {name: compare_outputs(reference, output) for (name, output), reference in named}


AGREEMENT_BARS = {
    "fp32": AgreementLimits(),
    "fp16": AgreementLimits(iou=SAME_OBJECT_IOU, score=0.05, mask_iou=0.5, oks=0.9),
    "int8": AgreementLimits(iou=SAME_OBJECT_IOU, score=0.2, mask_iou=0.5, oks=0.8),
}
"""How far apart the objects may be. The outputs' own cosine is the model's affair.

In fp16, of two boxes of an object that are nearly as good the other one may win; in int8 the
figures of an evaluation say what it costs, and this only that the same is found.
"""


def proof_problems(model: Model, proved: ProofResult) -> list[str]:
    """What is not alike enough, a line each, that begin with the precision."""
    outputs_lines = [
        f"{precision}, {kind}, output {name}: {problem}"
        for precision, kinds in proved.figures.items()
        for kind, outputs in kinds.items()
        for name, figures in outputs.items()
        if (problem := output_problem(model, precision, figures, kind))
    ]
    predictions = [
        f"{precision}, pictures, what is found: {problem}"
        for precision, agreement in proved.predictions.items()
        if (problem := prediction_problem(model, precision, agreement))
    ]
    tracks = [
        f"{precision}, clip, tracks: {problem}"
        for precision, agreement in proved.tracks.items()
        if (problem := tracks_problem(model, precision, agreement))
    ]
    rankings = [
        f"{precision}, pictures and texts: {problem}"
        for precision, ranking in proved.rankings.items()
        if (problem := ranking_problem(precision, ranking))
    ]
    return outputs_lines + predictions + tracks + rankings


def prediction_problem(model: Model, precision: str, agreement: Agreement) -> str:
    """What is too far apart in what is found, or nothing."""
    threshold = model.head.score if isinstance(model.head, DenseHead) else 0.0
    return agreement.problem(_bars_for(precision), threshold)


def tracks_problem(model: Model, precision: str, agreement: Agreement) -> str:
    """What is too far apart in what is followed, or nothing."""
    begins = model.tracker.new if isinstance(model.tracker, BytetrackConfig) else 0.0
    return agreement.problem(_bars_for(precision), begins)


def ranking_problem(precision: str, ranking: Ranking) -> str:
    """What is too far apart in the order of texts, or nothing."""
    return ranking.problem(RANKING_BARS[_bar_name(precision)])


def _bars_for(precision: str) -> AgreementLimits:
    return AGREEMENT_BARS[_bar_name(precision)]


def _bar_name(precision: str) -> str:
    return next((name for name in AGREEMENT_BARS if precision.startswith(name)), "fp16")


RANKING_BARS = {"fp32": 1e-5, "fp16": 2e-3, "int8": 2e-2}
"""Of cosines: texts that are nearer to each other than rounding moves them may change places."""


def output_problem(model: Model, precision: str, figures: OutputFigures, kind: str) -> str:
    """What is wrong with an output for that kind of input, or nothing."""
    least = model.min_cosine(precision, made_up=kind != PICTURES_KIND)
    if figures.max_abs is None:
        return "a value is not finite"
    if figures.relative > max_distance(least):
        return _distance_problem(figures, max_distance(least))
    if figures.cosine < least and not figures.blind:
        return f"cosine {figures.cosine:.6f} is below {least}"
    if (
        model.spec.has_class_output
        and precision.startswith("fp32")
        and figures.same_top < figures.count
    ):
        return f"top-1 differs on {figures.count - figures.same_top} of {figures.count}"
    return ""


def _distance_problem(figures: OutputFigures, most: float) -> str:
    """Of outputs whose cosine is 1 or -1 whatever is computed, the difference itself counts."""
    why = figures.blind or CONSTANT_OUTPUT
    return (
        f"differs by {figures.relative:.2%} of its largest value, {most:.2%} is allowed (it is "
        f"{why}: a cosine means nothing)"
    )


CONSTANT_NOTE = "the original gives the same for every input"
CONSTANT_WITHIN = 1e-4
"""Of the largest value: outputs that differ by less are the same to a proof by cosine."""


def constant_outputs(case: ProofCase, figures: Mapping[str, FiguresByKind]) -> dict[str, str]:
    """Output → why, of those that do not depend on what is fed.

    Names are those of the figures, which list the outputs in the original's order.
    """
    reasons: dict[str, str] = {}
    for stem, kinds in case.expected.items():
        all_outputs = [
            outputs for outputs_by_input in kinds.values() for outputs in outputs_by_input
        ]
        for number, name in enumerate(_output_names(figures, stem)):
            if _is_constant([outputs[number] for outputs in all_outputs]):
                reasons[name] = CONSTANT_NOTE
    return reasons


def _output_names(figures: Mapping[str, FiguresByKind], stem: str) -> list[str]:
    kinds = next(iter(figures.values()), {})
    outputs = dict.fromkeys(name for kind in kinds.values() for name in kind)
    return [name for name in outputs if split_name(name)[0] == stem]


def _is_constant(outputs: Sequence[Floats]) -> bool:
    """Whether several inputs of each size all give the same; one input alone tells nothing."""
    by_shape: dict[tuple[int, ...], list[Floats]] = {}
    for output in outputs:
        by_shape.setdefault(output.shape, []).append(output)
    compared = [alike for alike in by_shape.values() if len(alike) > 1]
    return bool(compared) and all(map(_are_alike, compared))


def _are_alike(outputs: Sequence[Floats]) -> bool:
    import numpy as np

    first = outputs[0]
    bar = CONSTANT_WITHIN * float(np.abs(first).max(initial=0.0))
    return all(float(np.abs(output - first).max(initial=0.0)) <= bar for output in outputs[1:])

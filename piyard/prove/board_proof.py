"""What a board computes beside what the original does, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.conversions import Conversion
from piyard.convert.model_files import choose_files
from piyard.convert.ncnn_net import NET_STEM
from piyard.convert.param import split_name
from piyard.convert.proof import (
    FiguresByKind,
    ProofResult,
    compare_with_reference,
    constant_outputs,
    output_problem,
    prediction_problem,
    proof_problems,
    rank_texts,
    ranking_problem,
    tracks_problem,
)
from piyard.convert.proof_inputs import (
    PICTURES_KIND,
    ProofCase,
    few_inputs,
    make_case,
    make_inputs,
    proof_pictures,
    reference_clip,
)
from piyard.convert.ranking import Ranking
from piyard.convert.reference_models import reference_networks
from piyard.core import console
from piyard.core.tables import Cell, number_cell
from piyard.evaluate import evaluation
from piyard.models.definition import Model
from piyard.models.networks import inference
from piyard.prove import tensors
from piyard.run.job import JobContext
from piyard.vision.overlap import Agreement
from piyard.vision.tasks.track import TRACK

if TYPE_CHECKING:
    from piyard.convert.proof_inputs import InputsByKind


PROOF_PICTURES = 3
"""Real ones, where there are any: an emulated board takes a minute for a large one in halves."""
SKIPPED_INPUT = "strided"
"""A tensor in a file has no strides."""


def prepare_inputs(conversion: Conversion, pictures: int = PROOF_PICTURES) -> ProofCase:
    """One input of each kind, but so many pictures, and a tracker's clip unless that is none.

    Raises ``ConversionFailed``.
    """
    model = conversion.model
    photos = proof_pictures(model, pictures) if pictures else []
    with console.step(f"ask the original of {conversion.name}"), inference():
        files = choose_files(model, random_weights=not conversion.has_real_weights)
        nets = reference_networks(model, files)
        inputs = {
            stem: _storable_inputs(feed) for stem, feed in make_inputs(model, nets, photos).items()
        }
        is_meaningful = conversion.has_real_weights
        clip = reference_clip(model, nets) if is_meaningful and pictures else None
        return make_case(model, nets, inputs, photos if is_meaningful else (), clip)


def _storable_inputs(feed: InputsByKind) -> InputsByKind:
    return {kind: tensors for kind, tensors in few_inputs(feed).items() if kind != SKIPPED_INPUT}


CLIP_INPUT = "clip"
"""What a tracker is shown."""


class MeaningProof(msgspec.Struct, frozen=True, kw_only=True):
    """What the outputs mean, beside what the original's mean."""

    kind: str
    """What was shown."""
    what: str
    agreement: Agreement
    problem: str
    """What differs too much, or nothing."""

    @property
    def proves_nothing(self) -> bool:
        """Whether there was nothing that could have differed."""
        return not self.problem and self.agreement.proves_nothing


class BoardProof(msgspec.Struct, frozen=True, kw_only=True):
    """The proof of one model on one board."""

    model: Model
    host: str
    requested: str
    """The requested precision."""
    precision: str
    """What was really computed."""
    emulated: bool
    weights: str
    """What the model's YAML calls them."""
    least: float
    """The cosine that is wanted."""
    figures: FiguresByKind
    meant: list[MeaningProof]
    """By kind of what was shown; nothing where that means nothing."""
    ranking: Ranking | None = None
    """How near pictures and texts are; None for a model without an encoder of texts."""
    empty: dict[str, str] = {}
    """Outputs of which even agreement proves nothing, and why."""
    failed: list[str]
    """What differs too much, a line each; empty when the proof holds."""
    where: list[str] = []
    """Where it begins."""
    masks: dict[str, int] = {}
    """Layer or type → mask, where the board showed that it needs one (see
    ``find_masks.needed_masks``)."""
    slower: list[str] = []
    """Nets that take more with these masks than in fp32, by their stems (see ``worth``)."""

    @property
    def astray(self) -> list[str]:
        """The nets whose outputs differ from the original's, by their stems.

        A tracker that loses its objects is not listed: one of its nets is.
        """
        return [stem for stem in self._stems if not self._is_alike(stem)]

    @property
    def _stems(self) -> list[str]:
        outputs = (name for figures in self.figures.values() for name in figures)
        return list(dict.fromkeys(split_name(name)[0] for name in outputs))

    def lowest(self, stem: str, kind: str) -> float:
        """The lowest cosine of that net's outputs for that kind of input; 1 where it has none."""
        outputs = self.figures[kind].items()
        agreements = (each for name, each in outputs if split_name(name)[0] == stem)
        return min((each.agreement for each in agreements), default=1.0)

    def worst_kind(self, stem: str) -> str:
        """The kind of input that the net's outputs are furthest apart for."""
        return min(self.figures, key=lambda kind: self.lowest(stem, kind))

    def _is_alike(self, stem: str) -> bool:
        """The main net must find in pictures what it should, too."""
        is_near = self.lowest(stem, self.worst_kind(stem)) >= self.least
        is_wrong = any(each.problem for each in self.meant if each.kind == PICTURES_KIND)
        return is_near and not (stem == NET_STEM and is_wrong)


def prove_on_board(context: JobContext, inputs: ProofCase) -> BoardProof:
    """Whether the board's outputs are the original's, and mean the same."""
    answers = {
        stem: tensors.compute_tensors(context, stem, feed) for stem, feed in inputs.fed.items()
    }
    main = answers[NET_STEM]
    precision = main.precision
    blobs = {stem: each.blobs for stem, each in answers.items()}
    figures, agreement = compare_with_reference(inputs, blobs)
    ranking = rank_texts(inputs, blobs)
    followed = compare_tracks(context, inputs)
    proved = ProofResult(
        figures={precision: figures},
        predictions={precision: agreement} if agreement else {},
        tracks={precision: followed} if followed else {},
        rankings={precision: ranking} if ranking else {},
    )
    return BoardProof(
        model=inputs.model,
        host=context.connection.name,
        requested=context.job.precision,
        precision=precision,
        emulated=main.emulated,
        weights=context.conversion.weights,
        least=inputs.model.min_cosine(precision),
        figures=figures,
        meant=_meaning_proofs(inputs.model, precision, agreement, followed),
        ranking=ranking,
        empty=constant_outputs(inputs, proved.figures),
        failed=proof_problems(inputs.model, proved),
    )


def _meaning_proofs(
    model: Model, precision: str, objects: Agreement | None, track_agreement: Agreement | None
) -> list[MeaningProof]:
    proofs = (
        (PICTURES_KIND, "what is found", objects, prediction_problem),
        (CLIP_INPUT, "tracks", track_agreement, tracks_problem),
    )
    return [
        MeaningProof(
            kind=kind, what=what, agreement=agreement, problem=problem(model, precision, agreement)
        )
        for kind, what, agreement, problem in proofs
        if agreement
    ]


def compare_tracks(context: JobContext, inputs: ProofCase) -> Agreement | None:
    """How alike the tracks of a clip are, by nnrun's tracker; None for a model without one."""
    if inputs.clip is None:
        return None
    watched = evaluation.predict_set_on_board(context, inputs.model, inputs.clip.film)
    return TRACK.compare_tracks(inputs.clip.expected, [frame.objects for frame in watched.frames])


PROOF_COLUMNS = (
    *("Model", "Host", "Data type", "Input", "Output", "Count", "Cosine", "Max abs", "Proof"),
)
EMULATED_MARK = " (emulated)"


def proof_rows(proofs: Sequence[BoardProof]) -> list[list[str]]:
    """An output of a kind of input a row."""
    parts = (_output_rows, _meaning_rows, _ranking_rows)
    return [row for proof in proofs for part in parts for row in part(proof)]


def _output_rows(proof: BoardProof) -> Iterator[list[str]]:
    for kind, outputs in proof.figures.items():
        for output, figures in outputs.items():
            problem = output_problem(proof.model, proof.precision, figures, kind)
            verdict = _proof_verdict(problem, empty=output in proof.empty)
            yield [*_proof_subject(proof), kind, output, *figures.cells, verdict]


def _meaning_rows(proof: BoardProof) -> Iterator[list[str]]:
    for meant in proof.meant:
        count, unknown = number_cell(meant.agreement.expected), Cell("", None)
        verdict = _proof_verdict(meant.problem, empty=meant.proves_nothing)
        yield [*_proof_subject(proof), meant.kind, meant.what, count, unknown, unknown, verdict]


def _ranking_rows(proof: BoardProof) -> Iterator[list[str]]:
    if ranking := proof.ranking:
        apart = Cell(f"{ranking.max_abs:.2g}", ranking.max_abs)
        verdict = _proof_verdict(ranking_problem(proof.precision, ranking))
        cells = [number_cell(ranking.pictures), Cell("", None), apart, verdict]
        yield [*_proof_subject(proof), PICTURES_KIND, "texts by cosine", *cells]


def _proof_verdict(problem: str, *, empty: bool = False) -> str:
    if problem:
        return "DIFFERS"
    return "proves nothing" if empty else "passed"


def proof_remarks(proof: BoardProof) -> list[str]:
    """Remarks below the table."""
    name = proof.model.name
    remarks = [
        f"{name} {proof.precision} on {proof.host}, {meant.kind}: {meant.agreement.text}"
        for meant in proof.meant
        if not meant.proves_nothing
    ]
    if proof.ranking:
        remarks.append(f"{name} {proof.precision} on {proof.host}: {proof.ranking.text}")
    remarks += [
        f"✗ {name} on {proof.host}, {meant.kind}: {meant.what} proves nothing: "
        f"{meant.agreement.text}"
        for meant in proof.meant
        if meant.proves_nothing
    ]
    if proof.model.head and not proof.meant:
        why = "its weights are random" if proof.weights == "random" else "no picture was shown"
        remarks.append(f"{name} on {proof.host}: only outputs were compared: {why}")
    remarks += [
        f"✗ {name} on {proof.host}, output {output} proves nothing: {why}"
        for output, why in proof.empty.items()
    ]
    if proof.masks:
        verdict = "masks are not enough" if proof.failed else "needs masks"
        remarks.append(f"{name} {verdict}: {', '.join(proof.masks)}")
    remarks += [
        f"{name}, {stem}: with these masks fp16 takes more than fp32: use --precision fp32"
        for stem in proof.slower
    ]
    return remarks + [f"✗ {name} on {proof.host}, {line}" for line in (*proof.failed, *proof.where)]


def _proof_subject(proof: BoardProof) -> list[str]:
    host = proof.host + (EMULATED_MARK if proof.emulated and "emulated" not in proof.host else "")
    return [proof.model.name, host, proof.precision]

"""What a board computes beside what the original does, as rows, and the masks it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import yaml

from piyard.convert.conversions import Conversion
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
from piyard.convert.reference_models import choose_files, reference_networks
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.files import write_text
from piyard.core.tables import Cell, number_cell
from piyard.evaluate import evaluation
from piyard.models import definition
from piyard.models.definition import Model, load_model
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
    figures, agreement = compare_with_reference(
        inputs, {stem: each.blobs for stem, each in answers.items()}
    )
    followed = compare_tracks(context, inputs)
    proved = ProofResult(
        figures={precision: figures},
        predictions={precision: agreement} if agreement else {},
        tracks={precision: followed} if followed else {},
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
    return [row for proof in proofs for row in (*_output_rows(proof), *_meaning_rows(proof))]


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


MASKS_KEY = "masks"
ModelMasks = dict[str, dict[str, int]]
"""As ``Model.masks``."""


def save_masks(proved: Iterable[BoardProof]) -> list[Path]:
    """Add what was found to each model's own masks; the files that were written.

    The file is read again, as it may have changed meanwhile. Several boards of a model add up: what
    one of them needs harms no other. Raises ``WrongInput`` for a file that cannot be changed, which
    then stays as it is.
    """
    masks_by_model: dict[str, ModelMasks] = {}
    for proof in proved:
        name = proof.model.name
        if proof.masks and not proof.failed:
            masks = masks_by_model.setdefault(name, dict(load_model(name).masks))
            present = masks.get(proof.weights, {})
            added = {name: present.get(name, 0) | mask for name, mask in proof.masks.items()}
            masks[proof.weights] = present | added
    return [_write_masks(name, masks) for name, masks in masks_by_model.items()]


def _write_masks(name: str, masks: ModelMasks) -> Path:
    path = definition.MODELS_FOLDER / f"{name}.yaml"
    text = with_masks(path.read_text(encoding="utf-8"), name, masks)
    if yaml.safe_load(text).get(MASKS_KEY) != masks:
        raise WrongInput(
            f"{path}: the masks cannot be written into it",
            evidence=json.dumps({MASKS_KEY: masks}),
            remedy="write them by hand",
        )
    write_text(path, text)
    return path


def with_masks(text: str, name: str, masks: ModelMasks) -> str:
    """The YAML with these masks in place of those it has; all else stays, comments too."""
    lines = [f"{MASKS_KEY}: # found by invoke prove --model {name} --mask"]
    for weights, layers in masks.items():
        lines.append(f"  {json.dumps(weights)}:")
        lines += [f"    {json.dumps(layer)}: {mask}" for layer, mask in layers.items()]
    return "\n".join([*_lines_without_masks(text), *lines, ""])


def _lines_without_masks(text: str) -> list[str]:
    """The lines without that key, its value, and what is blank at the end."""
    lines = text.splitlines()
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in node.value if node else []:
        if key.value == MASKS_KEY:
            first, end = key.start_mark.line, value.end_mark.line + bool(value.end_mark.column)
            while lines[end - 1].startswith("#") or not lines[end - 1].strip():
                end -= 1  # a comment that follows is not the value's
            del lines[first:end]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines

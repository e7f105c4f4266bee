"""Encoders in nnrun's own layers, which is what boards run in fp16: written, and proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard.convert.ncnn_net import NET_STEM
from piyard.convert.param import TEXT_STEM
from piyard.convert.proof import (
    ProofResult,
    compare_with_reference,
    proof_problems,
    rank_texts,
    run_inputs,
)
from piyard.convert.proof_inputs import make_case, make_inputs
from piyard.convert.proof_trial import TrialResult
from piyard.convert.reference import ReferenceModel
from piyard.convert.text_encoder import TextReference
from piyard.models.definition import Model

HALF = "fp16"


def fuse_encoders(nets: Mapping[str, ReferenceModel], text: TextReference, at: Path) -> list[str]:
    """Write the fused form of both encoders; the stems of those that have one.

    A net of convolutions, as CLIP's ResNet, stays as pnnx wrote it.
    """
    from piyard.convert.language.encoders import fuse_picture_encoder, fuse_text_encoder

    written = [TEXT_STEM]
    causal = not text.config.filled
    fuse_text_encoder(text.network, causal=causal).write(at, TEXT_STEM)
    if text.whole.config.image:
        fuse_picture_encoder(text.whole.visual).write(at, NET_STEM)
        written.insert(0, NET_STEM)
    return [stem for stem in nets if stem in written]


def prove_fused(
    model: Model,
    nets: Mapping[str, ReferenceModel],
    at: Path,
    stems: Sequence[str],
    pictures: Sequence[Path],
    trial: TrialResult,
) -> TrialResult:
    """The trial, whose figures in fp16 are those of the fused nets."""
    from piyard.convert.language.encoder_twin import load_twin

    fed = make_inputs(model, nets, pictures)
    case = make_case(model, nets, fed)
    got = {stem: run_inputs(load_twin(at, stem), fed[stem]) for stem in stems}
    figures, _ = compare_with_reference(case, got)
    ranking = rank_texts(case, got)
    before = trial.proved
    merged = {
        kind: {**outputs, **figures.get(kind, {})} for kind, outputs in before.figures[HALF].items()
    }
    proved = ProofResult(
        figures={**before.figures, HALF: merged},
        rankings={**before.rankings, **({HALF: ranking} if ranking else {})},
    )
    failed = proof_problems(model, proved)
    where = [line for line in trial.failed if line not in proof_problems(model, before)]
    return msgspec.structs.replace(trial, proved=proved, failed=failed and [*failed, *where])

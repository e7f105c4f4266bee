"""Whether a network with some layers in int8 is as near to its own floats as its proof will ask.

Its proof feeds it other pictures, of which one may come out worse: so more of them are looked at
here, and less is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from piyard.convert.ncnn_net import NET_STEM, load_net, run_net
from piyard.convert.param import INT8
from piyard.convert.proof import (
    ProofResult,
    compare_with_reference,
    proof_problems,
    run_inputs,
)
from piyard.convert.proof_inputs import InputsByKind, ProofCase, input_count, make_net_inputs
from piyard.models.definition import Model
from piyard.models.variants import Variant

TIMES_AS_MANY = 3
"""Pictures as the proof takes."""
ALLOWED = 0.8
"""Of the distance that the proof allows in pictures."""


class Likeness(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs, and what the network computes of them in floats."""

    case: ProofCase

    def list_problems(self, folder: Path) -> list[str]:
        """What the pair in the folder computes too differently, a line each."""
        run = partial(run_net, load_net(folder))
        figures, _ = compare_with_reference(
            self.case, {NET_STEM: run_inputs(run, self.case.fed[NET_STEM])}
        )
        return proof_problems(self.case.model, ProofResult(figures={INT8: figures}))


def picture_count(model: Model) -> int:
    """How many pictures are looked at."""
    return TIMES_AS_MANY * input_count(model)


def make_likeness(model: Model, folder: Path, pictures: Sequence[Path]) -> Likeness:
    """By these pictures, and the proof's own noise and drawings; the folder has it in floats."""
    fed: InputsByKind = {
        kind: [(values,) for values in arrays]
        for kind, arrays in make_net_inputs(model, pictures).items()
    }
    exact = load_net(folder)
    expected = {
        kind: [list(run_net(exact, *values).values()) for values in inputs]
        for kind, inputs in fed.items()
    }
    case = ProofCase(
        model=_with_margin(model), fed={NET_STEM: fed}, expected={NET_STEM: expected}, names={}
    )
    return Likeness(case=case)


def _with_margin(parent: Model) -> Model:
    """As a variant of it is judged, but more strictly."""
    variant = Variant(parent=parent.name, method="ptq", recipe="0" * 16)
    allowed = 1 - parent.proof.min_cosine(INT8)
    proof = msgspec.structs.replace(parent.proof, cosine_int8=1 - ALLOWED * allowed)
    return msgspec.structs.replace(parent, variant=variant, proof=proof)

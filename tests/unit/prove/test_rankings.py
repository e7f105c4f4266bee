"""Whether a board has pictures and texts as near to each other as the original."""

from __future__ import annotations

from math import cos, sin
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from piyard.convert.proof_inputs import ProofCase
from piyard.models.definition import load_model
from piyard.prove import tensors
from piyard.prove.board_proof import proof_remarks, proof_rows, prove_on_board
from piyard.prove.tensors import BoardTensors

PICTURES = [[1.0, 0.0], [0.0, 1.0]]
ANGLES = (0.1, 0.76, 0.8)
"""Of three texts; the last two are within a cosine of 0.999."""


def embeddings(angles):
    return [[cos(angle), sin(angle)] for angle in angles]


def case(angles):
    def outputs(rows):
        return [[np.array(row, np.float32)] for row in rows]

    texts = [[[0.0, 0.0], row] for row in embeddings(angles)]  # the last token's counts
    return ProofCase(
        model=load_model("clip_vit_b32"),
        fed={"model": {"drawn": []}, "text": {"sentences": []}},
        expected={"model": {"drawn": outputs(PICTURES)}, "text": {"sentences": outputs(texts)}},
        names={},
    )


@pytest.fixture
def proved(monkeypatch):
    """The proof of a board that has these texts."""

    def prove(angles, precision="fp16", original=ANGLES):
        texts = [[[0.0, 0.0], row] for row in embeddings(angles)]
        computed = {"model": ("drawn", PICTURES), "text": ("sentences", texts)}

        def compute(_context, stem, _feed):
            kind, rows = computed[stem]
            blobs = {kind: [{"out0": np.array(row, np.float32)} for row in rows]}
            return BoardTensors(precision=precision, emulated=True, blobs=blobs)

        monkeypatch.setattr(tensors, "compute_tensors", compute)
        context: Any = SimpleNamespace(
            connection=SimpleNamespace(name="pi5-a"),
            job=SimpleNamespace(precision=precision),
            conversion=SimpleNamespace(weights="random"),
        )
        return prove_on_board(context, case(original))

    return prove


def ranking_row(proof):
    (row,) = [row for row in proof_rows([proof]) if row[4] == "texts by cosine"]
    return row


def test_the_same_order_is_a_row_and_a_remark(proved):
    proof = proved(ANGLES)
    assert proof.failed == []
    assert [ranking_row(proof)[at] for at in (0, 1, 2, 5, 8)] == [
        *("clip_vit_b32", "pi5-a (emulated)", "fp16", "2", "passed")
    ]
    assert "2 pictures by 3 texts: in the same order" in proof_remarks(proof)[0]


def test_texts_in_another_order_differ_though_every_embedding_is_near(proved):
    proof = proved((0.1, 0.8, 0.76))
    assert ranking_row(proof)[-1] == "DIFFERS"
    assert len(proof.failed) == 1
    assert "2 pairs of texts are in another order" in proof.failed[0]
    assert "0.0284 apart (allowed 0.002)" in proof.failed[0]
    assert proof.astray == []


def test_texts_that_rounding_moves_may_change_places_in_halves_only(proved):
    original, swapped = (0.1, 0.8, 0.8001), (0.1, 0.8001, 0.8)
    assert proved(swapped, "fp16", original).failed == []
    assert ranking_row(proved(swapped, "fp16", original))[-1] == "passed"
    assert ranking_row(proved(swapped, "fp32", original))[-1] == "DIFFERS"

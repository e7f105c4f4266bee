"""What comes out, in figures, rows and words."""

from __future__ import annotations

import msgspec
import numpy as np

from piyard.convert.ncnn_net import read_layers
from piyard.convert.param import FP32_MASK
from piyard.prove.board_proof import PROOF_COLUMNS, proof_remarks, proof_rows, prove_on_board
from piyard.prove.find_masks import prove_and_explain
from tests.conversion.prove.explaining import convolutions


def test_a_board_that_computes_right_passes(place, proof_inputs, board):
    runs = board({})
    result = prove_on_board(place, proof_inputs)
    assert result.failed == []
    assert result.figures["noise"]["out0"].cosine > 0.999999
    assert runs == [("model", False, place.conversion.key)]


def test_the_first_layer_that_goes_wrong_is_named(place, proof_inputs, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (FP32_MASK, 0.5)})
    result = prove_and_explain(place, proof_inputs, mask=False)
    assert len(result.failed) == 2
    assert "cosine" in result.failed[0]
    assert "is below 0.999" in result.failed[0]
    (where,) = result.where
    assert f"first diverging layer: Convolution '{wrong}'" in where
    assert result.masks == {}


def test_fp32_on_a_board_has_the_stricter_bar(place, proof_inputs, board, conversion):
    last = read_layers(conversion.folder)[-1].name
    board({last: (FP32_MASK, 0.03)}, label="fp32")
    assert "is below 0.9999" in prove_on_board(place, proof_inputs).failed[0]
    board({last: (FP32_MASK, 0.03)}, label="fp16")
    assert prove_on_board(place, proof_inputs).failed == []


def test_the_input_that_goes_wrong_tells_where(place, proof_inputs, board, conversion):
    """A layer may bear noise and not a picture: it loses more of what is small there."""
    name = convolutions(conversion)[4]
    fed = proof_inputs.fed["model"]
    calm = float(np.abs(fed["noise"][0][0]).max())
    board({name: (FP32_MASK, lambda inputs: 0.5 if np.abs(inputs).max() > calm else 0)})
    result = prove_and_explain(place, proof_inputs, mask=False)
    assert [line.partition(", output")[0] for line in result.failed] == ["fp16, drawn"]
    assert f"Convolution '{name}'" in result.where[0]
    assert {row[3]: row[-1] for row in proof_rows([result])} == {
        "drawn": "DIFFERS",
        "noise": "passed",
    }


def test_rows_and_lines(place, proof_inputs, board):
    board({})
    result = prove_on_board(place, proof_inputs)
    rows = proof_rows([result])
    assert {len(row) for row in rows} == {len(PROOF_COLUMNS)}
    assert rows[0][:5] == ["small", "pi5-a", "fp16", "drawn", "out0"]
    assert {row[-1] for row in rows} == {"passed"}
    assert proof_remarks(result) == []
    failed = msgspec.structs.replace(result, failed=["a"], where=["b"], masks={"c": 1, "d": 1})
    assert proof_remarks(failed) == [
        "small masks are not enough: c, d",
        "✗ small on pi5-a, a",
        "✗ small on pi5-a, b",
    ]
    assert proof_remarks(msgspec.structs.replace(result, masks={"c": 1})) == [
        "small needs masks: c"
    ]

"""Masks that help a net which fp16 is too little for."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from piyard.convert.ncnn_net import read_layers
from piyard.convert.param import FP32_MASK, MASK_KEY
from piyard.core import paths
from piyard.core.errors import BoardCommandFailed, UnreadableLog
from piyard.prove import tensors
from piyard.prove.board_proof import proof_remarks, proof_rows, prove_on_board
from piyard.prove.find_masks import masked_conversion, prove_and_explain
from piyard.vision.overlap import Agreement
from tests.conversion.prove.explaining import convolutions, helped


def test_the_layer_that_loses_too_much_is_masked(place, proof_inputs, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (FP32_MASK, 0.5)})
    result = helped(place, proof_inputs)
    assert result.failed == []
    assert result.masks == {wrong: FP32_MASK}


def test_where_many_layers_lose_a_whole_type_is_masked(place, proof_inputs, board):
    board({"Convolution": (FP32_MASK, 0.03)})
    result = helped(place, proof_inputs)
    assert result.masks == {"Convolution": FP32_MASK}
    assert result.failed == []


def test_what_no_mask_helps_stays_as_it_is(place, proof_inputs, board):
    runs = board({"Pooling": (4, 0.5)})
    result = prove_and_explain(place, proof_inputs, mask=True)
    assert result.failed
    assert result.masks == {}
    assert runs[-1] == ["its own release"], "the board is left with a conversion that was tried"


def test_a_net_that_bears_halves_needs_nothing(place, proof_inputs, board):
    runs = board({})
    assert prove_and_explain(place, proof_inputs, mask=True).masks == {}
    assert len(runs) == 1


@pytest.mark.parametrize(("precision", "label"), [("fp32", "fp32"), ("bf16", "bf16-storage")])
def test_no_mask_is_looked_for_where_none_can_help(
    place, proof_inputs, board, conversion, precision, label
):
    runs = board({convolutions(conversion)[4]: (FP32_MASK, 0.5)}, label=label)
    job = msgspec.structs.replace(place.job, precision=precision)
    result = prove_and_explain(msgspec.structs.replace(place, job=job), proof_inputs, mask=True)
    assert result.failed
    assert [every for _, every, _ in runs] == [False, True]


def test_trials_are_judged_by_what_was_computed(place, proof_inputs, board, conversion):
    """A board without halves computes fp32 whatever it was asked, and has the stricter bar."""
    last = read_layers(conversion.folder)[-1].name
    board({last: (FP32_MASK, 0.03)}, label="fp32 (no fp16 on this CPU)")
    result = prove_and_explain(place, proof_inputs, mask=True)
    assert "is below 0.9999" in result.failed[0]
    assert result.masks == {}


def test_what_is_found_counts_on_boards_too(place, proof_inputs, board, conversion, monkeypatch):
    """The raw outputs are alike, and what they mean is not, unless one layer is masked."""
    name = convolutions(conversion)[4]
    result = proof_inputs.fed["model"] | {"pictures": proof_inputs.fed["model"]["noise"]}
    expected = proof_inputs.expected["model"] | {
        "pictures": proof_inputs.expected["model"]["noise"]
    }
    shown = msgspec.structs.replace(
        proof_inputs,
        fed={"model": result},
        expected={"model": expected},
        pictures=[Path("a picture")],
    )

    def agreement(_model, _pictures, want, met):
        apart = float(np.abs(np.asarray(met[0][0]).ravel() - want[0][0].ravel()).max())
        return Agreement(expected=1, actual=1, matched=1, score=0.9 if apart > 1e-4 else 0.0)

    monkeypatch.setattr(sys.modules["piyard.convert.proof"], "predictions_agreement", agreement)
    board({name: (FP32_MASK, 0.002)})
    before = prove_on_board(place, shown)
    (line,) = before.failed
    assert "pictures, what is found: a score differs" in line
    rows = {row[4]: row[-1] for row in proof_rows([before])}
    assert rows == {"out0": "passed", "what is found": "DIFFERS"}
    assert prove_and_explain(place, shown, mask=True).masks == {name: FP32_MASK}


@pytest.mark.parametrize("fault", [BoardCommandFailed, UnreadableLog])
def test_a_closer_look_that_fails_does_not_take_the_proof_along(
    place, proof_inputs, board, conversion, monkeypatch, fault
):
    board({convolutions(conversion)[4]: (FP32_MASK, 0.5)})
    compute = tensors.compute_tensors

    def too_much(*what, every=False):
        if every:
            raise fault("no memory left")
        return compute(*what)

    monkeypatch.setattr(tensors, "compute_tensors", too_much)
    result = prove_and_explain(place, proof_inputs, mask=True)
    assert len(result.failed) == 2
    assert result.where == ["where it begins is not known: no memory left"]


def test_a_trial_that_fails_does_not_take_the_proof_along(
    place, proof_inputs, board, conversion, monkeypatch, capsys
):
    board({convolutions(conversion)[4]: (FP32_MASK, 0.5)})
    compute = tensors.compute_tensors

    def once(at, *what, every=False):
        if at.conversion.key != conversion.key:
            raise BoardCommandFailed("the board is full")
        return compute(at, *what, every=every)

    monkeypatch.setattr(tensors, "compute_tensors", once)
    result = prove_and_explain(place, proof_inputs, mask=True)
    assert result.failed
    assert result.where
    assert "which masks help is not known: the board is full" in capsys.readouterr().err


def test_what_is_tried_leaves_nothing(place, proof_inputs, board, conversion):
    board({convolutions(conversion)[4]: (FP32_MASK, 0.5)})
    before = sorted(paths.artifacts().rglob("*"))
    helped(place, proof_inputs)
    assert sorted(paths.artifacts().rglob("*")) == before


def test_the_masked_conversion_stands_beside_the_other(conversion, tmp_path):
    name = convolutions(conversion)[0]
    there = masked_conversion(conversion, {name: 1}, tmp_path)
    assert there.folder != conversion.folder
    result = {layer.name: layer.number(MASK_KEY) for layer in read_layers(there.folder)}
    assert result[name] == 1
    assert sum(result.values()) == 1
    assert (there.folder / "model.ncnn.bin").samefile(conversion.folder / "model.ncnn.bin")
    assert masked_conversion(conversion, {}, tmp_path) is conversion
    assert masked_conversion(conversion, {name: 1}, tmp_path).key == there.key


def test_where_files_cannot_be_shared_they_are_copied(conversion, monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    there = masked_conversion(conversion, {convolutions(conversion)[1]: 1}, tmp_path)
    copied, first = there.folder / "model.ncnn.bin", conversion.folder / "model.ncnn.bin"
    assert not copied.samefile(first)
    assert copied.read_bytes() == first.read_bytes()


def test_masks_that_cost_more_than_fp32_are_called_so(place, proof_inputs, board):
    """Where all convolutions are masked, the layers between them cast and save nothing."""
    board({"Convolution": (FP32_MASK, 0.03)})
    result = helped(place, proof_inputs)
    assert result.slower == ["model"]
    (line,) = (line for line in proof_remarks(result) if "more than fp32" in line)
    assert "use --precision fp32" in line


def test_a_mask_of_one_small_layer_is_worth_it(place, proof_inputs, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (FP32_MASK, 0.5)})
    result = helped(place, proof_inputs)
    assert result.slower == []
    assert not any("more than fp32" in line for line in proof_remarks(result))

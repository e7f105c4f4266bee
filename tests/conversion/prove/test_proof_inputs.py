"""What boards are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.convert.conversions import Conversion
from piyard.convert.proof_inputs import CLIP_FRAMES
from piyard.models.definition import load_model
from piyard.prove.board_proof import prepare_inputs
from tests.support import synthetic_results


def test_a_few_inputs_of_each_kind_are_asked(proof_inputs):
    assert {kind: len(ones) for kind, ones in proof_inputs.fed["model"].items()} == {
        "drawn": 1,
        "noise": 1,
    }
    expected = proof_inputs.expected["model"]
    assert [outputs[0].shape for ones in expected.values() for outputs in ones] == [(10,)] * 2
    assert proof_inputs.pictures == ()


def test_real_pictures_are_asked_for_where_they_mean_something(real, mirror):
    inputs = prepare_inputs(real, pictures=2)
    assert len(inputs.pictures) == len(inputs.fed["model"]["pictures"]) == 2
    assert len(prepare_inputs(real, pictures=0).fed["model"]) == 2


@pytest.mark.parametrize(("pictures", "frames"), [(1, CLIP_FRAMES), (0, None)])
def test_the_question_has_the_originals_tracks(mirror, pictures, frames, monkeypatch):
    monkeypatch.setattr(Conversion, "has_real_weights", True)
    loaded = Conversion(
        model=load_model("nanotrack"),
        key="k",
        folder=Path(),
        manifest=synthetic_results.manifest(),
        fresh=False,
    )
    clip = prepare_inputs(loaded, pictures).clip
    assert bool(clip) == bool(frames)
    if clip:
        boxes = {each.box for (each,) in clip.expected}
        assert len(boxes) == frames, "who walks is not where it was"

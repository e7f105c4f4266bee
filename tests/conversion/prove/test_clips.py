"""Tracks are compared on boards too."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from piyard.convert.proof_inputs import TrackedClip
from piyard.evaluate.evaluation import BoardFrames
from piyard.prove.board_proof import proof_remarks, proof_rows, prove_on_board
from piyard.prove.find_masks import prove_and_explain
from piyard.vision.predictions import Frame, PredictedObject
from piyard.vision.tasks.base import PictureSet


def walking(step: float) -> list[Frame]:
    """One object, so many pixels further in each frame."""
    corners = [(10 + step * t, 10, 30 + step * t, 60) for t in range(4)]
    return [
        Frame(
            name=str(t),
            width=99,
            height=99,
            objects=[PredictedObject(class_=0, score=0.9, box=box, id=5)],
        )
        for t, box in enumerate(corners)
    ]


@pytest.fixture
def followed(monkeypatch, proof_inputs):
    """Asked for a clip, and a board that follows what it is told."""
    film = PictureSet(pictures=[Path("0.jpg")], ordered=True)
    clip = TrackedClip(film=film, expected=[frame.objects for frame in walking(1)])

    def by_board(frames):
        shown = []

        def watch(context, rules, film):
            shown.append((context.job.precision, rules.title, film))
            return BoardFrames(frames=frames, labels={"fp16"})

        monkeypatch.setattr("piyard.evaluate.evaluation.predict_set_on_board", watch)
        return shown

    return msgspec.structs.replace(proof_inputs, clip=clip), by_board


def test_tracks_are_compared_on_the_board(place, followed, board):
    request, by_board = followed
    board({})
    shown = by_board(walking(1))
    result = prove_on_board(place, request)
    assert result.failed == []
    assert shown == [("fp16", request.model.title, request.clip.film)]
    assert proof_rows([result])[-1][3:] == ["clip", "tracks", "4", "", "", "passed"]
    assert proof_remarks(result)[0].startswith(
        "small fp16 on pi5-a, clip: 4 objects expected, 4 found"
    )


def test_tracks_that_go_astray_are_no_matter_of_masks(place, followed, board):
    request, by_board = followed
    runs = board({})
    by_board(walking(12))
    result = prove_and_explain(place, request, mask=True)
    (line,) = result.failed
    assert line.startswith("fp16, clip, tracks: ")
    assert proof_rows([result])[-1][-1] == "DIFFERS"
    assert len(runs) == 1, "no layer is looked at: each computes what it should"


def test_what_is_not_asked_is_not_followed(place, proof_inputs, board, followed):
    board({})
    shown = followed[1](walking(1))
    result = prove_on_board(place, proof_inputs)
    assert (result.meant, shown) == ([], [])

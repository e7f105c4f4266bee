"""Tracks are compared by who goes on, not by what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.convert.proof import ProofResult, proof_problems
from piyard.convert.proof_inputs import CLIP_FRAMES, proof_footage
from piyard.models.definition import load_model
from piyard.vision.overlap import Agreement
from piyard.vision.predictions import PredictedObject
from piyard.vision.schema import BytetrackConfig
from piyard.vision.tasks.track import TRACK

Tracks = list[list[PredictedObject]]
WALKER, STANDER = (10.0, 10.0, 30.0, 60.0), (100.0, 20.0, 130.0, 90.0)


def make_one(track: int | None, box: tuple[float, ...], score: float = 0.9) -> PredictedObject:
    x0, y0, x1, y1 = box
    return PredictedObject(class_=0, score=score, box=(x0, y0, x1, y1), id=track)


def frames(walker: int, stander: int, count: int = 4) -> Tracks:
    """One goes five pixels a frame, the other stands."""
    return [
        [make_one(walker, (10.0 + 5 * t, 10.0, 30.0 + 5 * t, 60.0)), make_one(stander, STANDER)]
        for t in range(count)
    ]


def problem_of(agreement: Agreement, way: str = "fp32") -> str:
    rules = load_model("yolov8_n_bytetrack")
    return "".join(proof_problems(rules, ProofResult(figures={}, tracks={way: agreement})))


def test_the_same_tracks_agree():
    comparison = TRACK.compare_tracks(frames(1, 2), frames(1, 2))
    assert (comparison.expected, comparison.actual, comparison.matched, comparison.iou) == (
        8,
        8,
        8,
        1.0,
    )
    assert problem_of(comparison) == ""


def test_other_numbers_are_the_same_tracks():
    comparison = TRACK.compare_tracks(frames(1, 2), frames(7, 3))
    assert comparison.matched == 8


def test_two_that_change_places_are_not():
    """The boxes are right in every frame; whose they are is not."""
    got = frames(1, 2)[:2] + frames(2, 1)[2:]
    comparison = TRACK.compare_tracks(frames(1, 2), got)
    assert comparison.matched == 4
    assert "fp32, clip, tracks: 8 objects expected, 8 found, 4 matched" in problem_of(comparison)


def test_a_track_that_is_lost_and_begins_anew_is_told():
    got = frames(1, 2)[:2] + frames(1, 9)[2:]
    assert TRACK.compare_tracks(frames(1, 2), got).matched == 6


def test_a_track_that_begins_a_frame_later_may():
    """The score of one that was just below was just above the other way."""
    almost = load_model("yolov8_n_bytetrack").tracker
    assert isinstance(almost, BytetrackConfig)
    late = [[make_one(5, WALKER, almost.new + 0.01)]]
    comparison = TRACK.compare_tracks([*late, *late], [[], *late])
    assert (comparison.expected, comparison.actual, comparison.matched) == (2, 1, 1)
    assert problem_of(comparison) == ""
    sure = [[make_one(5, WALKER, 0.95)]]
    assert problem_of(TRACK.compare_tracks([*sure, *sure], [[], *sure]))


def test_one_object_has_no_number():
    walk = [[make_one(None, (10.0 + t, 10.0, 30.0 + t, 60.0))] for t in range(3)]
    assert TRACK.compare_tracks(walk, walk).matched == 3
    away = [[make_one(None, (10.0 + 2.5 * t, 10.0, 30.0 + 2.5 * t, 60.0))] for t in range(3)]
    assert "box IoU" in problem_of(TRACK.compare_tracks(walk, away))


def test_without_a_mirror_there_is_no_clip():
    assert proof_footage(load_model("nanotrack")) is None


@pytest.mark.parametrize(("name", "follows_one"), [("nanotrack", True), ("bytetrack", False)])
def test_the_clip_is_the_beginning_of_a_sequence(mirror: Path, name: str, *, follows_one: bool):
    film = proof_footage(load_model(name))
    assert film
    assert len(film.pictures) == CLIP_FRAMES
    assert (film.init is not None) == follows_one

"""MOTA, IDF1, HOTA, AUC and precision, where they can be worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.evaluate.track_metrics import sot_metrics
from piyard.evaluate.tracks import MotMetrics, TracksByFrame, TruthByFrame, mot_metrics
from piyard.vision.bytetrack import TrackedObject
from piyard.vision.clips import TrueObject
from piyard.vision.schema import Corners

FRAMES = range(1, 11)


def box(place: float) -> Corners:
    return (100 * place, 0.0, 100 * place + 10, 20.0)


def there(*places: float, **more: bool) -> list[TrueObject]:
    return [TrueObject(id=7 + index, box=box(place), **more) for index, place in enumerate(places)]


def describe(places: dict[int, float]) -> list[TrackedObject]:
    return [TrackedObject(id=each, box=box(at), score=1, label=0) for each, at in places.items()]


def of_sequence(truth: TruthByFrame, tracks: TracksByFrame) -> MotMetrics:
    return mot_metrics([(truth, tracks)])


TWO = {frame: there(0, 1) for frame in FRAMES}


def test_all_found():
    figures = of_sequence(TWO, {frame: describe({1: 0, 2: 1}) for frame in FRAMES})
    assert (figures.mota, figures.idf1, figures.hota) == pytest.approx((100, 100, 100))
    assert (figures.switches, figures.false, figures.missed) == (0, 0, 0)
    assert (figures.boxes, figures.frames) == (20, 10)


def test_an_exchange_of_ids_halfway():
    result = {frame: describe({1: 0, 2: 1} if frame <= 5 else {1: 1, 2: 0}) for frame in FRAMES}
    figures = of_sequence(TWO, result)
    assert figures.switches == 2
    assert figures.mota == pytest.approx(100 * (1 - 2 / 20))
    assert figures.idf1 == pytest.approx(50)
    # A match of 5 frames among tracks of 10 and 10: 5 / 15 each.
    assert figures.hota == pytest.approx(100 * (1 / 3) ** 0.5)


def test_one_missed_and_one_made_up():
    figures = of_sequence(TWO, {frame: describe({1: 0, 2: 5}) for frame in FRAMES})
    assert (figures.missed, figures.false, figures.switches) == (10, 10, 0)
    assert figures.mota == pytest.approx(0)
    assert figures.recall == figures.precision == pytest.approx(50)


def test_nothing_found_and_nothing_there():
    assert of_sequence(TWO, {}).mota == 0
    assert of_sequence(TWO, {}).missed == 20
    assert of_sequence({}, {1: describe({1: 0})}).false == 1
    assert of_sequence({}, {}).frames == 0


def test_an_overlap_of_less_than_half_is_none():
    half = {1: [TrueObject(id=1, box=(0, 0, 10, 10))]}
    inside = {1: [TrackedObject(id=1, box=(0, 0, 10, 4.9), score=1, label=0)]}
    assert of_sequence(half, inside).missed == 1
    enough = {1: [TrackedObject(id=1, box=(0, 0, 10, 5), score=1, label=0)]}
    assert of_sequence(half, enough).missed == 0


def test_a_distractor_is_neither_right_nor_wrong():
    truth = {1: [*there(0), TrueObject(id=30, box=box(3), counts=False, distractor=True)]}
    assert of_sequence(truth, {1: describe({1: 0, 2: 3})}).mota == pytest.approx(100)
    assert of_sequence(truth, {1: describe({1: 0})}).mota == pytest.approx(100)


def test_what_does_not_count_is_wrong_when_it_is_no_distractor():
    truth = {1: [*there(0), TrueObject(id=30, box=box(3), counts=False)]}
    assert of_sequence(truth, {1: describe({1: 0, 2: 3})}).false == 1


def test_sequences_together():
    good = (TWO, {frame: describe({1: 0, 2: 1}) for frame in FRAMES})
    figures = mot_metrics([good, (TWO, {})])
    assert figures.mota == pytest.approx(50)
    assert figures.idf1 == pytest.approx(100 * 20 / (20 + 10))
    assert (figures.boxes, figures.frames) == (40, 20)


TRACKS = st.dictionaries(
    st.integers(1, 9), st.sampled_from([0.0, 0.02, 0.04, 1.0, 2.0]), max_size=4
)


@given(st.lists(TRACKS, min_size=10, max_size=10))
def test_names_of_tracks_do_not_matter(frames):
    result = dict(zip(FRAMES, map(describe, frames), strict=True))
    renamed = {
        frame: [
            TrackedObject(id=1000 - 7 * track.id, box=track.box, score=track.score, label=0)
            for track in tracks
        ]
        for frame, tracks in result.items()
    }
    single, other = of_sequence(TWO, result), of_sequence(TWO, renamed)
    assert (single.mota, single.idf1) == pytest.approx((other.mota, other.idf1))
    assert single.mota <= 100
    assert 0 <= single.idf1 <= 100
    assert 0 <= single.hota <= 100


def test_a_perfect_pursuit():
    figures = sot_metrics([box(0), box(1)], [box(0), box(1)])
    # No overlap is more than 1: of 21 thresholds 20 are passed.
    assert figures.auc == pytest.approx(100 * 20 / 21)
    assert figures.precision == figures.overlap == 100
    assert figures.frames == 2


def test_half_of_each_box():
    whole, half = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 5.0)
    figures = sot_metrics([whole], [half])
    assert figures.overlap == 50
    # 0, 0.05 ... 0.45: an overlap of one half is not more than 0.5.
    assert figures.auc == pytest.approx(100 * 10 / 21)


def test_a_frame_without_a_box_is_a_miss():
    figures = sot_metrics([box(0), box(0)], [box(0), None])
    assert figures.precision == figures.overlap == 50


@pytest.mark.parametrize(("away", "precision"), [(20, 100), (20.1, 0)])
def test_precision_reaches_20_pixels(away, precision):
    moved = (away, 0.0, 10.0 + away, 20.0)
    assert sot_metrics([box(0)], [moved]).precision == precision


def test_as_many_boxes_as_frames():
    with pytest.raises(WrongInput, match="1 boxes for 2 frames"):
        sot_metrics([box(0), box(0)], [box(0)])

"""ByteTrack's rules, one by one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.vision.bytetrack import ByteTracker, Detection, TrackedObject
from piyard.vision.schema import BytetrackConfig

SURE, FAIR, DOUBTFUL, POOR = 0.9, 0.55, 0.3, 0.05
"""High and new; high, not new; low; below low."""


def at(x: float, score: float = SURE, *, y: float = 100, label: int = 0) -> Detection:
    return Detection(box=(x, y, x + 40, y + 100), score=score, label=label)


def ids(tracked: Sequence[TrackedObject]) -> list[int]:
    return [each.id for each in tracked]


def tracker(fps: float = 30, **figures: float) -> ByteTracker:
    return ByteTracker(msgspec.convert(figures, BytetrackConfig), fps)


def last(frames: Sequence[list[Detection]], own: ByteTracker | None = None) -> list[TrackedObject]:
    own = own or tracker()
    result: list[TrackedObject] = []
    for frame in frames:
        result = own.step(frame)
    return result


def test_the_first_frame_is_believed_at_once():
    assert ids(last([[at(0), at(200)]])) == [1, 2]


def test_a_newcomer_is_told_from_its_second_frame_on():
    assert ids(last([[at(0)], [at(0), at(300)]])) == [1]
    assert ids(last([[at(0)], [at(0), at(300)], [at(0), at(300)]])) == [1, 2]


def test_a_newcomer_that_is_missed_once_is_forgotten():
    frames = [[at(0)], [at(0), at(300)], [at(0)], [at(0), at(300)], [at(0), at(300)]]
    assert ids(last(frames)) == [1, 3]


def test_each_video_begins_with_1():
    assert ids(last([[at(0)]])) == ids(last([[at(0)]])) == [1]


@pytest.mark.parametrize("score", [FAIR, DOUBTFUL, POOR])
def test_only_a_sure_detection_begins_a_track(score):
    assert last([[at(0, score)]] * 3) == []


def test_a_score_of_exactly_new_begins_one():
    assert ids(last([[at(0, 0.6)]])) == [1]


@pytest.mark.parametrize("score", [FAIR, DOUBTFUL])
def test_a_track_goes_on_with_doubtful_detections(score):
    (result,) = last([[at(0)], [at(4, score)], [at(8, score)]])
    assert result.id == 1
    assert result.score == score


def test_a_poor_detection_is_nothing():
    assert last([[at(0)], [at(0, POOR)]]) == []


def test_a_doubtful_detection_takes_no_lost_track_up():
    assert last([[at(0)], [at(0)], [], [at(0, DOUBTFUL)]]) == []


def test_the_doubtful_do_not_take_what_the_sure_ones_explain():
    (result,) = last([[at(0)], [at(6, DOUBTFUL), at(3)]])
    assert result.score == SURE


def test_a_detection_far_away_is_another_object():
    result = last([[at(0)], [at(500)], [at(500)]])
    assert ids(result) == [2]


def test_the_score_counts_in_the_first_association():
    """IoU .33: with score .9 the cost is .70, with .55 it is .82, and the limit .8."""
    assert ids(last([[at(0)], [at(20)]])) == [1]
    assert last([[at(0)], [at(20, FAIR)]]) == []


def test_two_that_pass_each_other_keep_their_ids():
    frames = [[at(10 * t, y=100), at(300 - 10 * t, y=120)] for t in range(31)]
    single, other = last(frames)
    assert (single.id, other.id) == (1, 2)
    assert single.box[0] > 250
    assert other.box[0] < 50


def test_another_class_is_another_object():
    result = last([[at(0)], [at(0, label=2)], [at(0, label=2)]])
    assert [(each.id, each.label) for each in result] == [(2, 2)]


def test_a_score_of_exactly_high_or_low_is_on_neither_side():
    assert last([[at(0)], [at(0, 0.5)]]) == []
    assert last([[at(0)], [at(0, 0.1)]]) == []


@pytest.mark.parametrize(
    ("fps", "missed", "found_again"), [(30, 31, 1), (30, 32, 2), (15, 16, 1), (15, 17, 2)]
)
def test_a_lost_track_is_remembered_for_a_second_and_a_frame(fps, missed, found_again):
    frames = [[at(0)], [at(0)], *[[]] * missed, [at(0)], [at(0)]]
    assert ids(last(frames, tracker(fps))) == [found_again]


def test_buffer_is_how_long():
    frames = [[at(0)], [at(0)], *[[]] * 3, [at(0)], [at(0)]]
    assert ids(last(frames, tracker(buffer=2))) == [1]
    assert ids(last(frames, tracker(buffer=1))) == [2]


def test_who_was_found_in_the_very_last_moment_is_not_remembered_again():
    frames = [[at(0)], [at(0)], *[[]] * 3, [at(0)], [], [at(0)], [at(0)]]
    assert ids(last(frames, tracker(buffer=2))) == [2]
    assert ids(last(frames, tracker(buffer=3))) == [1]


def test_a_lost_track_is_looked_for_where_it_was_going():
    walk = [[at(12 * t)] for t in range(20)]
    result = last([*walk, [], [], [], [at(12 * 23)]])
    assert ids(result) == [1]


def test_while_it_is_lost_nothing_is_told():
    assert last([[at(0)], []]) == []


TWICE = [*[[at(0)]] * 4, *[[at(0), at(3)]] * 2]
"""One object, which is found twice for a while."""


def test_of_two_tracks_of_one_object_the_longer_one_stays_though_it_is_lost():
    assert last([*TWICE, [at(3)]]) == []
    assert ids(last([*TWICE, [at(3)], [at(3)]])) == [1]


def test_of_two_tracks_of_one_object_the_shorter_one_is_forgotten_when_it_is_lost():
    assert ids(last([*TWICE, [at(0)], *[[at(0), at(3)]] * 2])) == [1, 3]


def test_of_two_tracks_known_for_equally_long_the_lost_one_stays():
    frames = [[at(0)], *[[at(0), at(3)]] * 2, [at(3)]]
    assert last(frames) == []
    assert ids(last([*frames, [at(3)]])) == [1]


def test_tracks_of_two_classes_are_not_one_object():
    twice = [*[[at(0)]] * 4, *[[at(0), at(3, label=2)]] * 2]
    assert ids(last([*twice, [at(3, label=2)]])) == [2]


def test_a_doubtful_detection_must_be_near():
    """IoU .56 and .34: the limit of the second association is .5 of a cost."""
    assert ids(last([[at(0)], [at(11, DOUBTFUL)]])) == [1]
    assert last([[at(0)], [at(20, DOUBTFUL)]]) == []


def test_a_newcomer_must_be_near_too():
    """IoU x score .31 and .27: the limit is .7 of a cost, where known tracks have .8."""
    for moved, expected in ((20, [1, 2]), (22, [1])):
        frames = [[at(300)], [at(300), at(0)], [at(300), at(moved)]]
        assert ids(last(frames)) == expected
    assert ids(last([[at(0)], [at(22)]])) == [1]


def test_pixels_at_the_edge_count():
    """4 x 4 pixels moved by 2: IoU .43 of 5 x 5 pixels, with score .55 a cost of .76; else .82."""
    tiny = [Detection(box=(x, 0, x + 4, 4), score=score) for x, score in ((0, SURE), (2, FAIR))]
    assert ids(last([[each] for each in tiny])) == [1]


def test_what_is_lost_does_not_grow_on():
    result = tracker()
    boxes = [(0, 0, 100 + 5 * frame, 100 + 5 * frame) for frame in range(20)]
    last([[Detection(box=box, score=SURE)] for box in boxes], result)
    last([[]] * 10, result)
    (lost,) = result._lost
    assert lost.state.place[3] == pytest.approx(boxes[-1][3], abs=8)


def test_frames_without_anything():
    assert last([[], [], []]) == []


def test_the_box_follows():
    (result,) = last([[at(5 * t)] for t in range(30)])
    assert result.box == pytest.approx((145, 100, 185, 200), abs=1)


BOXES = st.tuples(st.floats(0, 600), st.floats(0, 400), st.floats(5, 200), st.floats(5, 200))
FOUND = st.builds(
    lambda box, score, label: Detection(
        box=(box[0], box[1], box[0] + box[2], box[1] + box[3]), score=score, label=label
    ),
    BOXES,
    st.floats(0, 1),
    st.integers(0, 1),
)


@given(st.lists(st.lists(FOUND, max_size=6), max_size=12))
def test_whatever_is_found(frames):
    result, newest = tracker(), 0
    labels: dict[int, int] = {}
    for frame in frames:
        output = result.step(frame)
        assert len(set(ids(output))) == len(output) <= len(frame)
        for each in output:
            assert labels.setdefault(each.id, each.label) == each.label
            assert each.score in [other.score for other in frame]
        begun = [label for label in set(labels) if label > newest]
        newest = max([newest, *begun])
    assert newest <= sum(len(frame) for frame in frames)


@pytest.mark.parametrize("frames", [0, 1, 5, 200])
def test_a_gap_is_so_many_frames_without_detections(frames):
    passed, stepped = tracker(buffer=20), tracker(buffer=20)
    for result in (passed, stepped):
        last([[at(0)], [at(1)]], result)
    passed.skip(frames)
    last([[]] * frames, stepped)
    for detected in ([at(2)], [at(3)]):
        assert passed.step(detected) == stepped.step(detected)


def test_what_no_picture_can_hold_is_no_detection():
    boxes = [(0, 0, 50, 1e-300), (0, 0, float("nan"), 50), (0, 0, 50, float("inf"))]
    odd = [Detection(box=box, score=SURE) for box in boxes]
    assert ids(last([[*odd, at(0)], [*odd, at(1)]])) == [1]

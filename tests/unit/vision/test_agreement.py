"""Two lists of objects: which are the same, and how far they are apart."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.overlap import (
    COCO_SIGMAS,
    AgreementLimits,
    compare_objects,
    keypoint_similarity,
    worst_agreement,
)
from piyard.vision.predictions import DecodedObject

BARS = AgreementLimits()


def find(x=0.0, class_=0, score=0.8, **more):
    return DecodedObject(class_, score, (x, 0.0, x + 10, 20.0), **more)


def moved(item, **changed):
    return msgspec.structs.replace(item, **changed)


@settings(deadline=None)
@given(
    objects=st.lists(
        st.builds(
            find,
            x=st.floats(0, 1000),
            class_=st.integers(0, 2),
            score=st.floats(0, 1),
        )
    )
)
def test_a_list_agrees_with_itself(objects):
    same = compare_objects(objects, objects)
    assert (same.matched, same.score, same.unmatched_score) == (len(objects), 0, 0)
    assert same.iou == pytest.approx(1)
    assert same.problem(BARS) == ""


def test_order_does_not_matter():
    objects = [find(x) for x in (0, 20, 40)]
    assert compare_objects(objects, objects[::-1]).problem(BARS) == ""


def test_the_nearest_of_several_is_taken():
    got = [find(3), find(0.1)]
    agreement = compare_objects([find(0)], got)
    assert agreement.iou == pytest.approx(9.9 / 10.1)
    assert (agreement.matched, agreement.actual, agreement.unmatched_score) == (1, 2, 0.8)


def test_one_object_is_taken_once():
    assert compare_objects([find(0), find(0.5)], [find(0)]).matched == 1


@pytest.mark.parametrize(
    ("got", "message"),
    [
        ([find(0.5)], "box IoU 0.9048 is below 0.95"),
        ([find(score=0.83)], "a score differs by 0.0300, more than 0.02"),
        ([find(class_=1)], "1 objects expected, 1 found, 0 matched"),
        ([], "1 objects expected, 0 found, 0 matched"),
        ([find(), find(50)], "the best of the others has score 0.8000"),
        ([find(score=float("nan"))], "a score differs by nan"),
    ],
)
def test_what_differs_is_told(got, message):
    assert message in compare_objects([find()], got).problem(BARS, threshold=0.25)


def test_an_object_at_the_threshold_may_be_missing():
    agreement = compare_objects([find(), find(50, score=0.26)], [find()])
    assert agreement.problem(BARS, threshold=0.25) == ""
    assert agreement.problem(BARS, threshold=0.2) != ""


def test_masks_and_keypoints_are_compared_where_there_are_any():
    mask = np.zeros((30, 30), np.bool_)
    mask[:10] = True
    less = mask.copy()
    less[9] = False
    points = np.full((17, 3), 5.0)
    apart = points + np.array([1, 0, 0])
    single, other = find(mask=mask, keypoints=points), find(mask=less, keypoints=apart)
    agreement = compare_objects([single], [other])
    assert agreement.mask_iou == pytest.approx(0.9)
    assert agreement.oks == pytest.approx(
        keypoint_similarity(points, apart, 200, np.ones(17, np.bool_))
    )
    assert agreement.problem(AgreementLimits(oks=0.99)).startswith("OKS 0.")
    assert (
        compare_objects([find()], [other]).mask_iou,
        compare_objects([single], [find()]).oks,
    ) == (None, None)


def test_keypoints_nobody_is_sure_of_say_nothing():
    points = np.full((17, 3), 0.1)
    agreement = compare_objects([find(keypoints=points)], [find(keypoints=points + 99)])
    assert agreement.oks is None


def test_empty_masks_say_nothing():
    empty = np.zeros((30, 30), np.bool_)
    assert compare_objects([find(mask=empty)], [find(mask=empty)]).mask_iou is None


def test_nothing_beside_nothing_proves_nothing():
    nothing = compare_objects([], [])
    assert nothing.proves_nothing
    assert nothing.text == "no object expected, none found"
    assert not compare_objects([find()], [find()]).proves_nothing
    just_above = compare_objects([], [find(score=0.26)])
    assert just_above.problem(BARS, threshold=0.25) == ""
    assert just_above.proves_nothing


def test_oks_is_cocos():
    """One sigma's distance (COCO's k = 2 sigma, s^2 = area) gives exp(-1/8) at sigma x scale."""
    area = 400.0
    ours = np.zeros((17, 2))
    theirs = np.stack([np.array(COCO_SIGMAS) * 20, np.zeros(17)], axis=1)
    assert keypoint_similarity(ours, theirs, area, np.ones(17, np.bool_)) == pytest.approx(
        np.exp(-1 / 8)
    )
    seen = np.arange(17) == 3
    theirs[3] = 2 * COCO_SIGMAS[3] * 20, 0
    assert keypoint_similarity(ours, theirs, area, seen) == pytest.approx(np.exp(-1 / 2))


def test_the_worst_of_several_pictures():
    parts = [compare_objects([find()], [find(0.2, score=0.81)]), compare_objects([find(9)], [])]
    whole = worst_agreement(parts)
    assert (whole.expected, whole.actual, whole.matched, whole.unmatched_score) == (2, 1, 1, 0.8)
    assert (whole.iou, whole.score) == (parts[0].iou, parts[0].score)
    assert whole.mask_iou is None
    assert worst_agreement([]).problem(BARS) == ""

"""Every dense head against its definition in model/head.py, one place at a time."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.vision.head_schema import DenseHead, Fcos, Nanodet, Rtmdet, Yolov5, Yolov8, Yolox
from piyard.vision.schema import Letterbox
from piyard.vision.tasks import find_task
from piyard.vision.tasks.detect import DETECT
from piyard.vision.tasks.pose import POSE
from piyard.vision.tasks.segment import SEGMENT
from piyard.vision.transforms import picture_transform

SIZE = (32, 48)
STRIDES = (8, 16)
CLASSES, BINS, POINTS = 3, 4, 5
HEADS: dict[str, DenseHead] = {
    "yolov8": Yolov8(strides=STRIDES, score=0.4, nms=0.5, bins=BINS),
    "yolox": Yolox(strides=STRIDES, score=0.4, nms=0.5),
    "nanodet": Nanodet(strides=STRIDES, score=0.4, nms=0.5, bins=BINS),
    "rtmdet": Rtmdet(strides=STRIDES, score=0.4, nms=0.5),
    "fcos": Fcos(strides=STRIDES, score=0.4, nms=0.5),
}
CHANNELS = {
    "yolov8": [4 * BINS, CLASSES],
    "yolox": [4, 1, CLASSES],
    "nanodet": [CLASSES, 4 * BINS],
    "rtmdet": [CLASSES, 4],
    "fcos": [CLASSES, 4, 1],
}
LARGER = {"yolox": (slice(2, 5), 1.5), "fcos": (slice(CLASSES, CLASSES + 4), 1.5)}
"""Channels to add something to, so that boxes overlap."""

seeds = st.integers(0, 10**6)
kinds = pytest.mark.parametrize("kind", HEADS)


HOW = Letterbox(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1.0, 1.0, 1.0))


def placing(picture=(90, 60)):
    return picture_transform(picture, HOW, SIZE)


def maps(kind, seed, extra=0):
    """Per level one blob."""
    rng = np.random.default_rng(seed)
    count = sum(CHANNELS[kind]) + extra
    shapes = [(count, SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES]
    result = [rng.normal(0, 1.5, shape).astype(np.float32) for shape in shapes]
    for each in result:
        if kind == "rtmdet":  # its sides are pixels already
            each[CLASSES:] = np.abs(each[CLASSES:]) * 8
        elif kind in LARGER:
            channels, more = LARGER[kind]
            each[channels] += more
    return result


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def expected(logits):
    weights = [math.exp(value) for value in logits]
    return sum(i * weight for i, weight in enumerate(weights)) / sum(weights)


def told_here(kind, values, column, row, stride):
    """Scores of the classes, and the box in the input."""
    x, y = column * stride, row * stride
    parts = np.split(np.asarray(values, float), np.cumsum(CHANNELS[kind])[:-1])
    if kind in {"yolov8", "nanodet"}:
        box, classes = parts if kind == "yolov8" else parts[::-1]
        sides = [expected(box[i * BINS : (i + 1) * BINS]) * stride for i in range(4)]
        return sigmoids(classes), around(x + stride / 2, y + stride / 2, *sides)
    if kind == "yolox":
        (dx, dy, w, h), (thing,), classes = parts
        half = math.exp(w) * stride / 2, math.exp(h) * stride / 2
        result = [sigmoid(thing) * each for each in sigmoids(classes)]
        return result, around(x + dx * stride, y + dy * stride, *half, *half)
    if kind == "rtmdet":
        return sigmoids(parts[0]), around(x, y, *parts[1])
    classes, output, (centredness,) = parts
    result = [math.sqrt(each * sigmoid(centredness)) for each in sigmoids(classes)]
    return result, around(x, y, *(max(each, 0) * stride for each in output))


def sigmoids(values):
    return [sigmoid(value) for value in values]


def around(x, y, left, top, right, bottom):
    return x - left, y - top, x + right, y + bottom


def iou(first, other):
    width = min(first[2], other[2]) - max(first[0], other[0])
    height = min(first[3], other[3]) - max(first[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [max(b[2] - b[0], 0) * max(b[3] - b[1], 0) for b in (first, other)]
    return shared / (sum(areas) - shared) if sum(areas) > shared else 0.0


def slowly(kind, outputs, head, at):
    """(class, score, box in the picture, place) of what is to be told."""
    result, place = [], 0
    for stride, values in zip(STRIDES, outputs, strict=True):
        for row, column in np.ndindex(*values.shape[1:]):
            scores, box = told_here(
                kind, values[: sum(CHANNELS[kind]), row, column], column, row, stride
            )
            best = (
                range(CLASSES) if kind == "fcos" else [max(range(CLASSES), key=scores.__getitem__)]
            )
            result += [(c, scores[c], box, place) for c in best if scores[c] >= head.score]
            place += 1
    result.sort(key=lambda each: (-each[1], each[3], each[0]))
    kept: list[Any] = []
    for candidate in result:
        if not any(k[0] == candidate[0] and iou(k[2], candidate[2]) > head.nms for k in kept):
            kept.append(candidate)
    output = [(c, score, mapped(box, at), place) for c, score, box, place in kept[: head.most]]
    return [each for each in output if each[2][2] > each[2][0] and each[2][3] > each[2][1]]


def mapped(box, at):
    x = [(value - at.x.margin) * at.x.length / at.x.scaled for value in box[::2]]
    y = [(value - at.y.margin) * at.y.length / at.y.scaled for value in box[1::2]]
    clipped = [
        [min(max(value, 0), side) for value in values]
        for values, side in ((x, at.size[0]), (y, at.size[1]))
    ]
    return clipped[0][0], clipped[1][0], clipped[0][1], clipped[1][1]


@kinds
@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_objects_are_those_of_the_definition(kind, seed):
    outputs = maps(kind, seed)
    objects = DETECT.decode(HEADS[kind], outputs, SIZE, placing())
    target_values = slowly(kind, outputs, HEADS[kind], placing())
    assert [each.class_ for each in objects] == [each[0] for each in target_values]
    assert np.allclose(
        [each.score for each in objects], [each[1] for each in target_values], rtol=1e-9
    )
    assert np.allclose(
        np.reshape([each.box for each in objects], (-1, 4)),
        np.reshape([each[2] for each in target_values], (-1, 4)),
    )


@kinds
def test_the_random_maps_tell_something_and_suppress_something(kind):
    """Else the test above could not fail."""
    counts = [len(DETECT.decode(HEADS[kind], maps(kind, i), SIZE, placing())) for i in range(9)]
    every = msgspec.structs.replace(HEADS[kind], nms=1.0)
    more = [len(DETECT.decode(every, maps(kind, i), SIZE, placing())) for i in range(9)]
    assert min(counts) > 0
    assert sum(more) > sum(counts)


@kinds
@settings(deadline=None, max_examples=30)
@given(seed=seeds, cuts=st.sets(st.integers(1, 6), max_size=3))
def test_blobs_of_a_level_may_be_cut_anywhere(kind, seed, cuts):
    whole = maps(kind, seed)
    parts = [part for each in whole for part in np.split(each, sorted(cuts))]
    objects, target_values = (
        DETECT.decode(HEADS[kind], outputs, SIZE, placing()) for outputs in (parts, whole)
    )
    assert [(each.class_, each.score, each.box) for each in objects] == [
        (each.class_, each.score, each.box) for each in target_values
    ]


@kinds
def test_best_first_and_not_more_than_asked(kind):
    every = DETECT.decode(HEADS[kind], maps(kind, 1), SIZE, placing())
    few = msgspec.structs.replace(HEADS[kind], most=4)
    best = DETECT.decode(few, maps(kind, 1), SIZE, placing())
    scores = [each.score for each in every]
    assert scores == sorted(scores, reverse=True)
    assert 0 < len(best) <= 4 < len(every)
    assert [each.box for each in best] == [each.box for each in every[: len(best)]]


def test_equal_scores_are_in_the_order_of_their_places():
    outputs = [np.zeros((7, 4, 6), np.float32), np.zeros((7, 2, 3), np.float32)]
    for output in outputs:
        output[3:] = 1.0  # one pixel to each side
    objects = DETECT.decode(HEADS["rtmdet"], outputs, SIZE, placing((48, 32)))
    first = [each.box[2:] for each in objects[:7]]
    assert first == [(1, 1), (9, 1), (17, 1), (25, 1), (33, 1), (41, 1), (1, 9)]


def test_a_score_at_the_threshold_is_told():
    head = msgspec.structs.replace(HEADS["rtmdet"], score=0.5)
    outputs = [np.full((7, SIZE[0] // s, SIZE[1] // s), -1, np.float32) for s in STRIDES]
    outputs[0][:, 2, 2] = [-9, 0, -9, 4, 4, 4, 4]
    (objects,) = DETECT.decode(head, outputs, SIZE, placing((48, 32)))
    assert (objects.class_, objects.score, objects.box) == (1, 0.5, (12, 12, 20, 20))


def test_fcos_score_at_the_threshold_is_told():
    """The root of a half times a half."""
    head = msgspec.structs.replace(HEADS["fcos"], score=0.5)
    outputs = [np.full((8, SIZE[0] // s, SIZE[1] // s), -1, np.float32) for s in STRIDES]
    outputs[0][:, 2, 2] = [-9, 0, -9, 1, 1, 1, 1, 0]
    (objects,) = DETECT.decode(head, outputs, SIZE, placing((48, 32)))
    assert (objects.class_, objects.score, objects.box) == (1, 0.5, (8, 8, 24, 24))


def test_only_fcos_tells_two_classes_of_one_place():
    def at_one_place(kind, channels):
        outputs = [
            np.full((channels, 4, 6), -9, np.float32),
            np.full((channels, 2, 3), -9, np.float32),
        ]
        outputs[0][:, 1, 1] = 3
        return DETECT.decode(HEADS[kind], outputs, SIZE, placing())

    assert [each.class_ for each in at_one_place("fcos", CLASSES + 5)] == [0, 1, 2]
    assert [each.class_ for each in at_one_place("rtmdet", CLASSES + 4)] == [0]


def test_other_classes_do_not_suppress():
    outputs = [np.full((7, 4, 6), -9, np.float32), np.full((7, 2, 3), -9, np.float32)]
    outputs[0][:, 1, 1] = [3, -9, -9, 5, 5, 5, 5]
    outputs[0][:, 1, 2] = [-9, 2, -9, 13, 5, -3, 5]  # the same box
    outputs[0][:, 1, 3] = [1, -9, -9, 21, 5, -11, 5]  # and once more, of the first class
    objects = DETECT.decode(HEADS["rtmdet"], outputs, SIZE, placing())
    assert [each.class_ for each in objects] == [0, 1]
    assert objects[0].box == objects[1].box


@kinds
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_place_that_is_not_finite_tells_nothing(kind, value):
    outputs = maps(kind, 3)
    whole = DETECT.decode(HEADS[kind], outputs, SIZE, placing())
    for output in outputs:
        output[-1, 0, :] = value
    objects = DETECT.decode(HEADS[kind], outputs, SIZE, placing())
    assert all(np.isfinite([*each.box, each.score]).all() for each in objects)
    assert 0 < len(objects) < len(whole)


def test_an_absurd_size_is_the_whole_picture():
    outputs = [np.full((8, 4, 6), -9, np.float32), np.full((8, 2, 3), -9, np.float32)]
    outputs[0][:, 1, 1] = [0, 0, 1e30, 1e30, 9, 9, -9, -9]
    (objects,) = DETECT.decode(HEADS["yolox"], outputs, SIZE, placing())
    assert objects.box == (0, 0, 90, 60)


def test_a_box_in_the_filling_is_left_out():
    """A 48x8 picture in the middle of 32 rows: 12 rows above are filling."""
    outputs = [np.full((7, 4, 6), -9, np.float32), np.full((7, 2, 3), -9, np.float32)]
    outputs[0][:, 1, 1] = [3, -9, -9, 2, 2, 2, 2]
    outputs[0][:, 2, 1] = [3, -9, -9, 2, 2, 2, 2]
    (objects,) = DETECT.decode(HEADS["rtmdet"], outputs, SIZE, placing((48, 8)))
    assert objects.box == (6, 2, 10, 6)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(7, 4, 6)], "2 strides"),
        ([(7, 4, 6), (7, 2, 3), (7, 1, 1)], "2 strides"),
        ([(7, 4, 6), (7, 4, 6)], r"stride 16 of an input \(32, 48\)"),
        ([(7, 4, 6), (8, 2, 3)], "different numbers of channels"),
        ([(4, 4, 6), (4, 2, 3)], "4 channels per place are too few"),
        ([(7, 4, 6), (7, 6)], "stride 16"),
    ],
)
def test_outputs_of_another_head_are_an_error(shapes, message):
    outputs = [np.zeros(shape, np.float32) for shape in shapes]
    with pytest.raises(WrongInput, match=message) as caught:
        DETECT.decode(HEADS["rtmdet"], outputs, SIZE, placing())
    assert str(shapes[-1]) in caught.value.evidence


@pytest.mark.parametrize("seed", range(20))
def test_keypoints_are_those_of_the_place(seed):
    """A pose network has one class; x = (2 v + column) x stride."""
    head = HEADS["yolov8"]
    rng = np.random.default_rng(seed)
    count = 4 * BINS + 1 + 3 * POINTS
    shapes = [(count, SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES]
    outputs = [rng.normal(0, 1.5, shape).astype(np.float32) for shape in shapes]
    at = placing()
    target_values = {}
    for stride, each in zip(STRIDES, outputs, strict=True):
        for row, column in np.ndindex(*each.shape[1:]):
            values = each[4 * BINS + 1 :, row, column].astype(float).reshape(POINTS, 3)
            x, y = (2 * values[:, 0] + column) * stride, (2 * values[:, 1] + row) * stride
            x = (x - at.x.margin) * at.x.length / at.x.scaled
            y = (y - at.y.margin) * at.y.length / at.y.scaled
            score = round(sigmoid(each[4 * BINS, row, column]), 12)
            target_values[score] = np.stack([x, y, 1 / (1 + np.exp(-values[:, 2]))], axis=1)
    objects = POSE.decode(head, outputs, SIZE, at)
    assert objects
    for result in objects:
        assert result.class_ == 0
        assert result.keypoints is not None
        assert np.allclose(result.keypoints, target_values[round(result.score, 12)])


ANCHORS = (((10.0, 14.0), (24.0, 6.0)), ((30.0, 61.0), (62.0, 45.0)))


def test_each_anchor_tells_a_box_of_its_own():
    head = Yolov5(strides=STRIDES, score=0.4, anchors=ANCHORS)
    outputs = empty(2 * (5 + CLASSES))
    outputs[0][5 + CLASSES :, 1, 2] = [0, 0, 0, 0, 9, -9, 9, -9]
    outputs[1][: 5 + CLASSES, 0, 1] = [math.log(3), 0, 0, math.log(3), 0, 9, -9, -9]
    first, second = DETECT.decode(head, outputs, SIZE, placing((48, 32)))
    assert (first.class_, second.class_) == (1, 0)
    assert first.box == pytest.approx((20 - 12, 12 - 3, 20 + 12, 12 + 3))
    assert first.score == pytest.approx(sigmoid(9) ** 2)
    high = 61 * 1.5**2 / 2
    middle = (2 * 0.75 - 0.5 + 1) * 16
    assert second.box == pytest.approx((middle - 15, 0, middle + 15, min(32, 8 + high)))
    assert second.score == pytest.approx(sigmoid(0) * sigmoid(9))


@pytest.mark.parametrize(
    ("anchors", "why"),
    [
        (ANCHORS[:1], "as many `strides`|`strides`"),
        ((ANCHORS[0], ANCHORS[1][:1]), "not as many for each map"),
        (((), ()), "`strides`"),
    ],
)
def test_anchors_that_do_not_fit_the_maps(anchors, why):
    with pytest.raises(ValueError, match=why):
        Yolov5(strides=STRIDES, anchors=anchors)


def test_channels_that_are_not_as_many_for_each_anchor():
    head = Yolov5(strides=STRIDES, anchors=ANCHORS)
    with pytest.raises(WrongInput, match="2 anchors need as many groups"):
        DETECT.decode(head, empty(17), SIZE, placing())


def empty(channels):
    return [np.full((channels, 4, 6), -9, np.float32), np.full((channels, 2, 3), -9, np.float32)]


def test_a_side_of_one_bin_is_the_value_itself():
    head = Yolov8(strides=STRIDES, score=0.4, bins=1)
    outputs = empty(4 + CLASSES)
    outputs[0][:, 1, 2] = [0.25, 0.5, 1.5, -0.25, -9, 3, -9]
    (objects,) = DETECT.decode(head, outputs, SIZE, placing((48, 32)))
    assert objects.class_ == 1
    assert objects.box == (20 - 2, 12 - 4, 20 + 12, 12 - 2)


def test_an_end_to_end_head_suppresses_nothing_and_tells_each_class_of_a_place():
    head = Yolov8(strides=STRIDES, score=0.4, bins=1, end_to_end=True, most=3)
    outputs = empty(4 + CLASSES)
    outputs[0][:, 1, 1] = [1, 1, 1, 1, 3, 1, -9]
    outputs[0][:, 1, 2] = [2, 1, 0, 1, 2, -9, 0]  # the same box
    objects = DETECT.decode(head, outputs, SIZE, placing((48, 32)))
    assert [each.class_ for each in objects] == [0, 0, 1]
    assert len({each.box for each in objects}) == 1
    once = msgspec.structs.replace(head, end_to_end=False)
    assert len(DETECT.decode(once, outputs, SIZE, placing((48, 32)))) == 1


@pytest.mark.parametrize(
    ("grid", "first"), [("doubled", (2 * 0.5 + 2) * 8), ("centred", (0.5 + 2 + 0.5) * 8)]
)
def test_keypoints_without_scores_of_several_classes(grid, first):
    head = Yolov8(strides=STRIDES, score=0.4, bins=1, kpt_shape=(2, 2), kpt_grid=grid)
    outputs = empty(4 + CLASSES + 4)
    outputs[0][:, 1, 2] = [1, 1, 1, 1, -9, -9, 3, 0.5, -0.5, 0, 0]
    (objects,) = POSE.decode(head, outputs, SIZE, placing((48, 32)))
    start = (16, 8) if grid == "doubled" else (20, 12)
    low = 0 if grid == "doubled" else 8
    assert objects.class_ == 2
    assert objects.keypoints is not None
    assert objects.keypoints.tolist() == [[first, low, 1], [*start, 1]]


@pytest.mark.parametrize(
    ("kind", "task", "extra"),
    [*((kind, "detect", 0) for kind in HEADS), ("yolov8", "segment", 6), ("yolov8", "pose", 6)],
)
def test_nothing_is_found_in_an_empty_picture(kind, task, extra):
    classes = 1 if task == "pose" else CLASSES
    count = sum(CHANNELS[kind]) - CLASSES + classes + extra
    shapes = [(count, SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES]
    outputs = [np.full(shape, -9, np.float32) for shape in shapes]
    prototypes = [np.ones((extra, 8, 12), np.float32)] if task == "segment" else []
    assert find_task(task).decode(HEADS[kind], [*outputs, *prototypes], SIZE, placing()) == []


@pytest.mark.parametrize("kind", ["yolox", "nanodet", "yolov8"])
def test_no_keypoints_where_none_are_told(kind):
    with pytest.raises(WrongInput, match="no keypoint"):
        POSE.decode(HEADS[kind], maps(kind, 1), SIZE, placing())


def test_masks_belong_to_their_objects():
    """One prototype a quarter of the input; an object's coefficient chooses one."""
    prototypes = np.full((4, 8, 12), -1.0, np.float32)
    for i, (row, column) in enumerate([(0, 0), (0, 6), (4, 0), (4, 6)]):
        prototypes[i, row : row + 4, column : column + 6] = 1
    count = 4 * BINS + CLASSES + 4
    shapes = [(count, SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES]
    outputs = [np.full(shape, -9, np.float32) for shape in shapes]
    for i, (row, column) in enumerate([(1, 1), (1, 4), (3, 1), (3, 4)]):
        outputs[0][: 4 * BINS, row, column] = (
            np.eye(BINS)[1].repeat(4).reshape(BINS, 4).T.ravel() * 50
        )
        outputs[0][4 * BINS, row, column] = 4 - i
        outputs[0][-4:, row, column] = np.eye(4)[i]
    objects = SEGMENT.decode(HEADS["yolov8"], [*outputs, prototypes], SIZE, placing((96, 64)))
    assert len(objects) == 4
    for each, (row, column) in zip(objects, [(0, 0), (0, 48), (32, 0), (32, 48)], strict=True):
        x0, y0, x1, y1 = map(int, each.box)
        quarter = np.zeros((64, 96), np.bool_)
        quarter[row : row + 32, column : column + 48] = True
        box = np.zeros((64, 96), np.bool_)
        box[y0:y1, x0:x1] = True
        assert each.mask is not None
        assert each.mask.any()
        assert np.array_equal(each.mask, quarter & box)

"""Keypoints of one object: SimCC and heatmaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.vision.head_schema import Heatmap, Simcc
from piyard.vision.schema import ObjectCrop
from piyard.vision.tasks.pose import decode_pose
from piyard.vision.transforms import object_transform

SIZE = (64, 48)
BOX = (30.0, 10.0, 60.0, 90.0)
HOW = ObjectCrop(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1.0, 1.0, 1.0))
AT = object_transform((200, 100), BOX, HOW, SIZE)


def outside(x, y):
    """From the input to the picture, written out: the region is 75 x 100 around (45, 50)."""
    return 45 - 37.5 + x * 75 / 48, y * 100 / 64


def test_the_region_is_the_one_written_out_here():
    assert (AT.x.length, AT.y.length, AT.x.start, AT.y.start) == (75, 100, 7.5, 0)


@settings(deadline=None)
@given(
    points=st.lists(
        st.tuples(st.integers(0, 95), st.integers(0, 127), st.floats(0.1, 1), st.floats(0.1, 1)),
        min_size=1,
        max_size=5,
    )
)
def test_simcc(points):
    across, down = np.zeros((2, len(points), 128), np.float32)
    for i, (x, y, sure_x, sure_y) in enumerate(points):
        across[i, x], down[i, y] = sure_x, sure_y
    objects = decode_pose(Simcc(), [across[:, :96], down], SIZE, AT)
    for each, (x, y, sure_x, sure_y) in zip(objects, points, strict=True):
        assert each[:2].tolist() == pytest.approx(outside(x / 2, y / 2))
        assert each[2] == np.float32(min(sure_x, sure_y))


def heatmap(**values):
    """16 x 12 places; values by ``x_y``."""
    result = np.zeros((1, 16, 12), np.float32)
    for name, value in values.items():
        x, y = map(int, name[1:].split("_"))
        result[0, y, x] = value
    return result


@pytest.mark.parametrize(
    ("values", "point"),
    [
        ({"p5_7": 0.9}, (5, 7)),
        ({"p5_7": 0.9, "p6_7": 0.4}, (5.25, 7)),
        ({"p5_7": 0.9, "p4_7": 0.4, "p5_8": 0.1, "p5_6": 0.05}, (4.75, 7.25)),
        ({"p0_0": 0.9, "p1_0": 0.4, "p0_1": 0.4}, (0, 0)),  # no neighbour on one side
        ({"p11_3": 0.9, "p10_3": 0.4, "p11_2": 0.3}, (11, 2.75)),
        ({"p1_14": 0.9, "p2_14": 0.4, "p1_15": 0.3}, (1.25, 14.25)),
    ],
)
def test_heatmap(values, point):
    (objects,) = decode_pose(Heatmap(), [heatmap(**values)], SIZE, AT)
    assert objects[:2].tolist() == pytest.approx(outside(point[0] * 4, point[1] * 4))
    assert objects[2] == np.float32(0.9)


def test_each_keypoint_has_its_own_map():
    maps = np.concatenate([heatmap(p1_2=1), heatmap(p9_13=0.5), heatmap(p3_3=0.25)])
    objects = decode_pose(Heatmap(), [maps], SIZE, AT)
    expected = [outside(4, 8), outside(36, 52), outside(12, 12)]
    assert np.allclose(objects[:, :2], expected)
    assert objects[:, 2].tolist() == [1, 0.5, 0.25]


@pytest.mark.parametrize(
    ("head", "shapes"),
    [
        (Simcc(), [(17, 96)]),
        (Simcc(), [(17, 128), (17, 96)]),
        (Simcc(split=1.0), [(17, 96), (17, 128)]),
        (Heatmap(), [(17, 96), (17, 128)]),
        (Heatmap(), [(17, 192)]),
    ],
)
def test_outputs_of_another_head_are_an_error(head, shapes):
    with pytest.raises(WrongInput, match="not what the model's `head` says"):
        decode_pose(head, [np.zeros(shape, np.float32) for shape in shapes], SIZE, AT)

"""nnrun obb: rotated boxes are the desktop's, whatever the net's outputs and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from piyard.vision.flags import head_flags, preprocess_flags
from piyard.vision.head_schema import Yolov8
from piyard.vision.predictions import DecodedObject
from piyard.vision.rotated import rotated_iou
from piyard.vision.schema import Letterbox, Preprocess, Stretch
from piyard.vision.tasks.obb import OBB
from piyard.vision.transforms import picture_transform
from tests.runner.constant import constant
from tests.runner.nets import Floats
from tests.runner.outcome import Line, Run, assert_refused
from tests.runner.pictures import noise

PLAIN: dict[str, Any] = {"order": "rgb", "mean": (0.0, 0.0, 0.0), "norm": (1.0, 1.0, 1.0)}
LETTERBOX = Letterbox(**PLAIN)
SIZE = (64, 96)


def find(
    nnrun: Run,
    folder: Path,
    head: Yolov8,
    outputs: list[Floats],
    *more: object,
    fit: Preprocess = LETTERBOX,
    size: tuple[int, int] = SIZE,
) -> Line:
    """The line of a.png when the net's outputs are those."""
    flags = [*constant(outputs, folder), *head_flags(head), *preprocess_flags(fit, size)]
    return nnrun("obb", *flags, *more, folder / "a.png").line("objects")


def random_maps(head: Yolov8, classes: int, size: tuple[int, int], seed: int) -> list[Floats]:
    """One blob a level; sides without a distribution are positive."""
    random = np.random.default_rng(seed)
    maps: list[Floats] = []
    for stride in head.strides:
        grid = tuple(-(-side // stride) for side in size)
        values = random.normal(0, 2, (4 * head.bins + classes + 1, *grid)).astype(np.float32)
        if head.bins == 1:
            values[:4] = np.abs(values[:4])
        maps.append(values)
    return maps


def assert_same(line: Line, expected: list[DecodedObject]) -> None:
    objects = line["objects"]
    assert [each["class"] for each in objects] == [each.class_ for each in expected]
    if not expected:
        return
    scores = [each.score for each in expected]
    np.testing.assert_allclose([each["score"] for each in objects], scores, rtol=1e-6)
    boxes = [each.box for each in expected]
    np.testing.assert_allclose([each["box"] for each in objects], boxes, rtol=1e-5, atol=1e-4)
    rotated = [each.rotated or () for each in expected]
    np.testing.assert_allclose([each["rotated"] for each in objects], rotated, rtol=1e-5, atol=1e-4)


side = st.integers(1, 120)


@settings(max_examples=120, deadline=None)
@given(
    bins=st.sampled_from([1, 2, 16]),
    angle=st.sampled_from(["sigmoid", "radians"]),
    once=st.booleans(),
    nms=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    most=st.sampled_from([1, 5, 300]),
    classes=st.integers(1, 5),
    size=st.tuples(st.integers(8, 100), st.integers(8, 100)),
    width=side,
    height=side,
    fit=st.sampled_from([LETTERBOX, Letterbox(**PLAIN, place="topleft"), Stretch(**PLAIN)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_objects_are_the_desktops(
    nnrun: Run,
    tmp_path_factory,
    bins,
    angle,
    once,
    nms,
    most,
    classes,
    size,
    width,
    height,
    fit,
    seed,
):
    folder = tmp_path_factory.mktemp("obb")
    noise(width, height).save(folder / "a.png")
    head = Yolov8(bins=bins, angle=angle, end_to_end=once, nms=nms, most=most)
    outputs = random_maps(head, classes, size, seed)
    line = find(nnrun, folder, head, outputs, fit=fit, size=size)
    transform = picture_transform((width, height), fit, size)
    assert_same(line, OBB.decode(head, outputs, size, transform))


def test_a_crowd_is_thinned_out_as_on_the_desktop(nnrun: Run, tmp_path):
    """Thousands of candidates, as an evaluation has them."""
    noise(640, 480).save(tmp_path / "a.png")
    head = Yolov8(bins=4, score=0.001, nms=0.65)
    outputs = random_maps(head, 5, (320, 320), 3)
    line = find(nnrun, tmp_path, head, outputs, size=(320, 320))
    transform = picture_transform((640, 480), LETTERBOX, (320, 320))
    expected = OBB.decode(head, outputs, (320, 320), transform)
    assert len(expected) > 100
    assert_same(line, expected)


def one_box(angle: float, reach: tuple[float, float, float, float]) -> tuple[Yolov8, list[Floats]]:
    """A head with the place in row 4, column 6 of stride 8, which has an object."""
    head = Yolov8(strides=(8,), bins=1, angle="radians")
    values = np.full((6, SIZE[0] // 8, SIZE[1] // 8), -20, np.float32)
    values[:4, 4, 6] = np.array(reach) / 8
    values[4:, 4, 6] = 3, angle
    return head, [values]


def test_sides_are_measured_in_the_turned_picture(nnrun: Run, tmp_path):
    noise(SIZE[1], SIZE[0]).save(tmp_path / "a.png")
    head, outputs = one_box(np.pi / 6, (4, 3, 12, 5))
    (objects,) = find(nnrun, tmp_path, head, outputs)["objects"]
    x, y = 52 + 4 * np.cos(np.pi / 6) - 1 * np.sin(np.pi / 6), 36 + 4 * 0.5 + np.cos(np.pi / 6)
    assert objects["rotated"] == pytest.approx([x, y, 16, 8, np.pi / 6], rel=1e-6)
    half = 8 * np.cos(np.pi / 6) + 4 * 0.5, 8 * 0.5 + 4 * np.cos(np.pi / 6)
    assert objects["box"] == pytest.approx([x - half[0], y - half[1], x + half[0], y + half[1]])


def test_the_drawing_turns_with_the_box(nnrun: Run, tmp_path):
    Image.new("RGB", (SIZE[1], SIZE[0])).save(tmp_path / "a.png")
    head, outputs = one_box(np.pi / 4, (20, 8, 20, 8))
    find(nnrun, tmp_path, head, outputs, "--draw", tmp_path)
    drawn = np.asarray(Image.open(tmp_path / "0000.jpg").convert("L")) > 60
    corner, between = (36 + 14 + 6, 52 + 14 - 6), (36 + 14 + 6, 52 - 14 - 6)
    assert drawn[corner[0] - 2 : corner[0] + 3, corner[1] - 2 : corner[1] + 3].any()
    assert not drawn[between[0] - 2 : between[0] + 3, between[1] - 2 : between[1] + 3].any()


def test_other_heads_have_no_angles(nnrun: Run, tmp_path):
    noise(8, 8).save(tmp_path / "a.png")
    _, outputs = one_box(0, (1, 1, 1, 1))
    flags = [*constant(outputs, tmp_path), *preprocess_flags(LETTERBOX, SIZE), "--head", "yolox"]
    assert_refused(nnrun("obb", *flags, tmp_path / "a.png"), 2, "--head", "yolov8")


def test_the_same_box_is_told_in_one_way(nnrun: Run, tmp_path):
    """Turned by a quarter and with its sides exchanged it is the same."""
    noise(SIZE[1], SIZE[0]).save(tmp_path / "a.png")
    first, second = (
        find(nnrun, tmp_path, *one_box(angle, reach))["objects"][0]["rotated"]
        for angle, reach in ((0.4, (9, 3, 9, 3)), (0.4 + np.pi / 2, (3, 9, 3, 9)))
    )
    assert first == pytest.approx(second, abs=1e-4)
    assert rotated_iou(np.array([first]), np.array([second]))[0, 0] == pytest.approx(1, abs=1e-5)

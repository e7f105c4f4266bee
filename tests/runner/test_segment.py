"""nnrun segment: masks and objects are the desktop's, and their runs are COCO's."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from piyard.vision.flags import preprocess_flags
from piyard.vision.head_schema import Yolov8
from piyard.vision.predictions import DecodedObject, Rle, decode_mask, encode_mask
from piyard.vision.schema import Letterbox, Stretch
from piyard.vision.tasks.segment import SEGMENT
from piyard.vision.transforms import picture_transform
from tests.runner.constant import constant
from tests.runner.nets import Floats
from tests.runner.outcome import Line, Run, assert_refused

SIZE = (32, 48)
BINS, COEFFICIENTS = 4, 6
HEAD = Yolov8(bins=BINS, strides=(8, 16), score=0.5)
HEAD_FLAGS = ["--head", "yolov8", "--strides", "8,16", "--bins", str(BINS), "--score", "0.5"]
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
LETTERBOX = Letterbox(order="rgb", mean=ZERO, norm=ONE)
TOP_LEFT = Letterbox(order="rgb", mean=ZERO, norm=ONE, place="topleft")
STRETCH = Stretch(order="rgb", mean=ZERO, norm=ONE)

seeds = st.integers(0, 10**6)
fits = st.sampled_from([LETTERBOX, TOP_LEFT, STRETCH])
side = st.integers(1, 200)


def maps(seed: int, classes: int = 3, *, whole: bool = True) -> list[Floats]:
    """Random outputs; sums of products of small whole numbers are exact in any order."""
    rng = np.random.default_rng(seed)
    shapes = [(4 * BINS + classes + COEFFICIENTS, SIZE[0] // s, SIZE[1] // s) for s in HEAD.strides]
    result: list[Floats] = [rng.normal(size=shape).astype("f4") for shape in shapes]
    result.append(rng.normal(size=(COEFFICIENTS, 8, 12)).astype("f4"))
    for values in [each[-COEFFICIENTS:] for each in result]:
        values[:] = np.round(3 * values) if whole else values
    return result


def flags(how: Letterbox | Stretch) -> list[str]:
    return [*preprocess_flags(how, SIZE), *HEAD_FLAGS]


def decoded(
    outputs: list[Floats], how: Letterbox | Stretch, size: tuple[int, int]
) -> list[DecodedObject]:
    return SEGMENT.decode(HEAD, outputs, SIZE, picture_transform(size, how, SIZE))


def unpacked(line: Line) -> NDArray[np.bool_]:
    return decode_mask(msgspec.convert(line["mask"], Rle))


def packed(objects: list[DecodedObject]) -> list[Line]:
    masks = [encode_mask(each.mask) for each in objects if each.mask is not None]
    return [msgspec.json.decode(msgspec.json.encode(mask)) for mask in masks]


class Segment:
    """What nnrun finds in a picture of a size, with a net whose outputs are given."""

    def __init__(self, nnrun: Run, folder) -> None:
        self.nnrun, self.folder = nnrun, folder

    def run(self, outputs: list[Floats], size: tuple[int, int], *more: object):
        Image.new("RGB", size).save(self.folder / "a.png")
        net = constant(outputs, self.folder)
        return self.nnrun("segment", *net, *more, self.folder / "a.png")

    def __call__(self, outputs: list[Floats], size: tuple[int, int], *more: object) -> list[Line]:
        objects: list[Line] = self.run(outputs, size, *more).line("objects")["objects"]
        return objects


@pytest.fixture
def segment(nnrun: Run, tmp_path) -> Segment:
    return Segment(nnrun, tmp_path)


def assert_boxes_agree(result: list[Line], expected: list[DecodedObject]) -> None:
    assert [each["class"] for each in result] == [each.class_ for each in expected]
    assert np.allclose(
        [each["score"] for each in result], [each.score for each in expected], atol=1e-6
    )
    assert np.allclose([each["box"] for each in result], [each.box for each in expected], atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, width=side, height=side, how=fits)
def test_every_pixel_is_the_desktops(nnrun: Run, tmp_path_factory, seed, width, height, how):
    outputs, size = maps(seed), (width, height)
    folder = tmp_path_factory.mktemp("masks")
    result = Segment(nnrun, folder)(outputs, size, *flags(how))
    expected = decoded(outputs, how, size)
    assert_boxes_agree(result, expected)
    assert [each["mask"] for each in result] == packed(expected)


@pytest.mark.parametrize("seed", range(5))
def test_with_real_numbers_only_doubtful_pixels_differ(segment: Segment, seed):
    """The prototypes are summed in another order; only a sum of nearly 0 may change its sign."""
    outputs = maps(seed, whole=False)
    result = segment(outputs, (640, 427), *flags(LETTERBOX))
    expected = decoded(outputs, LETTERBOX, (640, 427))
    assert len(result) == len(expected) > 3
    for each, other in zip(result, expected, strict=True):
        assert (unpacked(each) != other.mask).sum() <= 3


def one_object(logit: float) -> list[Floats]:
    """A single object over the whole input, whose mask is the same everywhere."""
    outputs = [np.full_like(each, 0) for each in maps(0, classes=1)]
    outputs[0][4 * BINS] = outputs[1][4 * BINS] = -9
    outputs[1][: 4 * BINS].reshape(4, BINS, 2, 3)[:, -1, 1, 1] = 50
    outputs[1][4 * BINS :, 1, 1] = [9, *[logit] * COEFFICIENTS]
    outputs[2][:] = 1
    return outputs


@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (1, 1), (1, 9000), (9000, 1)])
def test_pictures_of_any_size(segment: Segment, size):
    (result,) = segment(one_object(1), size, *flags(LETTERBOX))
    assert [result["mask"]] == packed(decoded(one_object(1), LETTERBOX, size))
    assert unpacked(result).any()


def test_a_mask_may_be_empty(segment: Segment):
    (result,) = segment(one_object(-1), (64, 48), *flags(LETTERBOX))
    assert result["mask"] == {"size": [48, 64], "counts": "PP3"}
    assert not unpacked(result).any()


def test_no_object_is_no_mask(segment: Segment):
    outputs = maps(3)
    for level in outputs[:-1]:
        level[4 * BINS : -COEFFICIENTS] = -20
    assert segment(outputs, (64, 48), *flags(LETTERBOX)) == []


def test_very_many_objects(segment: Segment):
    """Boxes of a few pixels at each place, none of which suppresses another."""
    size, rng = (512, 512), np.random.default_rng(5)
    level = rng.integers(-2, 3, (4 * BINS + 1 + COEFFICIENTS, 64, 64)).astype("f4")
    level[: 4 * BINS] = -30
    level[: 4 * BINS : BINS] = 30
    level[1 : 4 * BINS : BINS] = 28
    level[4 * BINS] = rng.uniform(2, 4, (64, 64))
    outputs: list[Floats] = [level, rng.integers(-2, 3, (COEFFICIENTS, 128, 128)).astype("f4")]
    head = Yolov8(bins=BINS, strides=(8,), score=0.5, most=100000)
    request = ["--strides", "8", "--bins", BINS, "--score", "0.5", "--most", "100000"]
    how = preprocess_flags(LETTERBOX, size)
    result = segment(outputs, (700, 600), *how, "--head", "yolov8", *request)
    at = picture_transform((700, 600), LETTERBOX, size)
    expected = SEGMENT.decode(head, outputs, size, at)
    assert len(result) == len(expected) > 3000
    assert_boxes_agree(result, expected)
    assert [each["mask"] for each in result] == packed(expected)


def test_each_picture_has_its_own_masks(nnrun: Run, tmp_path):
    sizes = [(64, 48), (20, 90), (64, 48)]
    paths = [tmp_path / f"{i}.png" for i in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        Image.new("RGB", size).save(path)
    outputs = maps(7)
    done = nnrun("segment", *constant(outputs, tmp_path), *flags(LETTERBOX), *paths)
    lines = done.of("objects")
    assert [line["image"] for line in lines] == [str(path) for path in paths]
    assert lines[0]["objects"] == lines[2]["objects"]
    for line, size in zip(lines, sizes, strict=True):
        masks = packed(decoded(outputs, LETTERBOX, size))
        assert [each["mask"] for each in line["objects"]] == masks


def without_prototypes(outputs: list[Floats]) -> list[Floats]:
    return outputs[:-1]


def flat_prototypes(outputs: list[Floats]) -> list[Floats]:
    return [*outputs[:-1], outputs[-1].reshape(COEFFICIENTS, -1)]


def too_many_coefficients(outputs: list[Floats]) -> list[Floats]:
    return [*outputs[:-1], np.zeros((60, 8, 12), np.float32)]


def only_prototypes(outputs: list[Floats]) -> list[Floats]:
    return outputs[-1:]


@pytest.mark.parametrize(
    "wrong", [without_prototypes, flat_prototypes, too_many_coefficients, only_prototypes]
)
def test_outputs_that_are_not_a_segment_heads(segment: Segment, wrong):
    done = segment.run(wrong(maps(1)), (64, 48), *flags(LETTERBOX))
    assert_refused(done, 3, "outputs are not those of a yolov8 head")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("output", [0, 2])
def test_nan_is_told(segment: Segment, value, output):
    outputs = maps(1)
    outputs[output][-1, -1, -1] = value
    done = segment.run(outputs, (64, 48), *flags(LETTERBOX))
    assert done.code == 4
    assert f"out{output} holds NaN or infinity" in done.line("error")["error"]


def test_another_head_has_no_masks(segment: Segment):
    done = segment.run(maps(1), (64, 48), *preprocess_flags(LETTERBOX, SIZE), "--head", "yolox")
    assert_refused(done, 2, "--head")

"""nnrun pose: keypoints are the desktop's, by one net that finds people or by two in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from piyard.vision.flags import head_flags, preprocess_flags
from piyard.vision.head_schema import Heatmap, Rtmdet, Simcc, Yolov8
from piyard.vision.schema import Letterbox, ObjectCrop
from piyard.vision.tasks.detect import DETECT
from piyard.vision.tasks.pose import POSE, decode_pose
from piyard.vision.transforms import object_transform, picture_transform
from tests.runner.constant import constant
from tests.runner.nets import Floats, Net
from tests.runner.outcome import Line, Outcome, Run, assert_refused

SIZE = (32, 48)
BINS, KEYPOINTS = 4, 5
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
WHOLE = Letterbox(order="rgb", mean=ZERO, norm=ONE)
POSE_SIZE = (64, 48)
CUT = ObjectCrop(order="rgb", mean=ZERO, norm=ONE)

seeds = st.integers(0, 10**6)
side = st.integers(1, 200)

AT_ONCE = Yolov8(bins=BINS, strides=(8, 16), score=0.5)
AT_ONCE_FLAGS = [
    *("--head", "yolov8", "--strides", "8,16", "--bins", str(BINS), "--score", "0.5"),
    *preprocess_flags(WHOLE, SIZE),
]
FINDER = Rtmdet(strides=(8, 16), score=0.5)
FINDER_FLAGS = [
    *("--head", "rtmdet", "--strides", "8,16", "--score", "0.5"),
    *preprocess_flags(WHOLE, SIZE),
]


def maps(channels: int, seed: int) -> list[Floats]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 2, (channels, SIZE[0] // s, SIZE[1] // s)).astype("f4") for s in (8, 16)]


def people(seed: int, classes: int = 2) -> list[Floats]:
    """Random outputs of a net that finds people: class 0."""
    result = maps(classes + 4, seed)
    for level in result:
        level[classes:] = abs(level[classes:]) * 6
    return result


def prefixed(flags: list[str]) -> list[str]:
    return ["--detector-" + flag[2:] if flag.startswith("--") else flag for flag in flags]


def finder(outputs: list[Floats], folder: Path) -> list[str]:
    return prefixed([*constant(outputs, folder, "finder"), *FINDER_FLAGS])


def picture(folder: Path, size: tuple[int, int]) -> Path:
    path = folder / "a.png"
    Image.new("RGB", size).save(path)
    return path


def objects(done: Outcome) -> list[Line]:
    detected: list[Line] = done.line("objects")["objects"]
    return detected


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 6), st.sampled_from([2, 3])),
    grid=st.sampled_from(["doubled", "centred"]),
    classes=st.integers(1, 3),
    bins=st.sampled_from([1, BINS]),
    end_to_end=st.booleans(),
)
def test_keypoints_are_as_many_and_where_the_head_says(
    nnrun: Run, tmp_path_factory, seed, shape, grid, classes, bins, end_to_end
):
    folder, size = tmp_path_factory.mktemp("pose"), (80, 60)
    head = Yolov8(
        bins=bins,
        strides=(8, 16),
        score=0.5,
        kpt_shape=shape,
        kpt_grid=grid,
        end_to_end=end_to_end,
    )
    outputs = maps(4 * bins + classes + shape[0] * shape[1], seed)
    flags = [*constant(outputs, folder), *head_flags(head), *preprocess_flags(WHOLE, SIZE)]
    detected = objects(nnrun("pose", *flags, picture(folder, size)))
    expected = POSE.decode(head, outputs, SIZE, picture_transform(size, WHOLE, SIZE))
    assert [item["class"] for item in detected] == [item.class_ for item in expected]
    for each, other in zip(detected, expected, strict=True):
        assert np.allclose(each["box"], other.box, atol=1e-4)
        assert other.keypoints is not None
        assert other.keypoints.shape == (shape[0], 3)
        assert np.allclose(each["keypoints"], other.keypoints, rtol=1e-6, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, width=side, height=side)
def test_one_net_tells_people_and_keypoints(nnrun: Run, tmp_path_factory, seed, width, height):
    folder, size = tmp_path_factory.mktemp("pose"), (width, height)
    outputs = maps(4 * BINS + 1 + 3 * KEYPOINTS, seed)
    net = constant(outputs, folder)
    detected = objects(nnrun("pose", *net, *AT_ONCE_FLAGS, picture(folder, size)))
    at = picture_transform(size, WHOLE, SIZE)
    expected = POSE.decode(AT_ONCE, outputs, SIZE, at)
    assert len(detected) == len(expected)
    for each, other in zip(detected, expected, strict=True):
        assert each["class"] == 0
        assert np.allclose(each["box"], other.box, atol=1e-4)
        assert other.keypoints is not None
        assert np.allclose(each["keypoints"], other.keypoints, rtol=1e-6, atol=1e-4)


def simcc_outputs(seed: int) -> list[Floats]:
    rng = np.random.default_rng(seed)
    sizes = [2 * POSE_SIZE[1], 2 * POSE_SIZE[0]]
    return [rng.normal(size=(KEYPOINTS, bins)).astype("f4") for bins in sizes]


def heatmap_outputs(seed: int) -> list[Floats]:
    return [np.random.default_rng(seed).normal(size=(KEYPOINTS, 16, 12)).astype("f4")]


TOP_DOWN = [(Simcc(), "simcc", simcc_outputs), (Heatmap(), "heatmap", heatmap_outputs)]


def pose_flags(kind: str) -> list[str]:
    return [*preprocess_flags(CUT, POSE_SIZE), "--head", kind]


@pytest.mark.parametrize(("head", "kind", "make_outputs"), TOP_DOWN)
@pytest.mark.parametrize("seed", range(6))
def test_two_nets_tell_each_persons_keypoints(nnrun: Run, tmp_path, head, kind, make_outputs, seed):
    """The people are class 0 of the first net, the keypoints those of their boxes."""
    size, found_there, outputs = (120, 90), people(seed), make_outputs(seed)
    nets = [*constant(outputs, tmp_path), *finder(found_there, tmp_path)]
    detected = objects(nnrun("pose", *nets, *pose_flags(kind), picture(tmp_path, size)))
    at = picture_transform(size, WHOLE, SIZE)
    expected = [each for each in DETECT.decode(FINDER, found_there, SIZE, at) if each.class_ == 0]
    assert len(detected) == len(expected) > 0
    for item, person in zip(detected, expected, strict=True):
        assert item["class"] == 0
        assert np.allclose(item["box"], person.box, atol=1e-4)
        where = object_transform(size, person.box, CUT, POSE_SIZE)
        keypoints = decode_pose(head, outputs, POSE_SIZE, where)
        assert np.allclose(item["keypoints"], keypoints, rtol=1e-6, atol=1e-3)


def one_person(box: tuple[int, int, int, int]) -> list[Floats]:
    """Of a picture as large as the input; the corners are pixels."""
    outputs = [np.full((5, SIZE[0] // s, SIZE[1] // s), -9, np.float32) for s in (8, 16)]
    column, row = 2, 2
    x, y = 8 * column, 8 * row
    outputs[0][:, row, column] = [9, x - box[0], y - box[1], box[2] - x, box[3] - y]
    return outputs


def test_the_second_net_is_shown_the_person(nnrun: Run, tmp_path):
    """The pose net gives its input back: its three keypoints are the brightest R, G and B."""
    spots = {0: (10, 8), 1: (22, 14), 2: (16, 25)}
    pixels = np.zeros((*SIZE, 3), np.uint8)
    for channel, (x, y) in spots.items():
        pixels[y, x, channel] = 255
    pixels[:, 40:] = 255  # beyond the person's surroundings
    Image.fromarray(pixels).save(tmp_path / "a.png")
    same = Net().add("Input", "in0").add("ReLU", "out0").write(tmp_path, "same")
    nets = [*same, "--precision", "fp32", *finder(one_person((6, 4, 26, 28)), tmp_path)]
    (detected,) = objects(nnrun("pose", *nets, *pose_flags("heatmap"), tmp_path / "a.png"))
    assert detected["box"] == [6, 4, 26, 28]
    for (x, y), spot in zip(spots.values(), detected["keypoints"], strict=True):
        assert abs(spot[0] - (x + 0.5)) < 1
        assert abs(spot[1] - (y + 0.5)) < 1


def test_nobody_is_there(nnrun: Run, tmp_path):
    empty = [np.full_like(each, -9) for each in people(0)]
    nets = [*constant(heatmap_outputs(0), tmp_path), *finder(empty, tmp_path)]
    done = nnrun("pose", *nets, *pose_flags("heatmap"), picture(tmp_path, (50, 40)))
    assert objects(done) == []
    outputs = maps(4 * BINS + 1 + 3 * KEYPOINTS, 0)
    for level in outputs:
        level[4 * BINS] = -9
    net = constant(outputs, tmp_path)
    assert objects(nnrun("pose", *net, *AT_ONCE_FLAGS, picture(tmp_path, (50, 40)))) == []


def test_the_header_tells_both_nets(nnrun: Run, tmp_path):
    nets = [*constant(simcc_outputs(0), tmp_path), *finder(people(0), tmp_path)]
    done = nnrun("pose", *nets, *pose_flags("simcc"), picture(tmp_path, (50, 40)))
    header = done.line("header")
    assert header["input"]["fit"] == "box"
    assert header["input"]["head"]["kind"] == "simcc"
    assert header["input"]["detector"]["fit"] == "letterbox"
    assert header["input"]["detector"]["head"]["kind"] == "rtmdet"
    assert done.line("load")["ms"] > 0


def test_labels_name_the_person(nnrun: Run, tmp_path):
    (tmp_path / "labels.txt").write_text("person\n")
    nets = [*constant(simcc_outputs(0), tmp_path), *finder(people(1, classes=3), tmp_path)]
    named = ["--labels", tmp_path / "labels.txt"]
    done = nnrun("pose", *nets, *pose_flags("simcc"), *named, picture(tmp_path, (50, 40)))
    assert {each["label"] for each in objects(done)} == {"person"}


@pytest.mark.parametrize("left_out", ["--detector-param", "--detector-bin", "--detector-head"])
def test_a_pose_net_needs_one_that_finds_people(nnrun: Run, tmp_path, left_out):
    nets = finder(people(0), tmp_path)
    at = nets.index(left_out)
    nets = [*constant(simcc_outputs(0), tmp_path), *nets[:at], *nets[at + 2 :]]
    done = nnrun("pose", *nets, *pose_flags("simcc"), picture(tmp_path, (50, 40)))
    assert_refused(done, 2, "--head simcc", left_out)


def test_a_net_that_finds_people_needs_no_other(nnrun: Run, tmp_path):
    nets = [*constant(maps(32, 0), tmp_path), *finder(people(0), tmp_path)]
    done = nnrun("pose", *nets, *AT_ONCE_FLAGS, picture(tmp_path, (50, 40)))
    assert_refused(done, 2, "yolov8", "--detector-param")


def test_mistakes_name_the_detectors_flag(nnrun: Run, tmp_path):
    nets = [*constant(simcc_outputs(0), tmp_path), *finder(people(0), tmp_path)]
    nets[nets.index("--detector-score") + 1] = "2"
    done = nnrun("pose", *nets, *pose_flags("simcc"), picture(tmp_path, (50, 40)))
    assert_refused(done, 2, "--detector-score", "'2'")


def test_a_pose_net_is_shown_boxes(nnrun: Run, tmp_path):
    nets = [*constant(simcc_outputs(0), tmp_path), *finder(people(0), tmp_path)]
    how = [*preprocess_flags(WHOLE, POSE_SIZE), "--head", "simcc"]
    done = nnrun("pose", *nets, *how, picture(tmp_path, (50, 40)))
    assert_refused(done, 2, "--head simcc", "--fit box")


WRONG = {
    "one output": ("simcc", simcc_outputs(0)[:1]),
    "rows for columns": ("simcc", simcc_outputs(0)[::-1]),
    "maps": ("simcc", heatmap_outputs(0)),
    "other numbers of keypoints": ("simcc", [simcc_outputs(0)[0], simcc_outputs(0)[1][1:]]),
    "bins": ("heatmap", simcc_outputs(0)),
    "a flat map": ("heatmap", [heatmap_outputs(0)[0][0]]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_outputs_that_are_not_the_heads(nnrun: Run, tmp_path, wrong):
    kind, outputs = WRONG[wrong]
    nets = [*constant(outputs, tmp_path), *finder(people(0), tmp_path)]
    done = nnrun("pose", *nets, *pose_flags(kind), picture(tmp_path, (50, 40)))
    assert_refused(done, 3, f"outputs are not those of a {kind} head")


@pytest.mark.parametrize("channels", [4 * BINS + 1, 4 * BINS + 2, 4 * BINS + 6])
def test_keypoints_have_three_channels(nnrun: Run, tmp_path, channels):
    net = constant(maps(channels, 0), tmp_path)
    done = nnrun("pose", *net, *AT_ONCE_FLAGS, picture(tmp_path, (50, 40)))
    assert_refused(done, 3, "outputs are not those of a yolov8 head", "keypoint")


@pytest.mark.parametrize(("head", "kind", "make_outputs"), TOP_DOWN)
def test_nan_is_told(nnrun: Run, tmp_path, head, kind, make_outputs):
    outputs = make_outputs(0)
    outputs[0].flat[7] = np.nan
    nets = [*constant(outputs, tmp_path), *finder(people(0), tmp_path)]
    done = nnrun("pose", *nets, *pose_flags(kind), picture(tmp_path, (50, 40)))
    assert done.code == 4
    assert "pose net's output out0 holds NaN" in done.line("error")["error"]
    assert done.line("summary")["failed"] == 1


def test_a_truncated_second_net_is_told(nnrun: Run, tmp_path):
    nets = [*constant(simcc_outputs(0), tmp_path), *finder(people(0), tmp_path)]
    (tmp_path / "finder.bin").write_bytes(b"\0" * 8)
    done = nnrun("pose", *nets, *pose_flags("simcc"), picture(tmp_path, (50, 40)))
    assert_refused(done, 3, "finder.bin", "truncated")

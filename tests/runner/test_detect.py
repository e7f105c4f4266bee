"""nnrun detect: the objects are the desktop's, whatever the head, the input and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.flags import preprocess_flags
from piyard.vision.head_schema import DenseHead, Yolov8
from piyard.vision.predictions import DecodedObject
from piyard.vision.schema import Letterbox, Preprocess, Stretch
from piyard.vision.tasks.detect import DETECT
from piyard.vision.transforms import picture_transform
from tests.runner import heads, pictures
from tests.runner.constant import constant
from tests.runner.heads import HEADS
from tests.runner.nets import Floats, Net, small
from tests.runner.outcome import Line, Outcome, Run, assert_refused
from tests.runner.pictures import noise

PLAIN: dict[str, Any] = {"order": "rgb", "mean": (0.0, 0.0, 0.0), "norm": (1.0, 1.0, 1.0)}
LETTERBOX = Letterbox(**PLAIN)
HW = (64, 96)


def detect(
    nnrun: Run,
    folder: Path,
    head: DenseHead,
    outputs: list[Floats],
    how: Preprocess = LETTERBOX,
    hw: tuple[int, int] = HW,
) -> Line:
    """The line of a.png when the net's outputs are those."""
    flags = [*constant(outputs, folder), *heads.flags(head), *preprocess_flags(how, hw)]
    return nnrun("detect", *flags, folder / "a.png").line("objects")


def assert_same(line: Line, expected: list[DecodedObject]) -> None:
    objects = line["objects"]
    assert [each["class"] for each in objects] == [each.class_ for each in expected]
    if expected:
        scores = [each.score for each in expected]
        np.testing.assert_allclose([each["score"] for each in objects], scores, rtol=1e-6)
        boxes = [each.box for each in expected]
        np.testing.assert_allclose([each["box"] for each in objects], boxes, rtol=1e-5, atol=1e-4)


side = st.integers(1, 120)


@st.composite
def some_head(draw: st.DrawFn) -> DenseHead:
    kind = draw(st.sampled_from(sorted(HEADS)))
    bins = {"bins": draw(st.integers(1, 17))} if kind in {"yolov8", "nanodet"} else {}
    once = {"end_to_end": draw(st.booleans())} if kind == "yolov8" else {}
    strides = draw(st.sampled_from([(8, 16, 32), (4,), (8, 16, 32, 64), (16, 7)]))
    anchors = heads.anchored(strides, draw(st.integers(1, 3))) if kind == "yolov5" else {}
    head: DenseHead = HEADS[kind](
        strides=strides,
        score=draw(st.sampled_from([0.05, 0.25, 0.6, 0.95, 1.0])),
        nms=draw(st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0])),
        most=draw(st.sampled_from([1, 5, 300])),
        **bins,
        **once,
        **anchors,
    )
    return head


@settings(max_examples=250, deadline=None)
@given(
    head=some_head(),
    classes=st.integers(1, 7),
    hw=st.tuples(st.integers(8, 100), st.integers(8, 100)),
    width=side,
    height=side,
    apart=st.booleans(),
    how=st.sampled_from([LETTERBOX, Letterbox(**PLAIN, place="topleft"), Stretch(**PLAIN)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_objects_are_the_desktops(
    nnrun: Run, tmp_path_factory, head, classes, hw, width, height, apart, how: Preprocess, seed
):
    folder = tmp_path_factory.mktemp("detect")
    noise(width, height).save(folder / "a.png")
    result = heads.maps(head, classes, hw, seed, apart=apart)
    output = detect(nnrun, folder, head, result, how=how, hw=hw)
    placing = picture_transform((width, height), how, hw)
    assert_same(output, DETECT.decode(head, result, hw, placing))


@pytest.mark.parametrize("kind", HEADS)
def test_a_crowd_is_thinned_out_as_on_the_desktop(nnrun: Run, tmp_path, kind):
    """Thousands of candidates, as an evaluation has them."""
    noise(640, 480).save(tmp_path / "a.png")
    anchors = heads.anchored((8, 16, 32)) if kind == "yolov5" else {}
    head = HEADS[kind](score=0.001, nms=0.65, most=300, **anchors)
    result = heads.maps(head, 5, (320, 320), 3, apart=False)
    output = detect(nnrun, tmp_path, head, result, hw=(320, 320))
    placing = picture_transform((640, 480), LETTERBOX, (320, 320))
    expected = DETECT.decode(head, result, (320, 320), placing)
    assert len(expected) > 100
    assert_same(output, expected)


def one_hot(head: Yolov8, places: list[tuple[int, int, int, float]]) -> list[Floats]:
    """One level; at (row, column) the class has that logit, and each side is 1 x stride."""
    grid = tuple(side // head.strides[0] for side in HW)
    result = np.full((4 * head.bins + 3, *grid), -20, np.float32)
    for edge in range(4):
        result[edge * head.bins + 1] = 40
    for row, column, class_, logit in places:
        result[4 * head.bins + class_, row, column] = logit
    return [result]


def test_equal_scores_are_told_in_the_order_of_their_places(nnrun: Run, tmp_path):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    places = [(6, 1, 0, 2.0), (1, 9, 1, 2.0), (1, 2, 2, 2.0), (4, 4, 1, 3.0)]
    objects = detect(nnrun, tmp_path, head, one_hot(head, places))["objects"]
    assert [each["class"] for each in objects] == [1, 2, 1, 0]
    assert objects[0]["box"] == pytest.approx([4.5 * 8 - 8, 4.5 * 8 - 8, 4.5 * 8 + 8, 4.5 * 8 + 8])
    assert objects[0]["score"] == pytest.approx(1 / (1 + np.exp(-3)))


def test_a_place_tells_its_best_class_and_the_lower_one_of_equal_ones(nnrun: Run, tmp_path):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    places = [(2, 2, 2, 1.5), (2, 2, 1, 1.5), (5, 5, 0, 1.0), (5, 5, 2, 1.1)]
    objects = detect(nnrun, tmp_path, head, one_hot(head, places))["objects"]
    assert [each["class"] for each in objects] == [1, 2]


def test_overlap_suppresses_within_a_class_only(nnrun: Run, tmp_path):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,), nms=0.3)
    near = [(3, 3, 0, 2.0), (3, 4, 0, 1.0), (4, 3, 1, 1.5), (3, 7, 0, 0.5)]
    objects = detect(nnrun, tmp_path, head, one_hot(head, near))["objects"]
    assert [each["class"] for each in objects] == [0, 1, 0]
    # Neighbours share a third of their union.
    all_of_them = detect(nnrun, tmp_path, Yolov8(strides=(8,), nms=0.34), one_hot(head, near))
    assert len(all_of_them["objects"]) == 4


def test_what_lies_in_the_margin_has_no_area_and_is_not_told(nnrun: Run, tmp_path):
    noise(96, 8).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    result = detect(nnrun, tmp_path, head, one_hot(head, [(0, 3, 0, 2.0), (3, 3, 1, 1.0)]))
    assert [each["class"] for each in result["objects"]] == [1]
    (box,) = [each["box"] for each in result["objects"]]
    assert 0 <= box[1] < box[3] <= 8


def test_a_line(nnrun: Run, tmp_path):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    (tmp_path / "labels.txt").write_text("person\nbike \U0001f6b2\nöl\r\n")
    head = Yolov8(strides=(8,))
    result = constant(one_hot(head, [(3, 3, 1, 2.0), (3, 8, 2, 1.0)]), tmp_path)
    flags = [*result, *heads.flags(head), *preprocess_flags(LETTERBOX, HW)]
    outcome = nnrun("detect", *flags, "--labels", tmp_path / "labels.txt", tmp_path / "a.png")
    kinds = [line["type"] for line in outcome.lines]
    assert kinds == ["header", "load", "objects", "summary"]
    objects = outcome.line("objects")
    assert objects.keys() == {"type", "image", "width", "height", "objects", "ms"}
    assert (objects["image"], objects["width"], objects["height"]) == (
        str(tmp_path / "a.png"),
        96,
        64,
    )
    assert objects["ms"].keys() == {"decode", "pre", "infer", "post", "draw"}
    assert objects["objects"][0].keys() == {"class", "label", "score", "box"}
    assert [each["label"] for each in objects["objects"]] == ["bike \U0001f6b2", "öl"]
    assert outcome.line("summary").items() >= {"images": 1, "failed": 0}.items()
    header = outcome.line("header")
    assert header["task"] == "detect"
    assert header["input"]["head"] == {
        "kind": "yolov8", "strides": [8], "bins": 16, "score": 0.25, "nms": 0.45, "most": 300,
    }  # fmt: skip


def test_without_labels_they_are_null(nnrun: Run, tmp_path):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    result = detect(nnrun, tmp_path, head, one_hot(head, [(3, 3, 1, 2.0)]))
    assert result["objects"][0]["label"] is None


def test_nothing_found_is_an_empty_list(nnrun: Run, tmp_path):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    assert detect(nnrun, tmp_path, head, one_hot(head, []))["objects"] == []


def test_outputs_follow_the_numbers_of_pnnx_not_the_nets_order(nnrun: Run, tmp_path):
    """A net may make its coarsest map first: out0 is that of the smallest stride all the same."""
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8, 16))
    fine, coarse = heads.maps(head, 2, HW, 5, apart=False)
    net = (
        Net().add("Input", "in0").add("Split", "a b").add("Pooling", "p", "0=1 4=1", bottoms=["a"])
    )
    net.add("Pooling", "q", "0=1 4=1", bottoms=["b"])
    for blob, pooled, values in (("out1", "p", coarse), ("out0", "q", fine)):
        depth, rows, columns = values.shape
        net.add("MemoryData", f"{blob}m", f"0={columns} 1={rows} 2={depth}", bottoms=[]).raw(values)
        net.add("InnerProduct", f"{blob}z", f"0={depth} 1=0 2={3 * depth}", bottoms=[pooled])
        net.tagged(np.zeros(3 * depth))
        net.add("Reshape", f"{blob}r", f"0=1 1=1 2={depth}")
        net.add("BinaryOp", blob, "0=0", bottoms=[f"{blob}m", f"{blob}r"])
    flags = [*net.write(tmp_path), *heads.flags(head), *preprocess_flags(LETTERBOX, HW)]
    objects = nnrun("detect", *flags, "--precision", "fp32", tmp_path / "a.png").line("objects")
    placing = picture_transform((HW[1], HW[0]), LETTERBOX, HW)
    assert_same(objects, DETECT.decode(head, [fine, coarse], HW, placing))


def refused(
    nnrun: Run, folder: Path, head: DenseHead, outputs: list[Floats], *more: object
) -> Outcome:
    noise(HW[1], HW[0]).save(folder / "a.png")
    flags = [*constant(outputs, folder), *heads.flags(head), *preprocess_flags(LETTERBOX, HW)]
    outcome = nnrun("detect", *flags, *more, folder / "a.png")
    assert outcome.stdout == ""
    return outcome


def test_too_few_outputs_are_a_wrong_model(nnrun: Run, tmp_path):
    result = heads.maps(Yolov8(strides=(8, 16)), 2, HW, 1, apart=False)
    outcome = refused(nnrun, tmp_path, Yolov8(strides=(8, 16, 32)), result)
    assert_refused(outcome, 3, "3 strides", "66,8,12; 66,4,6", "--strides")


def test_maps_of_other_strides_are_a_wrong_model(nnrun: Run, tmp_path):
    result = heads.maps(Yolov8(strides=(8, 16)), 2, HW, 1, apart=False)
    outcome = refused(nnrun, tmp_path, Yolov8(strides=(8, 32)), result)
    assert_refused(outcome, 3, "2x3", "stride 32", "66,4,6")


def test_levels_of_different_depth_are_a_wrong_model(nnrun: Run, tmp_path):
    first, second = heads.maps(Yolov8(strides=(8, 16)), 2, HW, 1, apart=False)
    outcome = refused(nnrun, tmp_path, Yolov8(strides=(8, 16)), [first, second[:-1]])
    assert_refused(outcome, 3, "same number of channels", "66,8,12; 65,4,6")


@pytest.mark.parametrize("kind", HEADS)
def test_maps_without_a_class_are_a_wrong_model(nnrun: Run, tmp_path, kind):
    head = HEADS[kind](strides=(8,), **(heads.anchored((8,)) if kind == "yolov5" else {}))
    depth = sum(heads.channels(head, 0))
    result = [np.zeros((depth, 8, 12), np.float32)]
    assert_refused(refused(nnrun, tmp_path, head, result), 3, kind, "no class", f"{depth},8,12")


def test_an_output_that_is_no_map_is_a_wrong_model(nnrun: Run, tmp_path):
    result = [np.zeros((8400, 144), np.float32)]
    assert_refused(refused(nnrun, tmp_path, Yolov8(strides=(8,)), result), 3, "8x12", "8400,144")


def test_labels_of_another_net_are_refused(nnrun: Run, tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\n")
    head = Yolov8(strides=(8,))
    outcome = refused(nnrun, tmp_path, head, one_hot(head, []), "--labels", tmp_path / "labels.txt")
    assert_refused(outcome, 4, "--labels", "2 lines", "3 classes")


def test_missing_labels_are_exit_4(nnrun: Run, tmp_path):
    head = Yolov8(strides=(8,))
    outcome = refused(nnrun, tmp_path, head, one_hot(head, []), "--labels", tmp_path / "none.txt")
    assert_refused(outcome, 4, "none.txt")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 64, 66])
def test_outputs_that_are_not_finite_are_an_error_of_the_picture(
    nnrun: Run, tmp_path, bad, channel
):
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    result = one_hot(head, [(3, 3, 1, 2.0)])
    result[0][channel, 7, 11] = bad
    flags = [*constant(result, tmp_path), *heads.flags(head), *preprocess_flags(LETTERBOX, HW)]
    outcome = nnrun("detect", *flags, tmp_path / "a.png")
    assert outcome.code == 4
    output = outcome.line("error")
    assert output["image"] == str(tmp_path / "a.png")
    assert all(part in output["error"] for part in ("out0", "NaN", "--precision fp32"))
    assert outcome.stderr.count("\n") == 1


def test_a_truncated_bin_is_exit_3(nnrun: Run, tmp_path):
    head = Yolov8(strides=(8,))
    flags = [*constant(one_hot(head, []), tmp_path), *heads.flags(head)]
    flags += preprocess_flags(LETTERBOX, HW)
    weights = tmp_path / "constant.bin"
    weights.write_bytes(weights.read_bytes()[:-4])
    outcome = nnrun("detect", *flags, "a.png")
    assert_refused(outcome, 3, "constant.bin", "truncated")
    assert outcome.stdout == ""


def test_a_classifier_is_refused(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), *heads.flags(Yolov8(strides=(8,)))]
    outcome = nnrun("detect", *flags, *preprocess_flags(LETTERBOX, HW), "a.png")
    assert_refused(outcome, 3, "yolov8", "found 10")


def test_the_nets_input_needs_a_size(nnrun: Run, tmp_path):
    head = Yolov8(strides=(8,))
    flags = [*constant(one_hot(head, []), tmp_path), *heads.flags(head)]
    assert_refused(nnrun("detect", *flags, "a.png"), 2, "--fit", "--size")


def test_a_head_is_required(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), "--fit", "stretch", "--size", "8"]
    assert_refused(nnrun("detect", *flags, "a.png"), 2, "--head")
    assert_refused(nnrun("detect", *flags, "--head", "simcc", "a.png"), 2, "--head", "yolov8")
    assert_refused(nnrun("detect", *flags, "--head", "yolo", "a.png"), 2, "--head", "yolov8")


@pytest.mark.parametrize("name", sorted(pictures.BROKEN))
def test_a_broken_picture_is_one_line_and_the_rest_goes_on(nnrun: Run, tmp_path, name):
    (tmp_path / "broken").write_bytes(pictures.BROKEN[name])
    noise(HW[1], HW[0]).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    flags = [*constant(one_hot(head, [(3, 3, 1, 2.0)]), tmp_path), *heads.flags(head)]
    flags += preprocess_flags(LETTERBOX, HW)
    outcome = nnrun("detect", *flags, tmp_path / "broken", tmp_path / "a.png")
    assert_refused(outcome, 4, "broken")
    assert outcome.line("error")["image"] == str(tmp_path / "broken")
    assert len(outcome.of("objects")) == 1
    assert outcome.line("summary").items() >= {"images": 2, "failed": 1}.items()

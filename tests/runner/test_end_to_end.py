"""nnrun bench --picture: the time from a file to its classes, beside that of the inference."""

from __future__ import annotations

import os

import numpy as np
import pytest

from piyard.vision.head_schema import Yolov8
from tests.runner import heads, pictures
from tests.runner.constant import constant
from tests.runner.nets import Net, small
from tests.runner.outcome import Run, assert_refused
from tests.runner.pictures import noise, smooth

RUN = ["--shape", "3,16,16", "--warmup", "0", "--threads", "1", "--loops"]
FIT = ["--resize", "16", "--crop", "16"]
PARTS = ["decode_ms", "pre_ms", "infer_ms", "post_ms"]


@pytest.fixture
def picture(tmp_path):
    noise(40, 30).save(tmp_path / "a.png")
    return ["--picture", tmp_path / "a.png", *FIT]


@pytest.mark.parametrize(
    ("loops", "expected", "times"), [(4, [], 4), (30, [], 20), (30, ["--end-to-end", "25"], 25)]
)
def test_as_many_as_samples_up_to_a_bound(nnrun: Run, tmp_path, picture, loops, expected, times):
    outcome = nnrun("bench", *small().write(tmp_path), *RUN, loops, *picture, *expected)
    lines = outcome.of("end_to_end")
    assert [line["i"] for line in lines] == list(range(times))
    assert outcome.line("summary")["end_to_end"] == times
    assert len(outcome.of("sample")) == loops


def test_the_parts_are_all_of_the_time(nnrun: Run, tmp_path, picture):
    outcome = nnrun("bench", *small().write(tmp_path), *RUN, 3, *picture)
    last_sample = outcome.of("sample")[-1]["at"]
    for line in outcome.of("end_to_end"):
        assert line.keys() == {"type", "i", "ms", "at", *PARTS}
        assert all(line[part] > 0 for part in PARTS)
        assert line["ms"] == pytest.approx(sum(line[part] for part in PARTS))
        assert line["at"] >= last_sample


def test_without_a_picture_there_is_none(nnrun: Run, tmp_path):
    outcome = nnrun("bench", *small().write(tmp_path), *RUN, 3)
    assert outcome.of("end_to_end") == []
    assert outcome.line("summary")["end_to_end"] == 0


def test_a_crop_may_be_needless(nnrun: Run, tmp_path):
    noise(16, 16).save(tmp_path / "a.png")
    flags = [*small().write(tmp_path), *RUN, 2, "--picture", tmp_path / "a.png"]
    assert len(nnrun("bench", *flags).of("end_to_end")) == 2


def test_peak_memory_is_that_of_the_inference(nnrun: Run, tmp_path):
    """A photograph of 24 megapixels takes 72 MB, which the net never sees."""
    smooth(6000, 4000).save(tmp_path / "large.jpg")
    flags = [*small().write(tmp_path), *RUN, 1, "--picture", tmp_path / "large.jpg", *FIT]
    outcome = nnrun("bench", *flags)
    assert len(outcome.of("end_to_end")) == 1
    assert outcome.line("summary")["peak_rss_kb"] < 40_000


def test_another_shape_is_refused_before_anything_is_measured(nnrun: Run, tmp_path, picture):
    flags = [*small().write(tmp_path), *RUN, 3, *picture[:2], "--resize", "12", "--crop", "12"]
    outcome = nnrun("bench", *flags)
    assert_refused(outcome, 4, "a.png", "3,12,12", "3,16,16", "--crop")
    assert outcome.stdout == ""


def test_a_crop_larger_than_the_picture_is_refused(nnrun: Run, tmp_path, picture):
    flags = [*small().write(tmp_path), *RUN, 3, *picture[:2], "--crop", "100"]
    assert_refused(nnrun("bench", *flags), 4, "a.png", "40x30", "100x100")


def test_a_missing_picture_is_exit_4(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), *RUN, 3, "--picture", tmp_path / "none.png", *FIT]
    outcome = nnrun("bench", *flags)
    assert_refused(outcome, 4, "none.png", os.strerror(2))
    assert outcome.stdout == ""


@pytest.mark.parametrize("name", sorted(pictures.BROKEN)[:3])
def test_a_broken_picture_is_exit_4(nnrun: Run, tmp_path, name):
    (tmp_path / "broken").write_bytes(pictures.BROKEN[name])
    flags = [*small().write(tmp_path), *RUN, 3, "--picture", tmp_path / "broken", *FIT]
    outcome = nnrun("bench", *flags)
    assert_refused(outcome, 4, "broken")
    assert outcome.stdout == ""


def test_a_net_with_two_outputs_has_no_classes(nnrun: Run, tmp_path, picture):
    net = Net().add("Input", "in0").add("Split", "a b").add("Flatten", "x", bottoms=["a"])
    net.add("Flatten", "y", bottoms=["b"])
    outcome = nnrun("bench", *net.write(tmp_path), *RUN, 3, *picture)
    assert_refused(outcome, 2, "2 outputs", "--output-blob")
    assert outcome.stdout == ""
    for flag in ("--output-blob", "--classes"):
        chosen = nnrun("bench", *net.write(tmp_path), *RUN, 3, *picture, flag, "x")
        assert len(chosen.of("end_to_end")) == 3


def test_a_detector_is_timed_from_the_file_to_its_boxes(nnrun: Run, tmp_path):
    noise(40, 30).save(tmp_path / "a.png")
    head = Yolov8(strides=(8,))
    result = heads.maps(head, 3, (16, 24), 1, apart=False)
    fit = ["--picture", tmp_path / "a.png", "--fit", "letterbox", "--size", "16x24"]
    run = ["--shape", "3,16,24", "--warmup", "0", "--threads", "1", "--loops", 3]
    flags = [*constant(result, tmp_path), *run, *fit, *heads.flags(head)]
    lines = nnrun("bench", *flags).of("end_to_end")
    assert [line["i"] for line in lines] == [0, 1, 2]
    assert all(line[part] > 0 for line in lines for part in PARTS)


def test_another_head_is_refused_before_anything_is_measured(nnrun: Run, tmp_path):
    noise(40, 30).save(tmp_path / "a.png")
    result = heads.maps(Yolov8(strides=(8,)), 3, (16, 16), 1, apart=False)
    fit = ["--picture", tmp_path / "a.png", *FIT]
    wrong = heads.flags(Yolov8(strides=(8, 16)))
    outcome = nnrun("bench", *constant(result, tmp_path), *RUN, 3, *fit, *wrong)
    assert_refused(outcome, 3, "2 strides", "67,2,2")
    assert outcome.stdout == ""


def test_a_head_without_a_picture_is_refused(nnrun: Run, tmp_path):
    wrong = heads.flags(Yolov8(strides=(8,)))
    outcome = nnrun("bench", *small().write(tmp_path), *RUN, 3, *wrong)
    assert_refused(outcome, 2, "--head", "--picture")


@pytest.mark.parametrize(("task", "fits"), [("detect", True), ("obb", False), ("pose", False)])
def test_a_head_is_read_for_its_task(nnrun: Run, tmp_path, task, fits):
    """Four sides and one channel more: a class, or an angle and no class."""
    noise(40, 30).save(tmp_path / "a.png")
    outputs = [np.zeros((5, 2, 3), np.float32)]
    fit = ["--picture", tmp_path / "a.png", "--fit", "letterbox", "--size", "16x24"]
    run = ["--shape", "3,16,24", "--warmup", "0", "--threads", "1", "--loops", 3]
    head = heads.flags(Yolov8(strides=(8,), bins=1, end_to_end=True))
    flags = [*constant(outputs, tmp_path), *run, *fit, *head, "--task", task, "--end-to-end", 2]
    outcome = nnrun("bench", *flags)
    if fits:
        assert len(outcome.of("end_to_end")) == 2
    else:
        assert_refused(outcome, 3, "channels")

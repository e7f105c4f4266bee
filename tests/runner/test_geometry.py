"""Letterbox, stretch and box: nnrun's input is the desktop's, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.flags import preprocess_flags
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Letterbox, ObjectCrop, Preprocess, Stretch
from tests.runner.nets import Floats, identity, small
from tests.runner.outcome import Run, assert_refused
from tests.runner.pictures import noise, smooth

PLAIN: dict[str, Any] = {"order": "rgb", "mean": (0.0, 0.0, 0.0), "norm": (1.0, 1.0, 1.0)}
RESAMPLE = ["linear", "bilinear", "bicubic", "lanczos", "nearest"]

side = st.integers(1, 90)
size = st.tuples(side, side)
pad = st.tuples(*[st.integers(0, 255)] * 3)
letterbox = st.builds(
    Letterbox,
    pad=pad,
    place=st.sampled_from(["centre", "topleft"]),
    resample=st.sampled_from(RESAMPLE),
    order=st.sampled_from(["rgb", "bgr"]),
    mean=st.just((103.53, 116.28, 123.675)),
    norm=st.just((0.017429, 0.017507, 0.017125)),
)
stretch = st.builds(
    Stretch,
    resample=st.sampled_from(RESAMPLE),
    order=st.sampled_from(["rgb", "bgr"]),
    mean=st.just(PLAIN["mean"]),
    norm=st.just((1 / 255, 1 / 255, 1 / 255)),
)
twice = st.builds(
    Stretch,
    longest=st.integers(1, 120),
    resample=st.sampled_from(RESAMPLE[1:]),
    order=st.just("rgb"),
    mean=st.just(PLAIN["mean"]),
    norm=st.just(PLAIN["norm"]),
)
box = st.builds(
    ObjectCrop,
    padding=st.floats(1, 4),
    order=st.sampled_from(["rgb", "bgr"]),
    mean=st.just(PLAIN["mean"]),
    norm=st.just(PLAIN["norm"]),
)


def seen(nnrun: Run, folder: Path, how: Preprocess, hw: tuple[int, int]) -> Floats:
    """The input that nnrun makes of a.png."""
    fixed = ["--precision", "fp32", "--activation", "none", "--save-outputs", folder]
    flags = [*identity().write(folder), *fixed, *preprocess_flags(how, hw)]
    outcome = nnrun("classify", *flags, folder / "a.png")
    assert outcome.code == 0, outcome
    result: Floats = np.fromfile(folder / "0.out0.f32", "<f4")
    return result.reshape(-1, *hw)


@settings(max_examples=300, deadline=None)
@given(
    width=side, height=side, hw=size, how=letterbox | stretch | twice | box, seed=st.integers(0, 9)
)
def test_the_input_is_the_desktops(nnrun: Run, tmp_path_factory, width, height, hw, how, seed):
    folder = tmp_path_factory.mktemp("geometry")
    picture = noise(width, height, seed)
    picture.save(folder / "a.png")
    expected = prepare_picture(picture, how, hw)
    assert seen(nnrun, folder, how, hw).tobytes() == expected.tobytes()


ORDERS = {
    "gray": ((101.5,), (0.0171,)),
    "rgba": ((1.0, 2.0, 3.0, 127.5), (0.1, 0.2, 0.3, 1 / 255)),
    "bgra": ((103.53, 116.28, 123.675, 0.0), (0.017429, 0.017507, 0.017125, 1 / 255)),
}


@pytest.mark.parametrize("order", ORDERS)
def test_one_and_four_channels_are_the_desktops(nnrun: Run, tmp_path, order):
    mean, norm = ORDERS[order]
    levels: dict[str, Any] = {"order": order, "mean": mean, "norm": norm}
    picture = noise(61, 47, 3)
    picture.save(tmp_path / "a.png")
    for how in (Letterbox(**levels, pad=(200, 20, 90)), Stretch(**levels), ObjectCrop(**levels)):
        expected = prepare_picture(picture, how, (40, 52))
        result = seen(nnrun, tmp_path, how, (40, 52))
        assert result.shape == expected.shape == (len(mean), 40, 52)
        assert result.tobytes() == expected.tobytes()


def test_gray_is_pillows_own(nnrun: Run, tmp_path):
    """Every colour's luma is what Pillow's mode L has."""
    picture = noise(64, 64, 5)
    picture.save(tmp_path / "a.png")
    how = Stretch(order="gray", mean=(0.0,), norm=(1.0,))
    result = seen(nnrun, tmp_path, how, (64, 64))
    assert np.array_equal(result[0], np.asarray(picture.convert("L"), np.float32))


EXTREMES = {
    "one pixel": ((1, 1), (64, 64)),
    "one pixel to one": ((1, 1), (1, 1)),
    "two pixels wide": ((2, 300), (64, 64)),
    "a line": ((3000, 1), (64, 96)),
    "a column": ((1, 3000), (96, 64)),
    "a banner": ((4000, 7), (320, 320)),
    "as it is": ((96, 64), (64, 96)),
    "half": ((192, 128), (64, 96)),
    "a photograph": ((1501, 997), (640, 640)),
    "enlarged": ((33, 21), (416, 416)),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("how", [Letterbox(**PLAIN), Stretch(**PLAIN), ObjectCrop(**PLAIN)])
def test_extreme_sides(nnrun: Run, tmp_path, name, how):
    sides, hw = EXTREMES[name]
    noise(*sides).save(tmp_path / "a.png")
    expected = prepare_picture(noise(*sides), how, hw)
    assert np.array_equal(seen(nnrun, tmp_path, how, hw), expected)


def test_the_rest_is_filled_in_the_nets_order(nnrun: Run, tmp_path):
    """The pad is R, G, B whatever order the net takes."""
    noise(40, 10).save(tmp_path / "a.png")
    how = Letterbox(**PLAIN | {"order": "bgr"}, pad=(10, 20, 30))
    result = seen(nnrun, tmp_path, how, (40, 40))
    assert result[:, 0, 0].tolist() == result[:, -1, -1].tolist() == [30, 20, 10]
    assert not np.isin(result[:, 15:25], [10, 20, 30]).all()


def test_pictures_of_several_sizes_share_a_buffer(nnrun: Run, tmp_path):
    """What one picture leaves in it is not in the next one's input."""
    how, hw = Letterbox(**PLAIN), (48, 48)
    sides = [(70, 20), (20, 70), (48, 48), (5, 5), (300, 9)]
    for i, (width, height) in enumerate(sides):
        smooth(width, height).save(tmp_path / f"{i}.png")
    flags = [*identity().write(tmp_path), "--precision", "fp32", "--activation", "none"]
    flags += ["--save-outputs", str(tmp_path), *preprocess_flags(how, hw)]
    outcome = nnrun("classify", *flags, *(tmp_path / f"{i}.png" for i in range(len(sides))))
    assert len(outcome.of("classification")) == len(sides)
    for i, (width, height) in enumerate(sides):
        result = np.fromfile(tmp_path / f"{i}.out0.f32", "<f4")
        assert np.array_equal(result, prepare_picture(smooth(width, height), how, hw).ravel())


MISTAKES = {
    "no size": (["--fit", "letterbox"], ["--size"]),
    "a crop": (["--fit", "stretch", "--size", "8", "--crop", "8"], ["--crop", "stretch"]),
    "a size": (["--size", "8"], ["--size", "crop"]),
    "a pad": (["--fit", "stretch", "--size", "8", "--pad", "1,2,3"], ["--pad", "stretch"]),
    "a pad of floats": (["--fit", "letterbox", "--size", "8", "--pad", "1,2,3.5"], ["--pad"]),
    "a level of 256": (["--fit", "letterbox", "--size", "8", "--pad", "1,2,256"], ["--pad"]),
    "two levels": (["--fit", "letterbox", "--size", "8", "--pad", "1,2"], ["--pad", "3"]),
    "a place": (["--fit", "letterbox", "--size", "8", "--place", "left"], ["--place", "topleft"]),
    "a vast size": (["--fit", "letterbox", "--size", "20000"], ["--size", "16384"]),
    "linear crops": (["--resize", "9", "--resample", "linear"], ["--resample", "bilinear"]),
    "resampled boxes": (["--fit", "box", "--size", "8", "--resample", "linear"], ["--resample"]),
    "a small padding": (["--fit", "box", "--size", "8", "--padding", "0.5"], ["--padding"]),
    "a fit": (["--fit", "cover", "--size", "8"], ["--fit", "letterbox"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(nnrun: Run, tmp_path, name):
    flags, parts = MISTAKES[name]
    outcome = nnrun("classify", *small().write(tmp_path), *flags, "a.png")
    assert_refused(outcome, 2, *parts)


def test_the_header_tells_the_geometry(nnrun: Run, tmp_path):
    noise(9, 9).save(tmp_path / "a.png")
    how = Letterbox(**PLAIN, pad=(1, 2, 3), place="topleft")
    flags = [*small().write(tmp_path), *preprocess_flags(how, (16, 24))]
    outcome = nnrun("classify", *flags, tmp_path / "a.png").line("header")["input"]
    expected = {"fit": "letterbox", "size": [16, 24], "pad": [1, 2, 3], "place": "topleft"}
    assert outcome.items() >= (expected | {"resample": "linear", "order": "rgb"}).items()

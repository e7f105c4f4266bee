import itertools
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from PIL import Image

from piyard.core.errors import WrongInput
from piyard.models.definition import load_model
from piyard.vision.flags import preprocess_flags
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import crop_centre, prepare_picture
from piyard.vision.schema import Crop


def crop_of(name: str) -> Crop:
    rules = load_model(name).preprocess
    assert isinstance(rules, Crop)
    return rules


RULES = crop_of("resnet18")
SIZE = (224, 224)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def coordinates(width: int, height: int) -> Image.Image:
    """Each pixel says where it is (modulo 256)."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x % 256, y % 256, 0 * x], -1).astype(np.uint8))


@pytest.mark.parametrize(("width", "left"), [(225, 0), (226, 1), (227, 2), (229, 2), (231, 4)])
def test_odd_margins_are_halved_to_the_even_side(width, left):
    """As Python's round does, which torchvision uses."""
    rules = msgspec.structs.replace(RULES, resize=224)
    shown = np.asarray(crop_centre(coordinates(width, 224), rules))
    assert shown[0, 0].tolist() == [left, 0, 0]


def test_long_side_is_cut_off_not_rounded():
    rules = msgspec.structs.replace(RULES, crop=256)
    picture = noise(3, 5)
    tall = picture.resize((256, 426), Image.Resampling.BILINEAR)  # 426.67
    assert np.array_equal(np.asarray(crop_centre(picture, rules)), np.asarray(tall)[85:341])


def test_normalising_rounds_once():
    """A fused multiply-add in float32, checked in exact fractions."""
    picture = noise(224, 224)
    rules = msgspec.structs.replace(RULES, resize=224)
    result, pixels = prepare_picture(picture, rules, SIZE), np.asarray(picture)
    norm, mean = np.array(RULES.norm, np.float32), np.array(RULES.mean, np.float32)
    bias = -mean * norm
    for (x, y), channel in itertools.product([(0, 0), (223, 223), (17, 101)], range(3)):
        level = int(pixels[y, x, channel])
        exact = Fraction(level) * Fraction(float(norm[channel])) + Fraction(float(bias[channel]))
        assert result[channel, y, x] == np.float32(float(exact))


def test_bgr_turns_the_planes_and_not_the_figures():
    bgr = msgspec.structs.replace(RULES, order="bgr")
    turned = Image.fromarray(np.asarray(noise(256, 256))[..., ::-1].copy())
    picture = prepare_picture(noise(256, 256), bgr, SIZE)
    assert np.array_equal(picture, prepare_picture(turned, RULES, SIZE))


def test_result_is_ready_for_ncnn():
    picture = prepare_picture(noise(300, 280), RULES, SIZE)
    assert picture.shape == (3, 224, 224)
    assert picture.dtype == np.float32
    assert picture.flags.c_contiguous


def test_board_gets_the_same_figures():
    flags = preprocess_flags(RULES, SIZE)
    inputs = dict(zip(flags[::2], flags[1::2], strict=True))
    assert (inputs["--resize"], inputs["--crop"], inputs["--order"]) == ("256", "224", "rgb")
    assert tuple(map(float, inputs["--mean"].split(","))) == RULES.mean
    assert tuple(map(float, inputs["--norm"].split(","))) == RULES.norm


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:8, :8] = 255
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that undoes the camera's
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(turn[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.png")), upright)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "1", "LA"])
def test_every_kind_of_picture_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    noise(20, 10).convert(mode).save(path)
    assert (read_picture(path).mode, read_picture(path).size) == ("RGB", (20, 10))


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0\x00\x10JFIF"])
def test_a_broken_picture_is_named(tmp_path, content):
    (tmp_path / "broken.jpg").write_bytes(content)
    with pytest.raises(WrongInput, match=r"broken\.jpg cannot be read as a picture"):
        read_picture(tmp_path / "broken.jpg")


def test_a_cut_picture_is_named(tmp_path):
    noise(64, 64).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WrongInput, match=r"cut\.jpg"):
        read_picture(tmp_path / "cut.jpg")

"""nnrun semantic: the regions are the desktop's, pixel by pixel, and their shares too."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from piyard.vision.flags import head_flags, preprocess_flags
from piyard.vision.head_schema import Semantic
from piyard.vision.predictions import Rle, decode_mask
from piyard.vision.schema import Crop, Letterbox, Preprocess, Stretch
from piyard.vision.tasks.semantic import SEMANTIC
from piyard.vision.transforms import picture_transform
from tests.runner.constant import constant
from tests.runner.nets import Floats
from tests.runner.outcome import Line, Run, assert_refused
from tests.runner.pictures import noise

SIZE = (32, 32)
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
FITS: dict[str, Preprocess] = {
    "letterbox": Letterbox(order="rgb", mean=ZERO, norm=ONE),
    "stretch": Stretch(order="rgb", mean=ZERO, norm=ONE),
    "crop": Crop(order="rgb", mean=ZERO, norm=ONE, resize=40, crop=32, resample="bilinear"),
}
side = st.integers(1, 90)


def maps(seed: int, shape: tuple[int, ...]) -> Floats:
    """Scores with many equal ones."""
    rng = np.random.default_rng(seed)
    return np.round(2 * rng.normal(size=shape)).astype("f4")


def regions(
    nnrun: Run, folder, outputs: list[Floats], fit: Preprocess, head: Semantic, *more: object
) -> list[Line]:
    flags = [*constant(outputs, folder), *preprocess_flags(fit, SIZE), *head_flags(head)]
    objects: list[Line] = nnrun("semantic", *flags, *more, folder / "a.png").line("objects")[
        "objects"
    ]
    return objects


@settings(max_examples=60, deadline=None)
@given(
    width=side,
    height=side,
    name=st.sampled_from(sorted(FITS)),
    classes=st.integers(1, 5),
    grid=st.sampled_from([(32, 32), (8, 8), (16, 4), (64, 64)]),
    seed=st.integers(0, 10**6),
)
def test_regions_are_the_desktops(
    nnrun: Run, tmp_path_factory, width, height, name, classes, grid, seed
):
    folder, fit = tmp_path_factory.mktemp("semantic"), FITS[name]
    noise(width, height).save(folder / "a.png")
    head = Semantic(output=1, threshold=0.5)
    outputs = [maps(seed, (2, 3)), maps(seed + 1, (classes, *grid))]
    transform = picture_transform((width, height), fit, SIZE)
    expected = SEMANTIC.decode(head, outputs, SIZE, transform)
    result = regions(nnrun, folder, outputs, fit, head)
    assert [line["class"] for line in result] == [each.class_ for each in expected]
    for line, each in zip(result, expected, strict=True):
        assert each.mask is not None
        assert np.array_equal(decode_mask(msgspec.convert(line["mask"], Rle)), each.mask)
        assert line["box"] == list(each.box)
        assert np.float32(line["score"]) == np.float32(each.score)


def test_every_pixel_that_is_shown_has_one_class(nnrun: Run, tmp_path):
    noise(70, 50).save(tmp_path / "a.png")
    result = regions(nnrun, tmp_path, [maps(3, (4, 8, 8))], FITS["letterbox"], Semantic())
    masks = [decode_mask(msgspec.convert(line["mask"], Rle)) for line in result]
    assert (np.sum(masks, axis=0) == 1).all()
    assert sum(line["score"] for line in result) == pytest.approx(1)


def test_one_map_of_two_classes_without_a_channel(nnrun: Run, tmp_path):
    """(rows, columns), as a squeezed output has it."""
    noise(32, 32).save(tmp_path / "a.png")
    values = np.zeros((32, 32), "f4")
    values[:8] = 0.75
    result = regions(nnrun, tmp_path, [values], FITS["stretch"], Semantic(threshold=0.5))
    assert [(line["class"], line["score"]) for line in result] == [(0, 0.75), (1, 0.25)]
    assert result[1]["box"] == [0, 0, 32, 8]


def test_regions_are_drawn_with_a_legend(nnrun: Run, tmp_path):
    Image.new("RGB", (200, 160), (128, 128, 128)).save(tmp_path / "a.png")
    (tmp_path / "labels.txt").write_text("background\nroad\n")
    values = np.zeros((2, 32, 32), "f4")
    values[1, :, 16:] = 1
    drawn = ("--draw", tmp_path, "--labels", tmp_path / "labels.txt")
    regions(nnrun, tmp_path, [values], FITS["stretch"], Semantic(), *drawn)
    pixels = np.asarray(Image.open(tmp_path / "0000.jpg"), int)
    assert abs(pixels[100:, :90] - 128).max() <= 6, "the background is not tinted"
    assert abs(pixels[100:, 110:] - 128).max() > 20
    assert abs(pixels[:8, :8] - 128).max() > 60, "the legend"


MISTAKES: dict[str, tuple[list[Floats], Semantic, str]] = {
    "no map": ([np.zeros(5, "f4")], Semantic(), "not classes,rows,columns"),
    "no such output": ([np.zeros((2, 4, 4), "f4")], Semantic(output=1), "--map 1: the net has 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_map_is_refused(nnrun: Run, tmp_path, name):
    outputs, head, words = MISTAKES[name]
    noise(9, 9).save(tmp_path / "a.png")
    fit = preprocess_flags(FITS["stretch"], SIZE)
    flags = [*constant(outputs, tmp_path), *fit, *head_flags(head)]
    outcome = nnrun("semantic", *flags, tmp_path / "a.png")
    assert_refused(outcome, outcome.code, words)
    assert outcome.code != 0


def test_labels_are_counted(nnrun: Run, tmp_path):
    noise(9, 9).save(tmp_path / "a.png")
    (tmp_path / "labels.txt").write_text("a\nb\n")
    flags = [*constant([np.zeros((3, 4, 4), "f4")], tmp_path), "--labels", tmp_path / "labels.txt"]
    fit = preprocess_flags(FITS["stretch"], SIZE)
    outcome = nnrun("semantic", *flags, *fit, tmp_path / "a.png")
    assert_refused(outcome, 4, "2 lines", "3 classes")

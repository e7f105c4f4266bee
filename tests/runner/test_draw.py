"""--draw and --mjpeg: what was found can be seen, the rest of the picture is as it was."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.runner import pictures
from tests.runner.constant import constant
from tests.runner.nets import Floats
from tests.runner.outcome import Run, assert_refused

Pixels = NDArray[np.int64]

HEAD = ["--head", "rtmdet", "--strides", "8", "--fit", "stretch", "--size", "32"]
SEGMENT = ["--head", "yolov8", "--strides", "8", "--fit", "stretch", "--size", "32", "--bins", "2"]
TITLE = 0.25
"""Captions and lines take less of a picture than that."""


def one_object(box: tuple[int, int, int, int]) -> list[Floats]:
    """Of RTMDet, in an input of 32 x 32: its corners are pixels of it."""
    output = np.full((5, 4, 4), -9, np.float32)
    output[:, 1, 1] = [9, 8 - box[0], 8 - box[1], box[2] - 8, box[3] - 8]
    return [output]


@pytest.fixture
def net(tmp_path) -> list[str]:
    return [*constant(one_object((4, 6, 28, 30)), tmp_path), *HEAD]


@pytest.fixture
def drawn(tmp_path) -> Path:
    folder: Path = tmp_path / "drawn"
    folder.mkdir()
    return folder


def grey(folder: Path, size: tuple[int, int], name: str = "a.png") -> Path:
    Image.new("RGB", size, (128, 128, 128)).save(folder / name)
    return folder / name


def look(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"), np.int64)


def painted(pixels: Pixels) -> NDArray[np.bool_]:
    """Where grey became something else; JPEG alone changes it a little."""
    changed: NDArray[np.bool_] = abs(pixels - 128).max(axis=2) > 40
    return changed


@pytest.mark.parametrize("size", [(320, 320), (640, 480), (1000, 2000), (4000, 3000)])
def test_the_box_is_framed(nnrun: Run, tmp_path, net, drawn, size):
    done = nnrun("detect", *net, "--draw", drawn, grey(tmp_path, size))
    (objects,) = done.line("objects")["objects"]
    x0, y0, x1, y1 = (round(at) for at in objects["box"])
    seen = painted(look(drawn / "0000.jpg"))
    assert seen.shape == (size[1], size[0])
    assert seen[y0:y1, x0].mean() > 0.95
    assert seen[y0:y1, x1 - 1].mean() > 0.95
    assert seen[y1 - 1, x0:x1].mean() > 0.95
    wide = max(size) // 100
    inside = seen[y0 + wide : y1 - wide, x0 + wide : x1 - wide]
    assert inside.mean() < 0.01
    below = seen[y1 + wide :]
    assert not below.any()
    above = np.argwhere(seen[: y0 - wide])
    assert len(above), "there is a caption"
    assert 0.01 < np.ptp(above[:, 0]) / size[1] < TITLE


def test_a_caption_fits_into_the_picture(nnrun: Run, tmp_path, drawn):
    """Where there is no room above the box, it is inside."""
    net = [*constant(one_object((0, 0, 32, 32)), tmp_path), *HEAD]
    nnrun("detect", *net, "--draw", drawn, grey(tmp_path, (320, 240)))
    seen = painted(look(drawn / "0000.jpg"))
    assert seen[3:9, 3:20].mean() > 0.5
    assert not seen[30:200, 30:290].any()


def test_labels_of_any_letters_are_drawn(nnrun: Run, tmp_path, net, drawn):
    names = ["person", "Fußgänger mit \u20ac und \u4e16\u754c", "x" * 3000]
    for name in names:
        (tmp_path / "labels.txt").write_text(name + "\n")
        named = ["--labels", tmp_path / "labels.txt"]
        done = nnrun("detect", *net, *named, "--draw", drawn, grey(tmp_path, (640, 480)))
        (objects,) = done.line("objects")["objects"]
        assert objects["label"] == name
        assert painted(look(drawn / "0000.jpg"))[:80].any()


def test_each_picture_has_its_number(nnrun: Run, tmp_path, net, drawn):
    (tmp_path / "bad.jpg").write_bytes(pictures.BROKEN["half a JPEG"])
    paths = [grey(tmp_path, (90, 60)), tmp_path / "bad.jpg", grey(tmp_path, (60, 90), "b.png")]
    done = nnrun("detect", *net, "--draw", drawn, *paths)
    assert done.code == 4
    assert sorted(path.name for path in drawn.iterdir()) == ["0000.jpg", "0002.jpg"]
    assert look(drawn / "0000.jpg").shape == (60, 90, 3)
    assert look(drawn / "0002.jpg").shape == (90, 60, 3)


def frames_of(film: bytes) -> list[Image.Image]:
    parts = film.split(b"\xff\xd8\xff")
    assert parts[0] == b""
    return [Image.open(io.BytesIO(b"\xff\xd8\xff" + part)) for part in parts[1:]]


def test_a_film_holds_every_picture(nnrun: Run, tmp_path, net, drawn):
    sizes = [(90, 60), (60, 90), (320, 200)]
    paths = [grey(tmp_path, size, f"{size[0]}.png") for size in sizes]
    film = tmp_path / "film.mjpeg"
    nnrun("detect", *net, "--mjpeg", film, "--draw", drawn, *paths)
    frames = frames_of(film.read_bytes())
    assert [frame.size for frame in frames] == sizes
    assert film.read_bytes() == b"".join((drawn / f"000{i}.jpg").read_bytes() for i in range(3))


def test_a_film_begins_anew(nnrun: Run, tmp_path, net):
    film = tmp_path / "film.mjpeg"
    for _ in range(2):
        nnrun("detect", *net, "--mjpeg", film, grey(tmp_path, (90, 60)))
    assert len(frames_of(film.read_bytes())) == 1


def test_what_is_told_is_the_same(nnrun: Run, tmp_path, net, drawn):
    """Drawing comes after everything else, also of pictures that are shown twice."""
    path = grey(tmp_path, (90, 60))
    plain = nnrun("detect", *net, path, path)
    also_drawn = nnrun("detect", *net, "--draw", drawn, path, path)
    for each, other in zip(plain.of("objects"), also_drawn.of("objects"), strict=True):
        assert each["objects"] == other["objects"]
        assert each["ms"]["draw"] == 0
        assert other["ms"]["draw"] > 0


def test_a_turned_picture_is_drawn_upright(nnrun: Run, tmp_path, net, drawn):
    (tmp_path / "a.jpg").write_bytes(pictures.turned(6))
    nnrun("detect", *net, "--draw", drawn, tmp_path / "a.jpg")
    assert look(drawn / "0000.jpg").shape == (31, 17, 3)


def test_the_rest_of_the_picture_stays(nnrun: Run, tmp_path, drawn):
    net = [*constant(one_object((4, 6, 9, 10)), tmp_path), *HEAD]
    original = pictures.smooth(400, 300)
    original.save(tmp_path / "a.png")
    nnrun("detect", *net, "--draw", drawn, tmp_path / "a.png")
    difference = abs(look(drawn / "0000.jpg") - np.asarray(original, np.int64))
    assert difference[120:].mean() < 4
    assert difference[120:].max() < 60


def segment_outputs(coefficient: float) -> list[Floats]:
    """One object over the middle half of the picture, whose mask is its left half."""
    output = np.full((8 + 1 + 1, 4, 4), -9, np.float32)
    output[:8, 1, 1] = [-9, 9] * 4
    output[8, 1, 1] = 9
    output[9] = coefficient
    prototypes = np.ones((1, 8, 8), np.float32)
    prototypes[:, :, 3:] = -1
    return [output, prototypes]


def test_masks_tint_what_is_theirs(nnrun: Run, tmp_path, drawn):
    net = [*constant(segment_outputs(1), tmp_path), *SEGMENT]
    done = nnrun("segment", *net, "--draw", drawn, grey(tmp_path, (320, 320)))
    (objects,) = done.line("objects")["objects"]
    x0, y0, x1, y1 = (round(at) for at in objects["box"])
    seen = look(drawn / "0000.jpg")[y0 + 10 : y1 - 10]
    tinted = abs(seen[:, x0 + 5 : 110] - 128).max(axis=2)
    assert tinted.min() > 20
    assert tinted.max() < 80  # the picture shows through: the colour itself is farther away
    assert abs(seen[:, 130 : x1 - 5] - 128).max() < 20


def pose_outputs() -> list[Floats]:
    """One person with COCO's 17 keypoints, all on one line across the picture."""
    output = np.full((8 + 1 + 51, 4, 4), -9, np.float32)
    output[:8, 1, 1] = [-9, 9] * 4
    output[8, 1, 1] = 9
    for i in range(17):
        output[9 + 3 * i : 12 + 3 * i, 1, 1] = [-0.4 + i / 16, 0.5, 9 if i != 16 else -9]
    return [output]


def test_skeletons_are_drawn(nnrun: Run, tmp_path, drawn):
    net = [*constant(pose_outputs(), tmp_path), *SEGMENT]
    done = nnrun("pose", *net, "--draw", drawn, grey(tmp_path, (640, 640)))
    (objects,) = done.line("objects")["objects"]
    seen = painted(look(drawn / "0000.jpg"))
    for x, y, score in objects["keypoints"]:
        assert seen[round(y), round(x)] == (score > 0.3)
    first, last = objects["keypoints"][0], objects["keypoints"][15]
    assert seen[round(first[1]), round(first[0]) : round(last[0])].mean() > 0.9


REFUSED = {
    "no folder": (["--draw", "{}/none"], ["none", "make it first"]),
    "a file": (["--draw", "{}/constant.param"], ["constant.param", "not a folder"]),
    "a film in no folder": (["--mjpeg", "{}/none/film"], ["none/film", "No such file"]),
    "a film that is a folder": (["--mjpeg", "{}"], ["directory"]),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_where_nothing_can_be_written(nnrun: Run, tmp_path, net, wrong):
    flags, parts = REFUSED[wrong]
    request = [flag.format(tmp_path) for flag in flags]
    done = nnrun("detect", *net, *request, grey(tmp_path, (90, 60)))
    assert_refused(done, 5, *parts)


def test_a_full_disk_ends_it(nnrun: Run, tmp_path, net):
    path = grey(tmp_path, (90, 60))
    done = nnrun("detect", *net, "--mjpeg", "/dev/full", path, path)
    assert_refused(done, 5, "/dev/full", "No space left", "free space")
    assert not done.of("summary")


def test_a_picture_too_wide_for_jpeg_is_told(nnrun: Run, tmp_path, net, drawn):
    paths = [grey(tmp_path, (65501, 2), "wide.png"), grey(tmp_path, (90, 60))]
    done = nnrun("detect", *net, "--draw", drawn, *paths)
    assert done.code == 4
    assert "65501x2 pixels are more than a JPEG can hold" in done.of("error")[0]["error"]
    assert [path.name for path in drawn.iterdir()] == ["0001.jpg"]
    assert len(done.of("objects")) == 1

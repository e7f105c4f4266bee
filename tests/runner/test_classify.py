"""nnrun classify: the pixels are Pillow's, the figures are exact, a bad picture is one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from piyard.vision.flags import preprocess_flags
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Crop
from tests.runner import pictures
from tests.runner.nets import Floats, Net, identity, small
from tests.runner.outcome import Run, assert_refused
from tests.runner.pictures import noise, smooth

RESAMPLE = ["bilinear", "bicubic", "lanczos", "nearest"]
PLAIN = {"order": "rgb", "mean": (0.0, 0.0, 0.0), "norm": (1.0, 1.0, 1.0)}
FIT = ["--resize", "8", "--crop", "8"]


class Eye:
    """What a net sees of a picture, by way of a net that gives its input back."""

    def __init__(self, nnrun: Run, folder: Path) -> None:
        self.nnrun, self.folder, self.net = nnrun, folder, identity().write(folder)

    def __call__(self, picture: Path, *flags: str) -> Floats:
        fixed = ["--precision", "fp32", "--activation", "none", "--save-outputs", self.folder]
        outcome = self.nnrun("classify", *self.net, *fixed, *flags, picture)
        assert outcome.code == 0, outcome
        seen: Floats = np.fromfile(self.folder / "0.out0.f32", "<f4")
        return seen


@pytest.fixture
def eye(nnrun: Run, tmp_path) -> Eye:
    return Eye(nnrun, tmp_path)


def planes(pixels: NDArray[np.uint8]) -> Floats:
    seen: Floats = pixels.astype(np.float32).transpose(2, 0, 1).ravel()
    return seen


def rules(**changed: object) -> Crop:
    return Crop(**(PLAIN | {"resize": 224, "crop": 224} | changed))  # type: ignore[arg-type]


def square(how: Crop) -> tuple[int, int]:
    return how.crop, how.crop


side = st.integers(1, 120)


@settings(max_examples=150, deadline=None)
@given(w=side, h=side, short=st.integers(1, 70), spare=side, resample=st.sampled_from(RESAMPLE))
def test_resize_and_crop_are_the_desktops(
    nnrun: Run, tmp_path_factory, w, h, short, spare, resample
):
    folder = tmp_path_factory.mktemp("resize")
    how = rules(resize=short, crop=max(1, short - spare), resample=resample)
    noise(w, h).save(folder / "a.png")
    seen = Eye(nnrun, folder)(folder / "a.png", *preprocess_flags(how, square(how)))
    assert np.array_equal(seen, prepare_picture(noise(w, h), how, square(how)).ravel())


@settings(max_examples=60, deadline=None)
@given(w=side, h=side, short=st.integers(1, 40), resample=st.sampled_from(RESAMPLE))
def test_resize_alone_is_pillows(nnrun: Run, tmp_path_factory, w, h, short, resample):
    """Long pictures, too: their sides are scaled by other factors after rounding."""
    folder = tmp_path_factory.mktemp("resize")
    noise(w, h).save(folder / "a.png")
    seen = Eye(nnrun, folder)(folder / "a.png", "--resize", str(short), "--resample", resample)
    size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    expected = noise(w, h).resize(size, Image.Resampling[resample.upper()])
    assert np.array_equal(seen, planes(np.asarray(expected)))


@pytest.mark.parametrize("resample", RESAMPLE)
@pytest.mark.parametrize("size", [(1501, 997), (997, 1501), (2000, 256), (300, 257)])
def test_a_photograph_shrinks_as_on_the_desktop(eye: Eye, tmp_path, resample, size):
    how = rules(resize=256, resample=resample)
    smooth(*size).save(tmp_path / "a.png")
    seen = eye(tmp_path / "a.png", *preprocess_flags(how, square(how)))
    assert np.array_equal(seen, prepare_picture(smooth(*size), how, square(how)).ravel())


@pytest.mark.parametrize("crop", ["20x31", "29x30", "3"])
def test_the_crop_need_not_be_square(eye: Eye, tmp_path, crop):
    noise(40, 30).save(tmp_path / "a.png")
    height, width = map(int, crop.split("x")) if "x" in crop else (int(crop), int(crop))
    left, top = round((40 - width) / 2), round((30 - height) / 2)
    expected = noise(40, 30).crop((left, top, left + width, top + height))
    seen = eye(tmp_path / "a.png", "--crop", crop)
    assert np.array_equal(seen, planes(np.asarray(expected)))


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("name", ["resnet18", "random"])
def test_normalising_is_exact(eye: Eye, tmp_path, order, name):
    picture = noise(256, 256)
    picture.save(tmp_path / "a.png")
    how = {"mean": (123.675, 116.28, 103.53), "norm": (0.0171247538, 0.0175070028, 0.0174291939)}
    if name == "random":
        how = {"mean": (-3.1, 1e-3, 300.7), "norm": (1e-9, 777.7, -0.3)}
    request = rules(order=order, resample="bilinear", resize=256, crop=256, **how)
    seen = eye(tmp_path / "a.png", *preprocess_flags(request, square(request)))
    assert seen.tobytes() == prepare_picture(picture, request, square(request)).tobytes()


@pytest.mark.parametrize("name", pictures.JPEGS | pictures.PNGS)
def test_a_picture_decodes_as_on_the_desktop(eye: Eye, tmp_path, name):
    path = tmp_path / "picture"
    path.write_bytes((pictures.JPEGS | pictures.PNGS)[name])
    assert np.array_equal(eye(path), planes(np.asarray(read_picture(path))))


def test_16_bit_grey_keeps_its_high_byte(eye: Eye, tmp_path):
    """Not Pillow's way: its convert("RGB") clips such a picture to white."""
    (tmp_path / "a.png").write_bytes(pictures.GREY16)
    grey = (pictures.WIDE[..., 0] >> 8).astype(np.float32)
    assert np.array_equal(eye(tmp_path / "a.png"), np.tile(grey.ravel(), 3))


@pytest.mark.parametrize("name", pictures.BROKEN)
def test_a_broken_picture_is_exit_4(nnrun: Run, tmp_path, name):
    path = tmp_path / "broken"
    path.write_bytes(pictures.BROKEN[name])
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, path)
    assert_refused(outcome, 4, "broken")
    if outcome.stdout:  # none when not a single picture could be read
        assert outcome.line("error")["image"] == str(path)
        assert outcome.line("summary").items() >= {"images": 1, "failed": 1}.items()
    if "00 megapixels" in name:
        assert "100" in outcome.stderr
    if name.startswith("a small"):
        assert "cannot hold its 8000x8000 pixels" in outcome.stderr
    if "scans" in name:
        assert "more than 100 scans" in outcome.stderr


def test_a_picture_of_real_content_that_takes_too_much_memory_is_exit_4(nnrun: Run, tmp_path):
    """90 megapixels of one colour: 540 MB of pixels and coefficients, and a file of 2 MB."""
    path = tmp_path / "grey.jpg"
    Image.new("RGB", (10000, 9000), "grey").save(path, progressive=True)
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, path)
    assert_refused(outcome, 4, "10000x9000 pixels take 540 MB", "400 MB", "scale it down")
    assert outcome.line("summary")["peak_rss_kb"] < 100_000


def test_a_file_of_any_size_is_not_read_whole(nnrun: Run, tmp_path):
    with (tmp_path / "big.jpg").open("wb") as file:
        file.truncate(1 << 40)
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, tmp_path / "big.jpg")
    assert_refused(outcome, 4, "big.jpg", "the limit is 256 MB")


def test_one_bad_picture_does_not_stop_the_rest(nnrun: Run, tmp_path):
    noise(20, 20).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no")
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png", "empty", "a.png")]
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, *paths)
    assert outcome.code == 4
    kinds = [line["type"] for line in outcome.lines if line["type"] not in {"header", "load"}]
    assert kinds == ["classification", *["error"] * 3, "classification", "summary"]
    assert outcome.stderr.count("\n") == 3
    assert outcome.line("summary").items() >= {"images": 5, "failed": 3}.items()


def test_a_classification(nnrun: Run, tmp_path):
    noise(30, 20).save(tmp_path / "a.png")
    (tmp_path / "labels.txt").write_text("".join(f"class {i}\n" for i in range(10)))
    flags = ["--labels", tmp_path / "labels.txt", "--topk", 10, "--save-outputs", tmp_path, *FIT]
    flags += ["--norm", ".01,.01,.01"]  # moderate scores: none of them vanishes
    outcome = nnrun("classify", *small().write(tmp_path), *flags, tmp_path / "a.png")
    result = outcome.line("classification")
    described = {"image": str(tmp_path / "a.png"), "width": 30, "height": 20}
    assert result.items() >= described.items()
    assert result["ms"].keys() == {"decode", "pre", "infer", "post"}
    logits = np.fromfile(tmp_path / "0.out0.f32", "<f4").astype(float)
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    order = np.argsort(-scores, kind="stable")
    assert [hit["index"] for hit in result["top"]] == order.tolist()
    np.testing.assert_allclose([hit["score"] for hit in result["top"]], scores[order], rtol=1e-5)
    assert [hit["label"] for hit in result["top"]] == [f"class {i}" for i in order]


def test_scores_that_are_not_finite_are_an_error(nnrun: Run, tmp_path):
    noise(8, 8).save(tmp_path / "a.png")
    net = Net().add("Input", "in0").add("InnerProduct", "out0", "0=2 1=1 2=384")
    flags = net.tagged(np.ones(384)).raw(np.array([np.inf, np.nan])).write(tmp_path)
    outcome = nnrun("classify", *flags, "--precision", "fp32", tmp_path / "a.png")
    assert outcome.code in {3, 4}
    assert "NaN" in outcome.line("error")["error"] or "finite" in outcome.line("error")["error"]


def test_a_picture_that_does_not_fit_the_net_is_exit_4(nnrun: Run, tmp_path):
    noise(8, 8).save(tmp_path / "a.png")
    noise(9, 8).save(tmp_path / "b.png")
    net = Net().add("Input", "in0").add("InnerProduct", "out0", "0=2 1=0 2=384")
    flags = net.tagged(np.ones(384)).write(tmp_path)
    outcome = nnrun("classify", *flags, tmp_path / "a.png", tmp_path / "b.png")
    assert outcome.code == 4
    assert "b.png" in outcome.line("error")["image"]
    assert len(outcome.of("classification")) == 1


NAMES = [
    *(b'quote".png', b"back\\slash.png", b"new\nline.png", b"tab\t.png", b"del\x7f.png"),
    *("größe 大 \U0001f600.png".encode(), b"latin\xe9.png", b"cut \xe5\xa4.png"),
    *(b"overlong \xc0\xaf.png", b"surrogate \xed\xa0\x80.png", b"beyond \xf4\x90\x80\x80.png"),
    *(b"\x1b[31mred.png", b"-dash.png", b"$(touch x).png", b"%s%n.png"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_name(nnrun: Run, tmp_path, name):
    flags = [*small().write(tmp_path), *FIT]
    path = os.fsencode(tmp_path) + b"/" + name
    Path(os.fsdecode(path)).write_bytes(pictures.PNGS["rgb"])
    outcome = nnrun("classify", *flags, path).line("classification")["image"]
    try:
        assert outcome == path.decode()
    except UnicodeDecodeError:
        assert "\ufffd" in outcome
    os.truncate(path, 30)
    failed = nnrun("classify", *flags, path)
    assert failed.code == 4
    assert failed.stderr.count("\n") == 1
    assert "\x1b" not in failed.stderr
    assert all(json.loads(line)["type"] for line in failed.stdout.splitlines())


def test_two_dashes_end_the_flags(nnrun: Run, tmp_path):
    noise(8, 8).save(tmp_path / "--odd.png")
    outcome = nnrun("classify", *small().write(tmp_path), "--", "--odd.png", cwd=tmp_path)
    assert outcome.line("classification")["image"] == "--odd.png"


def test_labels_of_another_net_are_refused(nnrun: Run, tmp_path):
    noise(8, 8).save(tmp_path / "a.png")
    (tmp_path / "labels.txt").write_text("".join(f"class {i}\n" for i in range(9)))
    flags = [*small().write(tmp_path), "--labels", tmp_path / "labels.txt"]
    assert_refused(nnrun("classify", *flags, tmp_path / "a.png"), 4, "--labels", "9", "10")


def test_missing_labels_are_exit_4(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), "--labels", tmp_path / "none.txt"]
    assert_refused(nnrun("classify", *flags, "a.png"), 4, "none.txt")

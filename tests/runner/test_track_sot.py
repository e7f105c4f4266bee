"""nnrun track sot: the same boxes as the desktop's reference, and what can go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from piyard.evaluate.track_metrics import sot_metrics
from piyard.vision.nanotrack import follow_object
from piyard.vision.schema import Corners, NanotrackConfig, Stretch
from tests.runner.nets import Net
from tests.runner.outcome import Line, Outcome, Run, assert_refused
from tests.support import tiny_nanotrack as toy

LEVELS = Stretch(order="bgr", mean=(10, 20, 30), norm=(1 / 255, 1 / 250, 1 / 245))
FRAMES = 20
INIT = "40,60,40,40"
NEAR_PX = 0.01


@pytest.fixture
def toy_folder(tmp_path: Path) -> Path:
    toy.write(tmp_path)
    return tmp_path


@pytest.fixture
def film(tmp_path: Path) -> list[Path]:
    return toy.film(tmp_path / "film", FRAMES)


def flags(folder: Path) -> list[str]:
    levels = [",".join(map(repr, figures)) for figures in (LEVELS.mean, LEVELS.norm)]
    named = {"param": "model.ncnn.param", "bin": "model.ncnn.bin"}
    named |= {"head-param": "head.ncnn.param", "head-bin": "head.ncnn.bin"}
    files = [word for flag, file in named.items() for word in (f"--{flag}", str(folder / file))]
    steps = ["--order", "bgr", "--mean", levels[0], "--norm", levels[1]]
    return [*files, *steps, "--precision", "fp32", "--threads", "1"]


def track(nnrun: Run, folder: Path, *more: object, init: str = INIT) -> Outcome:
    return nnrun("track", "sot", *flags(folder), "--init", init, *more)


def boxes(lines: list[Line]) -> list[Corners]:
    objects = [line["objects"] for line in lines]
    assert all(len(each) == 1 for each in objects)
    return [tuple(each[0]["box"]) for each in objects]


def reference(folder: Path, paths: list[Path], how: NanotrackConfig | None = None) -> list[Corners]:
    pictures = [np.asarray(Image.open(path)) for path in paths]
    loaded, figures = toy.of_ncnn(folder), how or NanotrackConfig()
    return [each.box for each in follow_object(loaded, figures, LEVELS, pictures, toy.box(0))]


def test_same_boxes_as_the_reference(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    done = track(nnrun, toy_folder, film[0].parent)
    assert done.code == 0, done
    objects = boxes(done.of("objects"))
    assert np.abs(np.array(objects) - reference(toy_folder, film)).max() < NEAR_PX
    assert sot_metrics(list(map(toy.box, range(FRAMES))), objects).overlap > 60


def test_every_figure_reaches_the_tracker(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    how = NanotrackConfig(template=112, search=240, context=0.4, penalty=0.3, window=0.3, rate=0.6)
    inputs = {name: getattr(how, name) for name in how.__struct_fields__}
    words = [word for name, value in inputs.items() for word in (f"--{name}", value)]
    toy.head(cells=7).write(toy_folder, "head.ncnn")
    done = track(nnrun, toy_folder, film[0].parent, *words)
    objects = boxes(done.of("objects"))
    assert np.abs(np.array(objects) - reference(toy_folder, film, how)).max() < NEAR_PX
    assert (
        np.abs(np.array(objects) - reference(toy_folder, film, NanotrackConfig(template=112))).max()
        > 1
    )
    assert done.line("header")["input"]["tracker"] == {"kind": "nanotrack", **inputs}


def test_lines(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    done = track(nnrun, toy_folder, *film[:2])
    assert done.line("header")["task"] == "track sot"
    assert done.line("header")["input"]["head"]["param"].endswith("head.ncnn.param")
    assert done.line("load")["ms"] > 0
    first, second = done.of("objects")
    assert first["objects"] == [{"class": 0, "label": None, "score": 1, "box": [40, 60, 80, 100]}]
    assert (second["image"], second["width"], second["height"]) == (str(film[1]), 320, 200)
    assert 0 < second["objects"][0]["score"] <= 1
    assert set(second["ms"]) == {"decode", "pre", "infer", "post", "draw"}
    assert done.line("summary")["images"] == 2


def test_blobs_are_named_of_the_backbone_alone(
    nnrun: Run, toy_folder: Path, film: list[Path]
) -> None:
    backbone = toy.backbone().add("ReLU", "more")
    backbone.write(toy_folder, "model.ncnn")
    done = track(nnrun, toy_folder, *film[:3], "--output-blob", "out0")
    assert done.code == 0, done
    assert len(done.of("objects")) == 3


def test_a_backbone_with_two_outputs(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    split = toy.backbone().add("Split", "one other")
    split.write(toy_folder, "model.ncnn")
    done = track(nnrun, toy_folder, film[0])
    assert_refused(done, 3, "model.ncnn.param", "2 outputs", "NanoTrack's backbone has one")


def test_what_cannot_be_read_is_told_and_tracking_goes_on(
    nnrun: Run, toy_folder: Path, film: list[Path]
) -> None:
    film[0].write_bytes(b"")
    film[7].write_text("no picture")
    whole = [path for index, path in enumerate(film) if index not in {0, 7}]
    done = track(nnrun, toy_folder, film[0].parent, init="46,65,40,40")
    assert done.code == 4
    assert [line["image"] for line in done.of("error")] == [str(film[0]), str(film[7])]
    assert [line["image"] for line in done.of("objects")] == list(map(str, whole))
    assert done.line("summary") | {"peak_rss_kb": 0} == {
        "type": "summary",
        "images": FRAMES,
        "failed": 2,
        "peak_rss_kb": 0,
    }
    assert boxes(done.of("objects"))[-1] == pytest.approx(toy.box(FRAMES - 1), abs=12)


def test_frames_of_another_size(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    """The object goes on being looked for where it was, in pixels, within the new picture."""
    Image.fromarray(toy.picture(1)[:50, :70]).save(film[1])
    done = track(nnrun, toy_folder, *film[:3])
    assert done.code == 0
    _, small, back = done.of("objects")
    assert (small["width"], small["height"]) == (70, 50)
    x0, y0, x1, y1 = small["objects"][0]["box"]
    assert 0 <= (x0 + x1) / 2 <= 70.001
    assert 0 <= (y0 + y1) / 2 <= 50.001
    assert (back["width"], back["height"]) == (320, 200)


def test_an_object_out_of_sight_is_not_told_below_the_score(
    nnrun: Run, toy_folder: Path, film: list[Path]
) -> None:
    Image.fromarray(np.zeros((200, 320, 3), np.uint8)).save(film[5])
    done = track(nnrun, toy_folder, *film[:8], "--score", 0.5)
    assert [len(line["objects"]) for line in done.of("objects")] == [1, 1, 1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("init", ["400,10,20,20", "10,200,20,20", "-30,10,20,20"])
def test_a_box_beside_the_picture(
    nnrun: Run, toy_folder: Path, film: list[Path], init: str
) -> None:
    done = track(nnrun, toy_folder, film[0].parent, init=init)
    assert_refused(done, 2, f"--init {init} lies outside the first frame", "320x200")


def test_a_box_that_reaches_beyond_the_picture(
    nnrun: Run, toy_folder: Path, film: list[Path]
) -> None:
    done = track(nnrun, toy_folder, film[0], init="-10,-10,40,40")
    assert boxes(done.of("objects")) == [(-10, -10, 30, 30)]


@pytest.mark.parametrize(
    "init", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,0,4", "1,2,3,-4", "1,2,nan,4"]
)
def test_what_is_no_box(nnrun: Run, toy_folder: Path, film: list[Path], init: str) -> None:
    assert_refused(track(nnrun, toy_folder, film[0], init=init), 2, "--init")


def test_an_empty_folder(nnrun: Run, toy_folder: Path) -> None:
    (toy_folder / "none").mkdir()
    done = track(nnrun, toy_folder, toy_folder / "none")
    assert done.code == 4
    assert "none" in done.stderr


def test_a_head_with_one_input(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    toy.backbone().write(toy_folder, "head.ncnn")
    assert_refused(track(nnrun, toy_folder, film[0]), 3, "head.ncnn.param", "1 inputs", "2")


def test_a_backbone_with_two_inputs(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    toy.head().write(toy_folder, "model.ncnn")
    assert_refused(track(nnrun, toy_folder, film[0]), 3, "model.ncnn.param", "2 inputs", "one")


def test_a_head_of_something_else(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    toy.head(sides=5).write(toy_folder, "head.ncnn")
    done = track(nnrun, toy_folder, film[0])
    assert_refused(done, 3, "2,16,16 and 5,16,16", "4,n,n")


def test_a_head_for_another_backbone(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    wide = Net().add("Input", "in0").add("Convolution", "out0", "0=4 1=16 3=16 6=3072")
    wide.tagged(np.zeros(3072)).write(toy_folder, "model.ncnn")
    done = track(nnrun, toy_folder, film[0])
    assert done.code in {3, 4}
    assert done.stderr.count("\n") == 1


def test_weights_that_are_no_numbers(nnrun: Run, toy_folder: Path, film: list[Path]) -> None:
    toy.head(logit=float("nan")).write(toy_folder, "head.ncnn")
    assert_refused(track(nnrun, toy_folder, film[0]), 4, "NaN")


@pytest.mark.parametrize("missing", ["model.ncnn.bin", "head.ncnn.param", "head.ncnn.bin"])
def test_a_file_that_is_missing(
    nnrun: Run, toy_folder: Path, film: list[Path], missing: str
) -> None:
    (toy_folder / missing).unlink()
    assert_refused(track(nnrun, toy_folder, film[0]), 3, missing)

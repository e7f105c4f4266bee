"""nnrun track mot, detections given: the same tracks as the desktop's reference."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from piyard.vision.bytetrack import ByteTracker, Detection, TrackedObject
from piyard.vision.clips import read_sequence_info
from piyard.vision.schema import BytetrackConfig
from tests.runner.nets import Net
from tests.runner.outcome import Line, Run, assert_refused
from tests.runner.pictures import encode
from tests.support.mot_detections import read_mot_detections

CLIPS = ["mot_tud_stadtmitte", "mot17_mini/MOT17-02-FRCNN", "mot17_mini/MOT17-04-FRCNN"]


def reference(
    path: Path, fps: float = 30, how: BytetrackConfig | None = None
) -> list[list[TrackedObject]]:
    mot_detections = read_mot_detections(path)
    tracker = ByteTracker(how or BytetrackConfig(), fps)
    return [
        tracker.step(mot_detections.get(frame, []))
        for frame in range(1, max(mot_detections, default=0) + 1)
    ]


def same(lines: list[Line], expected: list[list[TrackedObject]]) -> None:
    assert [line["frame"] for line in lines] == list(range(1, len(expected) + 1))
    for line, tracked in zip(lines, expected, strict=True):
        same_objects(line, tracked)


def same_objects(line: Line, tracked: list[TrackedObject]) -> None:
    """To the last bit of the 32 that a line's numbers have."""
    objects = line["objects"]
    assert [item["id"] for item in objects] == [item.id for item in tracked]
    for each, track in zip(objects, tracked, strict=True):
        assert np.array_equal(np.array(each["box"], np.float32), np.array(track.box, np.float32))
        assert np.float32(each["score"]) == np.float32(track.score)


@pytest.mark.parametrize("clip", CLIPS)
def test_same_tracks_of_real_detections(nnrun: Run, assets: Path, clip: str) -> None:
    sequence = read_sequence_info(assets / "data" / clip)
    path = assets / "data" / clip / "det" / "det.txt"
    done = nnrun("track", "mot", "--detections", path, "--fps", sequence.fps)
    assert done.code == 0, done
    expected = reference(path, sequence.fps)
    assert sum(len(tracked) for tracked in expected) > 500
    same(done.of("objects"), expected)


FIGURES = st.fixed_dictionaries(
    {
        "high": st.sampled_from([0.3, 0.5]),
        "new": st.sampled_from([0.4, 0.6]),
        "match": st.sampled_from([0.6, 0.8, 0.9]),
        "buffer": st.sampled_from([1, 2, 30]),
    }
)
SCENES: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    seed=st.integers(0, 2**32 - 1),
    objects=st.integers(1, 15),
    frames=st.integers(1, 40),
    seen=st.floats(0.3, 1),
    whole=st.booleans(),
)


def scene(*, seed: int, objects: int, frames: int, seen: float, whole: bool) -> str:
    """Objects that walk at random and are found with noise, now and then; or on whole pixels.

    Whole pixels and few scores are where several assignments are equally good.
    """
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 120, (objects, 2))
    place, speed = rng.uniform(0, 300, (objects, 2)), rng.normal(0, 4, (objects, 2))
    lines = []
    for frame in range(1, frames + 1):
        place += speed
        boxes = np.hstack([place + rng.normal(0, 1, place.shape), size])
        scores = rng.uniform(0, 1, objects)
        if whole:
            boxes, scores = boxes.round(-1).clip(10), scores.round(1)
        for box, score in zip(boxes.tolist(), scores.tolist(), strict=True):
            if rng.uniform() < seen:
                lines.append(",".join(map(repr, [frame, -1, *box, score])))
    return "\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(SCENES, FIGURES, st.sampled_from([10, 25, 60]))
def test_same_tracks_of_any_scene(
    nnrun: Run, about: dict[str, Any], figures: dict[str, Any], fps: int
) -> None:
    how = msgspec.convert(figures, BytetrackConfig)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "det.txt"
        path.write_text(scene(**about))
        flags = [word for name, value in figures.items() for word in (f"--track-{name}", value)]
        done = nnrun("track", "mot", "--detections", path, "--fps", fps, *flags)
        assert done.code == 0, done
        same(done.of("objects"), reference(path, fps, how))


def test_header_lines_and_summary(nnrun: Run, tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("1,-1,10,20,30,40,0.9\r\n3,-1,10,20,30,40,0.9,-1,-1,-1\n")
    done = nnrun("track", "mot", "--detections", path, "--track-high", 0.4)
    header = done.line("header")
    assert header["task"] == "track mot"
    assert header["input"]["tracker"] == {
        "kind": "bytetrack",
        "high": 0.4,
        "low": 0.1,
        "new": 0.6,
        "match": 0.8,
        "buffer": 30,
        "fps": 30,
    }
    first, second, third = done.of("objects")
    assert first["objects"] == [
        {"class": 0, "label": None, "score": 0.9, "box": [10, 20, 40, 60], "id": 1}
    ]
    assert second["objects"] == []
    assert third["objects"][0]["id"] == 1
    assert first["ms"]["track"] >= 0
    assert done.line("summary")["images"] == 3


def test_no_detection_at_all(nnrun: Run, tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("\n")
    done = nnrun("track", "mot", "--detections", path)
    assert done.of("objects") == []
    assert done.line("summary")["images"] == 0


@pytest.mark.parametrize(
    "line",
    [
        "1,2,3",
        "a,b,c,d,e,f",
        "1,1,nan,0,5,5,1",
        "0,1,0,0,5,5,1",
        "1.5,1,0,0,5,5,1",
        "99999999,1,0,0,5,5",
        "1,1.5,0,0,5,5",
        "1,1,1e300,0,5,5",
        "1,1,0,0,5,1e8",
    ],
)
def test_what_is_no_motchallenge(nnrun: Run, tmp_path: Path, line: str) -> None:
    path = tmp_path / "det.txt"
    path.write_text(f"1,-1,10,20,30,40,0.9\n{line}\n")
    done = nnrun("track", "mot", "--detections", path)
    assert_refused(done, 4, "det.txt:2", "frame,id,left,top,width,height,score")


@pytest.mark.parametrize("side", ["1e-300", "1e-9", "0.005", "0.01", "0.02", "1e7"])
def test_boxes_of_next_to_no_height_give_numbers(nnrun: Run, tmp_path: Path, side: str) -> None:
    path = tmp_path / "det.txt"
    path.write_text("\n".join(f"{frame},-1,0,0,50,{side},0.9" for frame in range(1, 9)))
    done = nnrun("track", "mot", "--detections", path)
    for line in done.stdout.splitlines():
        json.loads(line, parse_constant=pytest.fail)
    expected = reference(path)
    assert bool(expected) is (float(side) >= 0.01)
    same(done.of("objects"), expected)


def test_a_gap_is_told_once(nnrun: Run, tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    rows = [(frame, 10 * frame) for frame in (1, 2, 60, 70, 5_000_000, 10_000_000)]
    path.write_text("\n".join(f"{frame},-1,{x % 200},0,50,80,0.9" for frame, x in rows))
    done = nnrun("track", "mot", "--detections", path, "--track-buffer", 60)
    assert len(done.stdout) < 20_000
    assert [(line["first"], line["last"]) for line in done.of("gap")] == [
        (71, 4_999_999),
        (5_000_001, 9_999_999),
    ]
    assert done.line("summary")["images"] == 10_000_000
    same_with_gaps(done.of("objects"), path, BytetrackConfig(buffer=60))


def same_with_gaps(lines: list[Line], path: Path, how: BytetrackConfig) -> None:
    """As the reference, which passes over what has no line."""
    result, tracker, last = read_mot_detections(path), ByteTracker(how), 0
    for line in lines:
        tracker.skip(line["frame"] - last - 1)
        last = line["frame"]
        same_objects(line, tracker.step(result.get(last, [])))


def test_mistakes_are_told(nnrun: Run, tmp_path: Path) -> None:
    assert_refused(nnrun("track", "mot", "--detections", tmp_path / "none"), 4, "none")
    assert_refused(nnrun("track", "mot", tmp_path), 2, "--param is required, or --detections")
    assert_refused(
        nnrun("track", "mot", "--detections", "x", "y.jpg"), 2, "cannot be combined with images"
    )
    assert_refused(nnrun("track", "mot", "--detections", "x", "--track-low", 0.9), 2, "--track-low")
    for words in (["track"], ["track", "mto"]):
        assert_refused(nnrun(*words), 2, "'track' needs a second word: track mot or track sot")


def spots() -> Net:
    """A YOLOX of stride 8 that finds what is bright, as a square of 64 pixels."""
    net = Net().add("Input", "in0").add("Pooling", "mean", "0=1 1=8 2=8")
    net.add("Convolution", "out0", "0=6 1=1 5=1 6=18")
    bright = np.zeros((6, 3))
    bright[4] = 4.0
    return net.tagged(bright.ravel()).raw(np.array([0.5, 0.5, np.log(8), np.log(8), -6, 9]))


def walk(folder: Path, frames: int) -> list[Path]:
    """Two bright squares cross a dark picture of 240 x 160, one of them fades for a while."""
    folder.mkdir()
    paths = [folder / f"{frame:03}.png" for frame in range(frames)]
    for frame, path in enumerate(paths):
        picture = np.zeros((160, 240, 3), np.uint8)
        for x, y, level in (
            (5 * frame, 10, 255),
            (200 - 5 * frame, 120, 90 if frame % 7 == 6 else 140),
        ):
            picture[y : y + 20, x : x + 30] = level
        Image.fromarray(picture).save(path)
    return paths


EYES = ["--fit", "stretch", "--size", "128x128", "--norm", ",".join(["0.00392156862745098"] * 3)]
HEAD = ["--head", "yolox", "--strides", "8", "--nms", "0.2", "--precision", "fp32"]


def found_in(line: Line) -> list[Detection]:
    return [
        Detection(box=exact(each["box"]), score=exact([each["score"]])[0], label=each["class"])
        for each in line["objects"]
    ]


def exact(numbers: list[float]) -> Any:
    """A line tells as few digits as its 32 bits need."""
    return tuple(np.array(numbers, np.float32).tolist())


def test_detect_then_track(nnrun: Run, tmp_path: Path) -> None:
    paths = walk(tmp_path / "film", 30)
    flags = [*spots().write(tmp_path), *EYES, *HEAD]
    objects = nnrun("detect", *flags, "--score", 0.1, *paths).of("objects")
    done = nnrun("track", "mot", *flags, *paths)
    assert done.code == 0, done
    tracker = ByteTracker(BytetrackConfig())
    expected = [tracker.step(found_in(line)) for line in objects]
    assert {each.id for frame in expected for each in frame} == {1, 2}
    assert len({each.score > 0.5 for line in objects for each in found_in(line)}) == 2
    for line, path, tracked in zip(done.of("objects"), paths, expected, strict=True):
        assert (line["image"], line["width"], line["height"]) == (str(path), 240, 160)
        same_objects(line, tracked)
        assert list(line["ms"]) == ["decode", "pre", "infer", "post", "track", "draw"]


def test_a_frame_that_cannot_be_read(nnrun: Run, tmp_path: Path) -> None:
    paths = walk(tmp_path / "film", 12)
    paths[5].write_bytes(paths[5].read_bytes()[:100])
    done = nnrun("track", "mot", *spots().write(tmp_path), *EYES, *HEAD, tmp_path / "film")
    assert done.code == 4
    assert done.line("error")["image"] == str(paths[5])
    ids = [[each["id"] for each in line["objects"]] for line in done.of("objects")]
    assert len(ids) == 11
    assert ids[0] == ids[-1] == [1, 2]


def test_frames_from_standard_input(nnrun_path: Path, tmp_path: Path) -> None:
    film = b"".join(encode(Image.open(path), "JPEG") for path in walk(tmp_path / "film", 4))
    flags = [*spots().write(tmp_path), *EYES, *HEAD, "--stdin", "mjpeg"]
    line = [str(nnrun_path), "track", "mot", *flags]
    done = subprocess.run(line, input=film, capture_output=True, check=True, timeout=120)
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    objects = [each for each in lines if each["type"] == "objects"]
    assert [each["frame"] for each in objects] == [0, 1, 2, 3]
    assert [len(each["objects"]) for each in objects] == [2] * 4


def test_an_empty_folder(nnrun: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = nnrun("track", "mot", *spots().write(tmp_path), *EYES, *HEAD, tmp_path / "none")
    assert done.code == 4
    assert done.of("objects") == []
    assert "none" in done.stderr

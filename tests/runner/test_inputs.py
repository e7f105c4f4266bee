"""Where pictures come from: files, folders, lists and streams; classify and detect read alike."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.runner import pictures
from tests.runner.nets import Floats, identity, small
from tests.runner.outcome import Outcome, Run, assert_refused
from tests.runner.pictures import encode, noise, smooth

FIT = ["--fit", "stretch", "--size", "8"]
SHOWN = ["--precision", "fp32", "--activation", "none"]


def fed(nnrun_path: Path, stream: bytes, *args: object) -> Outcome:
    """What nnrun classify says of a stream."""
    line = [str(nnrun_path), "classify", *map(str, args)]
    done = subprocess.run(line, input=stream, capture_output=True, timeout=60, check=False)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def images(outcome: Outcome) -> list[str]:
    return [Path(line["image"]).name for line in outcome.of("classification")]


def test_a_folder_stands_for_its_pictures_by_name(nnrun: Run, tmp_path):
    shots = tmp_path / "shots"
    (shots / "deeper.jpg").mkdir(parents=True)
    for name in ("c.png", "A.JPG", "b.jpeg", "10.png", "9.png"):
        noise(9, 9).save(shots / name, "PNG" if name.endswith("png") else "JPEG")
    for name in ("notes.txt", ".hidden.txt", "jpg", ".png", "d.png.part"):
        (shots / name).write_text("no picture")
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, shots)
    assert images(outcome) == ["10.png", "9.png", "A.JPG", "b.jpeg", "c.png"]
    # Whoever names a folder so gets one line about it.
    assert [Path(line["image"]).name for line in outcome.of("error")] == ["deeper.jpg"]


def test_pictures_and_folders_in_the_order_asked_for(nnrun: Run, tmp_path):
    (tmp_path / "shots").mkdir()
    for name in ("z.png", "shots/b.png", "shots/a.png"):
        noise(9, 9).save(tmp_path / name)
    request = [tmp_path / "z.png", f"{tmp_path}/shots/", tmp_path / "z.png"]
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, *request)
    assert images(outcome) == ["z.png", "a.png", "b.png", "z.png"]
    result = [line["image"] for line in outcome.of("classification")]
    assert result[1] == f"{tmp_path}/shots/a.png"
    assert outcome.line("summary")["images"] == 4


def test_an_empty_folder_is_one_line(nnrun: Run, tmp_path):
    (tmp_path / "empty").mkdir()
    noise(9, 9).save(tmp_path / "a.png")
    paths = [tmp_path / "empty", tmp_path / "a.png"]
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, *paths)
    assert_refused(outcome, 4, "empty", "no .jpg")
    assert images(outcome) == ["a.png"]


def test_a_list(nnrun: Run, tmp_path):
    (tmp_path / "shots").mkdir()
    for name in ("z.png", "with space.png", "shots/b.png"):
        noise(9, 9).save(tmp_path / name)
    names = ["with space.png", "", "shots", "none.png", "z.png"]
    (tmp_path / "list.txt").write_text("\r\n".join(names) + "\r\n")
    flags = [*small().write(tmp_path), *FIT, "--list", "list.txt", "z.png"]
    outcome = nnrun("classify", *flags, cwd=tmp_path)
    assert images(outcome) == ["z.png", "with space.png", "b.png", "z.png"]
    assert outcome.line("error")["image"] == "none.png"
    assert outcome.line("summary").items() >= {"images": 5, "failed": 1}.items()


@pytest.mark.parametrize("text", [None, "", "\n\n"])
def test_a_list_of_nothing_is_exit_4(nnrun: Run, tmp_path, text):
    if text is not None:
        (tmp_path / "list.txt").write_text(text)
    flags = [*small().write(tmp_path), *FIT, "--list", tmp_path / "list.txt"]
    assert_refused(nnrun("classify", *flags), 4, "list.txt")


MISTAKES = {
    "nothing": ([], ["--list", "--stdin"]),
    "a stream and a picture": (["--stdin", "mjpeg", "a.png"], ["--stdin"]),
    "a stream and a list": (["--stdin", "mjpeg", "--list", "l"], ["--stdin"]),
    "a stream of films": (["--stdin", "h264"], ["--stdin", "mjpeg", "yuv420"]),
    "yuv without a size": (["--stdin", "yuv420"], ["--frame"]),
    "mjpeg with a size": (["--stdin", "mjpeg", "--frame", "8x8"], ["--frame"]),
    "pictures with a size": (["a.png", "--frame", "8x8"], ["--frame"]),
    "a size of three": (["--stdin", "yuv420", "--frame", "8x8x3"], ["--frame"]),
    "a size of nothing": (["--stdin", "yuv420", "--frame", "0x8"], ["--frame"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(nnrun: Run, tmp_path, name):
    flags, parts = MISTAKES[name]
    assert_refused(nnrun("classify", *small().write(tmp_path), *FIT, *flags), 2, *parts)


def test_frames_that_nobody_can_hold_are_refused(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), *FIT, "--stdin", "yuv420", "--frame", "20000x20000"]
    assert_refused(nnrun("classify", *flags), 4, "20000x20000", "100")


# MJPEG

JPEGS = [data for name, data in pictures.JPEGS.items() if "turned" not in name]
THUMBNAIL = encode(noise(8, 8), "JPEG")


def with_thumbnail(data: bytes) -> bytes:
    """A whole JPEG within a segment of the JPEG, as cameras write it."""
    length = (len(THUMBNAIL) + 2).to_bytes(2, "big")
    return data[:2] + b"\xff\xe2" + length + THUMBNAIL + data[2:]


# None of it may look like the start of a JPEG.
garbage = st.binary(max_size=40).filter(
    lambda data: b"\xff\xd8" not in data and data[-1:] != b"\xff"
)


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(
        st.tuples(garbage, st.sampled_from([*JPEGS, *map(with_thumbnail, JPEGS[:3])])), max_size=5
    ),
    end=garbage,
)
def test_frames_are_told_apart_whatever_lies_between(nnrun_path, tmp_path_factory, frames, end):
    folder = tmp_path_factory.mktemp("mjpeg")
    stream = b"".join(junk + frame for junk, frame in frames) + end
    flags = [*identity().write(folder), *SHOWN, "--save-outputs", folder, "--stdin", "mjpeg"]
    outcome = fed(nnrun_path, stream, *flags)
    assert outcome.code == 0, outcome
    result = outcome.of("classification")
    assert [line["frame"] for line in result] == list(range(len(frames)))
    for i, (_, frame) in enumerate(frames):
        (folder / "alone.jpg").write_bytes(frame)
        created = np.fromfile(folder / f"{i}.out0.f32", "<f4")
        with Image.open(folder / "alone.jpg") as picture:
            assert (result[i]["width"], result[i]["height"]) == picture.size
        assert np.array_equal(created, alone(nnrun_path, folder))
    assert outcome.line("summary").items() >= {"images": len(frames), "failed": 0}.items()


def alone(nnrun_path: Path, folder: Path) -> Floats:
    """What nnrun makes of alone.jpg as a file."""
    (folder / "one").mkdir(exist_ok=True)
    flags = [*identity().write(folder), *SHOWN, "--save-outputs", folder / "one"]
    assert fed(nnrun_path, b"", *flags, folder / "alone.jpg").code == 0
    result: Floats = np.fromfile(folder / "one" / "0.out0.f32", "<f4")
    return result


GOOD = encode(smooth(33, 21), "JPEG")
FLIPPED = GOOD[:20] + b"\x00" + GOOD[21:]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (GOOD[: len(GOOD) // 2], "broken"),  # within a segment
        (GOOD[:-20], "cut off"),
        (GOOD[:-2], "cut off"),
        (FLIPPED, "broken"),
        (b"\xff\xd8\xff\xd9", "JPEG"),
        (b"\xff\xd8\xff\xe0\x00\x01", "broken"),
        (b"\xff\xd8\xff\xff\xff\xd9", "JPEG"),
    ],
)
def test_a_broken_frame_is_one_line_and_the_next_one_is_whole(nnrun_path, tmp_path, bad, problem):
    flags = [*small().write(tmp_path), *FIT, "--stdin", "mjpeg"]
    outcome = fed(nnrun_path, GOOD + bad + GOOD * 2, *flags)
    assert outcome.code == 4
    (error,) = outcome.of("error")
    assert error["frame"] == 1
    assert error["error"].startswith("frame 1: ")
    assert problem in error["error"]
    assert [line["frame"] for line in outcome.of("classification")] == [0, 2, 3]
    assert outcome.line("summary").items() >= {"images": 4, "failed": 1}.items()
    assert outcome.stderr.count("\n") == 1


def test_a_stream_that_ends_within_a_frame(nnrun_path, tmp_path):
    flags = [*small().write(tmp_path), *FIT, "--stdin", "mjpeg"]
    outcome = fed(nnrun_path, GOOD + GOOD[:-30], *flags)
    assert outcome.code == 4
    assert len(outcome.of("classification")) == 1
    assert "ends within" in outcome.line("error")["error"]


@pytest.mark.parametrize("stream", [b"", b"\xff", b"\xff\xd8", b"no picture at all" * 10_000])
def test_a_stream_without_a_frame(nnrun_path, tmp_path, stream):
    outcome = fed(nnrun_path, stream, *small().write(tmp_path), *FIT, "--stdin", "mjpeg")
    assert outcome.code == 0
    assert outcome.line("summary").items() >= {"images": 0, "failed": 0}.items()


def test_a_folder_as_standard_input_is_one_line(nnrun_path, tmp_path):
    line = [str(nnrun_path), "classify", *small().write(tmp_path), *FIT, "--stdin", "mjpeg"]
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        done = subprocess.run(line, stdin=folder, capture_output=True, timeout=60, check=False)
    finally:
        os.close(folder)
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert_refused(outcome, 4, "standard input", os.strerror(21))


def test_each_frame_is_told_as_soon_as_it_is_there(nnrun_path, tmp_path):
    """A camera goes on for ever; a signal ends it with whole lines only."""
    line = [str(nnrun_path), "classify", *small().write(tmp_path), *FIT, "--stdin", "mjpeg"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for i in range(3):
            running.stdin.write(GOOD)
            running.stdin.flush()
            kinds = [b'"header"', b'"load"'] if i == 0 else []
            for kind in [*kinds, f'"frame":{i}'.encode()]:
                assert kind in running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        assert running.stdout.read() == b""
        assert running.wait(30) == 128 + signal.SIGTERM


# I420


def rgb_of(planes: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """BT.601 in full range with libjpeg's fixed point, each chroma sample for its two by two."""
    columns, rows = (width + 1) // 2, (height + 1) // 2
    parts = np.split(
        np.frombuffer(planes, np.uint8).astype(int),
        [width * height, width * height + columns * rows],
    )
    luma = parts[0].reshape(height, width)
    blue, red = (
        np.repeat(np.repeat(part.reshape(rows, columns) - 128, 2, 0), 2, 1)[:height, :width]
        for part in parts[1:]
    )
    fixed = {factor: int(factor * 65536 + 0.5) for factor in (1.402, 0.34414, 0.71414, 1.772)}
    levels = [
        luma + ((fixed[1.402] * red + 32768) >> 16),
        luma + ((-fixed[0.34414] * blue - fixed[0.71414] * red + 32768) >> 16),
        luma + ((fixed[1.772] * blue + 32768) >> 16),
    ]
    result: NDArray[np.uint8] = np.clip(np.stack(levels, axis=-1), 0, 255).astype(np.uint8)
    return result


def i420(count: int, width: int, height: int, seed: int) -> list[bytes]:
    size = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    return [np.random.default_rng((seed, i)).bytes(size) for i in range(count)]


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 40), count=st.integers(0, 3))
def test_raw_frames_become_these_levels(nnrun_path, tmp_path_factory, width, height, count):
    folder = tmp_path_factory.mktemp("yuv")
    frames = i420(count, width, height, 4)
    flags = [*identity().write(folder), *SHOWN, "--save-outputs", folder]
    stream = ["--stdin", "yuv420", "--frame", f"{width}x{height}"]
    outcome = fed(nnrun_path, b"".join(frames), *flags, *stream)
    assert outcome.code == 0, outcome
    assert [line["frame"] for line in outcome.of("classification")] == list(range(count))
    for i, frame in enumerate(frames):
        result = np.fromfile(folder / f"{i}.out0.f32", "<f4").reshape(3, height, width)
        assert np.array_equal(result.transpose(1, 2, 0), rgb_of(frame, width, height))


def test_the_matrix_is_that_of_jpeg():
    """To within the rounding of Pillow's own tables."""
    (frame,) = i420(1, 64, 48, 9)
    result = rgb_of(frame, 64, 48).astype(int)
    planes = np.split(np.frombuffer(frame, np.uint8), [64 * 48, 64 * 48 + 32 * 24])
    luma = Image.fromarray(planes[0].reshape(48, 64))
    small_ones = [Image.fromarray(part.reshape(24, 32)) for part in planes[1:]]
    chroma = [part.resize((64, 48), Image.Resampling.NEAREST) for part in small_ones]
    expected = np.asarray(Image.merge("YCbCr", [luma, *chroma]).convert("RGB")).astype(int)
    assert abs(result - expected).max() <= 1


def test_half_a_raw_frame_at_the_end_is_one_line(nnrun_path, tmp_path):
    stream = b"".join(i420(2, 16, 8, 1))[:-1]
    flags = [*small().write(tmp_path), *FIT, "--stdin", "yuv420", "--frame", "16x8"]
    outcome = fed(nnrun_path, stream, *flags)
    assert outcome.code == 4
    assert len(outcome.of("classification")) == 1
    assert "--frame" in outcome.line("error")["error"]


def test_a_segment_full_of_starts_is_not_read_for_each_of_them(nnrun_path: Path, tmp_path):
    """Eight broken frames in a row are looked through for the start of the next one."""
    starts = b"\xff\xd8\xff\xe0\xff\xff" * 20_000
    good = encode(noise(8, 8), "JPEG")
    flags = [*small().write(tmp_path), *FIT, "--stdin", "mjpeg"]
    outcome = fed(nnrun_path, starts + good, *flags)
    assert outcome.code == 4
    assert len(outcome.of("error")) < 20
    alone = fed(nnrun_path, good + starts[:30] + good, *flags)
    assert len(alone.of("classification")) == 2

"""What --input names beside pictures: films, cameras, devices, streams; no password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.core.text import mask_secrets
from piyard.predict.sources import Source, find_source


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("0", "/dev/video0"),
        ("12", "/dev/video12"),
        ("/dev/video2", "/dev/video2"),
        ("/dev/v4l/by-id/usb-046d_C270-index0", "/dev/v4l/by-id/usb-046d_C270-index0"),
    ],
)
def test_a_device_is_the_boards(
    text: str, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_source(text) == Source(kind="device", location=device)


@pytest.mark.parametrize("text", ["/dev/null", "/dev/video0/../mem", "/dev/video", "a.jpg", "007"])
def test_what_is_no_device_and_no_film(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_source(text) is None


def test_a_folder_named_by_a_number_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert find_source("0") is None


@pytest.mark.parametrize("suffix", ["mp4", "MKV", "webm", "avi", "mov", "mjpeg"])
def test_a_film_is_known_by_its_suffix(suffix: str, tmp_path: Path) -> None:
    film = tmp_path / f"a.{suffix}"
    film.touch()
    assert find_source(str(film)) == Source(kind="film", location=str(film))
    assert find_source(str(tmp_path / f"none.{suffix}")) is None


STREAMS = {
    "rtsp://cam/live": True,
    "RTSPS://cam:322/live": True,
    "http://cam/a.mjpg": True,
    "https://cam/a.mp4?b=c": True,
    "http://cam/list.m3u8": True,
    "http://cam/?action=stream": None,
    "http://cam/a.jpg": False,
    "http://cam/a.PNG?x=.mp4": False,
}
"""Whether it is a stream; None where only --decode or --preview say so."""


@pytest.mark.parametrize("url", STREAMS)
def test_streams_and_pictures_of_the_network(url: str) -> None:
    source = Source(kind="stream", location=url)
    assert find_source(url) == (source if STREAMS[url] else None)
    assert find_source(url, as_stream=True) == (None if STREAMS[url] is False else source)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://me:s3cret@cam/a.mp4", "streams of ftp:// are not read"),
        ("file:///etc/passwd", "streams of file://"),
        ("concat://a", "streams of concat://"),
        ("rtsp:///live", "is not a URL"),
        ("rtsp://cam:99999/live", "is not a URL"),
        ("rtsp://me:s3cret@cam/a b", "is not a URL"),
        ("rtsp://cam/\x1b[31m", "is not a URL"),
        ("rtsp://cam/a\\ ! filesink", "is not a URL"),
        ("rtsp://[::1", "is not a URL"),
        ("rtsp://me:s3cret/x@cam/a", "is not a URL"),
    ],
)
def test_what_is_no_stream_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(WrongInput) as error:
        find_source(url)
    assert words in error.value.what
    assert "s3cret" not in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("rtsp://admin:pw@cam/live", "rtsp://admin:***@cam/live"),
        ("rtsp://admin:p@w:x@cam/live", "rtsp://admin:***@cam/live"),
        ("rtsp://token@cam/live", "rtsp://***@cam/live"),
        ("rtsp://cam/live?channel=1", "rtsp://cam/live?channel=1"),
        ("http://c/a?user=me&pwd=x&n=1#f", "http://c/a?user=me&pwd=***&n=1#f"),
        ("http://c/a?access_Token=x", "http://c/a?access_Token=***"),
        ("no url: me@host.example", "no url: me@host.example"),
    ],
)
def test_passwords_are_masked(url: str, masked: str) -> None:
    assert mask_secrets(url) == masked
    assert mask_secrets(f"cannot open {url} now") == f"cannot open {masked} now"


@given(user=st.text("abcXYZ09.-_%"), secret=st.text("abcXYZ09@:?=&%!", min_size=1, max_size=12))
def test_no_part_of_a_password_is_left(user: str, secret: str) -> None:
    assert mask_secrets(f"rtsp://{user}:{secret}@camera.example/a") == (
        f"rtsp://{user}:***@camera.example/a"
    )


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("rtsp://127.0.0.1:8554/a", True),
        ("http://localhost/a.mjpg", True),
        ("rtsp://[::1]/a", True),
        ("rtsp://cam/a", False),
        ("rtsp://192.168.1.7/a", False),
    ],
)
def test_the_loopback_is_this_machine(url: str, here: bool) -> None:
    assert Source(kind="stream", location=url).is_of_this_machine == here
    assert not Source(kind="film", location=url).is_of_this_machine


def test_titles_are_for_people() -> None:
    assert Source(kind="stream", location="rtsp://me:pw@cam/a").title == "rtsp://me:***@cam/a"
    assert Source(kind="film", location="/x/y/clip.mp4").title == "clip.mp4"
    assert Source(kind="camera").title == "the camera"
    assert Source(kind="device", location="/dev/video1").title == "/dev/video1"

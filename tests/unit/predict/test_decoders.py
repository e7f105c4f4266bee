"""Who decodes what moves, and its command line; the real ffmpeg reads no file it was not given."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from piyard.core.errors import NotSetUp, PiyardError, SourceFailed, WrongBoard, WrongInput
from piyard.predict.decoders import (
    GSTREAMER,
    Decoder,
    Place,
    choose_decoder,
    decoder_argv,
    describe_decoding,
    device_probe_argv,
    ffmpeg_argv,
    gives_jpegs,
)
from piyard.predict.sources import Source

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(
    not FFMPEG, reason="no ffmpeg is installed: apt-get install ffmpeg"
)

FILM = Source(kind="film", location="/x/a.mp4")
STREAM = Source(kind="stream", location="rtsp://me:pw@cam/live")
HERE = Source(kind="stream", location="rtsp://127.0.0.1/live")
DEVICE = Source(kind="device", location="/dev/video0")
CAMERA = Source(kind="camera")
BOTH = "ffmpeg gst-launch-1.0"


@pytest.fixture
def with_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").touch(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))


SENT = "decoded here by ffmpeg, the frames are sent to the board"


@pytest.mark.parametrize(
    ("source", "place", "programs", "expected"),
    [
        (STREAM, None, BOTH.split(), "decoded on the board by ffmpeg"),
        (STREAM, None, [GSTREAMER], "decoded on the board by GStreamer"),
        (STREAM, None, [], SENT),
        (
            STREAM,
            None,
            None,
            "decoded on the board where it has ffmpeg or GStreamer, else here by ffmpeg",
        ),
        (STREAM, "board", None, "decoded on the board by ffmpeg or GStreamer"),
        (STREAM, "here", None, SENT),
        (HERE, None, None, SENT),
        (DEVICE, None, None, "decoded on the board by ffmpeg or GStreamer"),
        (CAMERA, None, None, "decoded on the board by rpicam-vid or libcamera-vid"),
        (Source(kind="film", location="a.mjpeg"), None, None, "read by nnrun itself"),
    ],
)
@pytest.mark.usefixtures("with_ffmpeg")
def test_where_it_would_be_decoded_is_said_before(
    source: Source, place: Place | None, programs: list[str] | None, expected: str
) -> None:
    assert describe_decoding(source, place, "pi5", programs) == expected


@pytest.mark.parametrize(
    ("source", "place", "programs", "expected"),
    [
        (FILM, None, BOTH, "board ffmpeg"),
        (FILM, None, "gst-launch-1.0", "board gst-launch-1.0"),
        (FILM, None, "", "here ffmpeg"),
        (FILM, "here", BOTH, "here ffmpeg"),
        (STREAM, None, "ffmpeg", "board ffmpeg"),
        (STREAM, None, "", "here ffmpeg"),
        (HERE, None, BOTH, "here ffmpeg"),
        (HERE, "board", BOTH, "board ffmpeg"),
        (DEVICE, None, BOTH, "board ffmpeg"),
        (CAMERA, "board", "libcamera-vid ffmpeg", "board libcamera-vid"),
        (CAMERA, None, "rpicam-vid libcamera-vid", "board rpicam-vid"),
    ],
)
@pytest.mark.usefixtures("with_ffmpeg")
def test_the_board_decodes_where_it_can(
    source: Source, place: Place | None, programs: str, expected: str
) -> None:
    decoder = choose_decoder(source, place, "pi5", programs.split())
    assert f"{decoder.place} {decoder.program}" == expected


@pytest.mark.parametrize(
    ("source", "place", "kind", "words"),
    [
        (FILM, None, NotSetUp, "neither pi5 nor this machine"),
        (STREAM, None, NotSetUp, "decodes rtsp://me:***@cam/live"),
        (STREAM, "here", NotSetUp, "ffmpeg is needed to read rtsp://me:***@cam/live"),
        (STREAM, "board", WrongBoard, "pi5 has neither ffmpeg nor GStreamer"),
        (DEVICE, None, WrongBoard, "to read /dev/video0"),
        (DEVICE, "here", WrongInput, "/dev/video0 is the board's"),
        (CAMERA, "here", WrongInput, "the camera is the board's"),
        (CAMERA, None, WrongBoard, "pi5 has no rpicam-vid"),
    ],
)
def test_where_nobody_can_it_is_said_with_the_way_out(
    source: Source,
    place: Place | None,
    kind: type[PiyardError],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(kind) as error:
        choose_decoder(source, place, "pi5", [])
    assert words in error.value.what
    assert "apt install" in error.value.remedy or "leave out" in error.value.remedy


def after(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_a_stream_is_read_over_tcp_and_by_these_protocols_alone() -> None:
    argv = decoder_argv("ffmpeg", STREAM)
    assert after(argv, "-rtsp_transport") == "tcp"
    assert after(argv, "-i") == "rtsp://me:pw@cam/live"
    assert "file" not in after(argv, "-protocol_whitelist").split(",")
    assert argv.index("-protocol_whitelist") < argv.index("-i")
    web = decoder_argv("ffmpeg", Source(kind="stream", location="http://cam/a.m3u8"))
    assert "file" not in after(web, "-protocol_whitelist").split(",")
    assert "-rtsp_transport" not in web


def test_a_camera_that_gives_jpegs_is_not_encoded_again() -> None:
    copied = decoder_argv("ffmpeg", DEVICE, copies=True)
    assert after(copied, "-f") == "v4l2"
    assert after(copied, "-input_format") == "mjpeg"
    assert after(copied, "-video_size") == "1280x720"
    assert after(copied, "-i") == "/dev/video0"
    assert after(copied, "-c:v") == "copy"
    raw = decoder_argv("ffmpeg", DEVICE)
    assert "-input_format" not in raw
    assert "-c:v" not in raw


LISTING = """[video4linux2,v4l2 @ 0x55] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480
[video4linux2,v4l2 @ 0x55] Compressed:       mjpeg :          Motion-JPEG : 640x480 1280x720
/dev/video0: Immediate exit requested"""


def test_the_list_of_a_devices_formats() -> None:
    assert device_probe_argv("/dev/video0")[-2:] == ["-i", "/dev/video0"]
    assert gives_jpegs("/dev/video0", "pi5", LISTING)
    assert not gives_jpegs("/dev/video0", "pi5", LISTING.splitlines()[0])
    with pytest.raises(SourceFailed, match="pi5: /dev/video0 gives no picture") as error:
        gives_jpegs("/dev/video0", "pi5", "/dev/video0: No such file or directory")
    assert "No such file" in error.value.evidence
    assert error.value.code == 21


@pytest.mark.parametrize(
    ("source", "element"),
    [
        (FILM, "filesrc location=/x/a.mp4"),
        (STREAM, "rtspsrc location=rtsp://me:pw@cam/live protocols=tcp latency=200"),
        (Source(kind="stream", location="http://cam/a"), "souphttpsrc location=http://cam/a"),
        (DEVICE, "v4l2src device=/dev/video0"),
    ],
)
def test_gstreamers_line(source: Source, element: str) -> None:
    line = " ".join(decoder_argv(GSTREAMER, source))
    assert f" -q {element}" in line
    assert line.endswith("! fdsink fd=1 sync=false")
    assert "hlsdemux:NONE" in line
    assert ("videoscale" in line) == source.is_live


def test_what_is_said_of_the_place() -> None:
    assert Decoder(place="board", program=GSTREAMER).title == "decoded on the board by GStreamer"
    assert Decoder(place="here", program="ffmpeg").title.startswith("decoded here by ffmpeg")


def make(film: Path, *options: str) -> Path:
    """A film of 10 frames of 64 x 48."""
    source = "testsrc=size=64x48:rate=10:duration=1"
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, *options, str(film)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return film


def decoded(source: Source, location: str, **options: int) -> tuple[int, bytes, str]:
    done = subprocess.run(
        ffmpeg_argv(source, location, frames=options.get("frames")),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mov", "webm"])
def test_a_real_film_gives_each_of_its_frames_once(suffix: str, tmp_path: Path) -> None:
    film = make(tmp_path / f"a: b.{suffix}")
    source = Source(kind="film", location=str(film))
    code, frames, said = decoded(source, str(film))
    assert (code, said) == (0, "")
    assert frames.count(b"\xff\xd8\xff") == 10
    assert decoded(source, str(film), frames=3)[1].count(b"\xff\xd8\xff") == 3


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{secret}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 26\n",
}


@needs_ffmpeg
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8.mp4", "a.mkv"])
def test_a_playlist_that_is_called_a_film_reads_nothing(
    kind: str, name: str, tmp_path: Path
) -> None:
    secret = make(tmp_path / "secret.mp4")
    film = tmp_path / name
    film.write_text(PLAYLISTS[kind].format(secret=secret))
    code, frames, _ = decoded(Source(kind="film", location=str(film)), str(film))
    assert code
    assert frames == b""

"""Cameras and streams on a board, by a real ffmpeg and through SSH: seen live, and ended."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from piyard.run.run_folders import list_runs, read_record
from tests.support import live_board, rtsp_server
from tests.support.live_board import LiveBoard
from tests.support.rtsp_server import RtspServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LOGIN, SECRET = "admin:s3cret", "s3cret"
SIZE = "320x240"

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("own_folders"),
    pytest.mark.skipif(
        not shutil.which("ffmpeg"), reason="no ffmpeg is installed: apt-get install ffmpeg"
    ),
]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LiveBoard]:
    live_board.prepared()
    with live_board.running(tmp_path) as running:
        yield running


@pytest.fixture
def camera() -> Iterator[RtspServer]:
    """A network camera that wants a password."""
    with rtsp_server.serving(LOGIN) as server:
        yield server


@contextmanager
def publishing(server: RtspServer, seconds: int = 900) -> Iterator[None]:
    """ffmpeg sends the server a stream of so many seconds."""
    words = f"-f rtsp -rtsp_transport tcp {server.url()}"
    with ffmpeg(seconds, "-c:v", "mpeg4", "-g", "5", *words.split()):
        server.await_stream()
        yield


@contextmanager
def ffmpeg(seconds: int, *output: str) -> Iterator[subprocess.Popen[bytes]]:
    source = f"testsrc=size={SIZE}:rate=10:duration={seconds}"
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", source, *output]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.kill()


def stored_text() -> str:
    """All that piyard keeps of its runs."""
    files = [path for folder in list_runs() for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_text(errors="replace") for path in files)


@pytest.mark.parametrize("place", ["board", "here"])
def test_a_stream_is_seen_frame_by_frame(place: str, board: LiveBoard, camera: RtspServer) -> None:
    flags = ("--decode", place, "--frames", "12", "--format", "json")
    with publishing(camera), board.running("--input", camera.url(LOGIN), *flags) as program:
        assert program.wait() == 0, program.err.text
    *frames, summary = [json.loads(line) for line in program.out.lines]
    assert [line["frame"] for line in frames] == list(range(12))
    assert {line["board"] for line in frames} == {live_board.NAME}
    assert {(line["width"], line["height"]) for line in frames} == {(320, 240)}
    assert {each["label"] for line in frames for each in line["objects"]} == {"person"}
    assert summary["type"] == "summary"
    assert (summary["frames"], summary["failed"]) == (12, 0)
    assert summary["dropped"] >= frames[-1]["dropped"]
    assert f"decoded {'on the board' if place == 'board' else 'here'} by ffmpeg" in program.err.text
    assert SECRET not in program.out.text + program.err.text + stored_text()
    (run,) = list_runs()
    assert (run / "drawn.mjpeg").read_bytes().count(b"\xff\xd8\xff") == 12


def test_the_preview_is_seen_in_a_browser_and_ctrl_c_ends_the_run(
    board: LiveBoard, camera: RtspServer
) -> None:
    flags = ("--input", camera.url(LOGIN), "--preview", "--decode", "board")
    with publishing(camera), board.running(*flags) as program:
        errors = program.err.await_line(lambda line: "look at http://127.0.0.1:" in line)
        page = re.findall(r"http://127\.0\.0\.1:\d+/", errors)[0]
        program.out.await_line(lambda line: "1 person" in line)
        if CHROMIUM:
            look_in_chromium(page)
        with urllib.request.urlopen(f"{page}stream", timeout=60) as stream:
            assert stream.read(40).startswith(b"--frame\r\nContent-Type: image/jpeg")
        assert board.sshd.tunnels > 1
        program.interrupt()
        assert program.wait() == 130, program.err.text
    assert "stopped by Ctrl-C" in program.err.text
    assert "Traceback" not in program.err.text
    assert all(len(line) <= 80 for line in program.out.lines)
    assert re.search(r"^cam +person +\d+ +1 +1\.000$", program.out.text, re.MULTILINE)
    (run,) = list_runs()
    record = read_record(run)
    assert (record.state, record.what.live) == ("cancelled", True)
    assert not (run / "drawn.mjpeg").exists()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page, timeout=10)
    assert SECRET not in program.err.text + stored_text()


def look_in_chromium(url: str) -> None:
    """The page shows frames that move, and what is seen in them."""
    from playwright.sync_api import expect, sync_playwright

    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda said: trouble.append(said.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(url, wait_until="commit")
        expect(page).to_have_title(f"{live_board.MODEL} on {live_board.NAME}", timeout=60_000)
        expect(page.locator("#seen")).to_have_text("1 person", timeout=60_000)
        expect(page.locator("#state")).to_contain_text("frames a second", timeout=60_000)
        picture = page.locator("#picture")
        expect(picture).to_have_js_property("naturalWidth", 320, timeout=60_000)
        first = picture.screenshot(timeout=60_000)
        for _ in range(100):
            page.wait_for_timeout(100)
            if picture.screenshot(timeout=60_000) != first:
                break
        else:
            raise AssertionError("the picture stands still")
        browser.close()
    assert not trouble


@pytest.mark.parametrize("place", ["board", "here"])
def test_a_stream_that_ends_is_said_in_one_line(
    place: str, board: LiveBoard, tmp_path: Path
) -> None:
    """An HTTP server that serves once, as ffmpeg's own does."""
    url = f"http://127.0.0.1:{free_port()}/feed.mjpg"
    serving = ffmpeg(3, "-f", "mpjpeg", "-listen", "1", url)
    with serving, board.running("--input", url, "--decode", place) as program:
        assert program.wait() == 0, program.err.text
    ended = re.search(r"the stream ended after (\d+) frames?$", program.err.text, re.MULTILINE)
    assert ended, program.err.text
    assert int(ended[1]) > 5
    assert re.search(rf"^cam +person +{ended[1]} ", program.out.text, re.MULTILINE)
    (run,) = list_runs()
    assert read_record(run).state == "ended"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize("place", ["board", "here"])
def test_a_stream_that_never_gives_a_frame(place: str, board: LiveBoard) -> None:
    url = f"rtsp://{LOGIN}@127.0.0.1:{free_port()}/live"
    with board.running("--input", url, "--decode", place) as program:
        assert program.wait() == 21
    assert "gave no frame" in program.err.text
    assert "Connection refused" in program.err.text
    assert SECRET not in program.err.text + program.out.text + stored_text()
    assert not program.out.text


def test_a_wrong_password_is_said_and_not_shown(board: LiveBoard, camera: RtspServer) -> None:
    with publishing(camera):
        flags = ("--input", camera.url("admin:wr0ng"), "--decode", "here")
        with board.running(*flags) as program:
            assert program.wait() == 21
    assert "401 Unauthorized" in program.err.text
    assert "wr0ng" not in program.err.text


def test_a_film_travels_as_it_is_and_every_frame_is_seen(board: LiveBoard, tmp_path: Path) -> None:
    film = tmp_path / "clip.webm"
    source = f"testsrc=size={SIZE}:rate=10:duration=2"
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, str(film)]
    subprocess.run(argv, check=True, timeout=120)
    with board.running("--input", str(film), "--format", "json") as program:
        assert program.wait() == 0, program.err.text
    rows = json.loads(program.out.text)
    assert [row["Picture"] for row in rows] == [f"clip.webm, frame {n}" for n in range(20)]
    assert "clip.webm is decoded on the board by ffmpeg" in program.err.text


def test_the_boards_camera_is_asked_for_jpegs(
    board: LiveBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for ffmpeg with a USB camera: there is none on this machine."""
    tools = tmp_path / "tools"
    tools.mkdir()
    real = shutil.which("ffmpeg")
    (tools / "ffmpeg").write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*list_formats*) echo '[v4l2] Compressed:  mjpeg : Motion-JPEG : 1280x720' >&2; exit 1 ;;\n"
        "esac\n"
        f'printf "%s\\n" "$@" > {tools}/asked\n'
        f"exec {real} -v error -f lavfi -i testsrc=size={SIZE}:duration=1 -f mjpeg pipe:1\n"
    )
    (tools / "ffmpeg").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with board.running("--input", "0") as program:
        assert program.wait() == 0, program.err.text
    request = (tools / "asked").read_text().split()
    assert request[request.index("-f") + 1] == "v4l2"
    assert request[request.index("-i") + 1] == "/dev/video0"
    assert request[request.index("-input_format") + 1] == "mjpeg"
    assert request[request.index("-c:v") + 1] == "copy"
    assert "the stream ended after" in program.err.text


def test_a_board_that_allows_no_tunnel_says_so_and_goes_on(
    board: LiveBoard, camera: RtspServer
) -> None:
    board.sshd.allows_tunnels = False
    flags = ("--input", camera.url(LOGIN), "--preview", "--frames", "5")
    with publishing(camera), board.running(*flags) as program:
        assert program.wait() == 0, program.err.text
    assert "no preview: cam opens no tunnel" in program.err.text
    assert "AllowTcpForwarding" in program.err.text

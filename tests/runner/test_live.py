"""A live stream: its newest frames, the end of it, and the page that shows it in a browser."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.runner.nets import small
from tests.runner.outcome import Outcome, Run, assert_refused
from tests.runner.pictures import encode, smooth

FIT = ["--fit", "stretch", "--size", "8"]
GOOD = encode(smooth(64, 48), "JPEG")


class Live:
    """nnrun that reads a live stream, which the test writes."""

    def __init__(self, running: subprocess.Popen[bytes]) -> None:
        self._running = running

    def feed(self, data: bytes) -> None:
        assert self._running.stdin
        self._running.stdin.write(data)
        self._running.stdin.flush()

    def line(self, kind: str) -> dict[str, Any]:
        """The next line of that type."""
        assert self._running.stdout
        for text in self._running.stdout:
            line: dict[str, Any] = json.loads(text)
            if line["type"] == kind:
                return line
        raise AssertionError(kind)

    def end(self) -> Outcome:
        out, err = self._running.communicate(timeout=60)
        return Outcome(self._running.returncode, out.decode(), err.decode())


@contextmanager
def live(
    nnrun_path: Path, folder: Path, *flags: object, silence: float = 60, verb: str = "classify"
) -> Iterator[Live]:
    line = [nnrun_path, verb, *small().write(folder), *FIT, "--stdin", "mjpeg"]
    words = [str(word) for word in (*line, "--latest", silence, *flags)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            yield Live(running)
        finally:
            running.kill()


def test_late_frames_are_dropped_counted_and_never_decoded(nnrun_path, tmp_path):
    """All of them lie in the pipe before the net is loaded: the newest is seen, whole ones count.

    Those that are broken inside are not noticed, as nobody decodes them.
    """
    stale = GOOD[:-40] + b"\0" * 38 + GOOD[-2:]
    with live(nnrun_path, tmp_path) as stream:
        stream.feed(stale * 6 + GOOD)
        outcome = stream.end()
    assert outcome.code == 0, outcome
    summary = outcome.line("summary")
    assert summary["images"] + summary["dropped"] == 7
    assert summary["dropped"] >= 1
    assert summary["stopped"] == "end"
    last = outcome.of("classification")[-1]
    assert last["frame"] == summary["images"] - 1
    assert last["dropped"] == summary["dropped"]


def test_frames_that_come_one_by_one_are_all_seen(nnrun_path, tmp_path):
    with live(nnrun_path, tmp_path) as stream:
        times = []
        for number in range(4):
            stream.feed(GOOD)
            line = stream.line("classification")
            assert (line["frame"], line["dropped"]) == (number, 0)
            times.append(line["at"])
        assert times == sorted(times)
        assert stream.end().line("summary").items() >= {"images": 4, "dropped": 0}.items()


def test_a_stream_that_falls_silent_has_ended(nnrun_path, tmp_path):
    with live(nnrun_path, tmp_path, silence=0.3) as stream:
        stream.feed(GOOD)
        assert stream.line("classification")["frame"] == 0
        assert stream.line("summary").items() >= {"images": 1, "stopped": "silent"}.items()


def test_it_ends_after_as_many_frames_as_were_asked_for(nnrun_path, tmp_path):
    with live(nnrun_path, tmp_path, "--stop-after", 2) as stream:
        for number in range(2):
            stream.feed(GOOD)
            assert stream.line("classification")["frame"] == number
        assert stream.line("summary").items() >= {"images": 2, "stopped": "count"}.items()


def test_pictures_are_bounded_too(nnrun: Run, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        smooth(9, 9).save(tmp_path / name)
    outcome = nnrun("classify", *small().write(tmp_path), *FIT, "--stop-after", 2, tmp_path)
    assert len(outcome.of("classification")) == 2
    assert "dropped" not in outcome.line("summary")


def test_a_broken_frame_of_a_live_stream_is_one_line(nnrun_path, tmp_path):
    with live(nnrun_path, tmp_path) as stream:
        stream.feed(GOOD[: len(GOOD) // 2] + GOOD[:2] + b"\xff")
        assert stream.line("error")["frame"] == 0
        stream.feed(GOOD)
        assert stream.end().code == 4


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--stdin", "yuv420", "--frame", "8x8", "--latest", "5"], "--latest"),
        (["--latest", "5", "a.png"], "--latest"),
        (["--stdin", "mjpeg", "--latest", "0"], "--latest"),
        (["--stdin", "mjpeg", "--stop-after", "0"], "--stop-after"),
        (["--stdin", "mjpeg", "--preview", "65536"], "--preview"),
        (["--stdin", "mjpeg", "--preview-title", "a"], "--preview"),
    ],
)
def test_a_mistake_is_one_line(nnrun: Run, tmp_path, flags, part):
    assert_refused(nnrun("classify", *small().write(tmp_path), *FIT, *flags), 2, part)


# The page


def get(port: int, path: str, host: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def state(port: int, frames: int) -> dict[str, Any]:
    """What the page says once it has counted so many frames."""
    deadline = time.monotonic() + 60
    while True:
        with suppress(OSError):
            content: dict[str, Any] = json.loads(get(port, "/state")[1])
            if content["frames"] >= frames:
                return content
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_browser_sees_the_page_and_the_frames(nnrun_path, tmp_path):
    title = 'a "page" <b>'
    with live(nnrun_path, tmp_path, "--preview", 0, "--preview-title", title) as stream:
        port = stream.line("preview")["port"]
        code, page = get(port, "/")
        assert code == 200
        assert b'<img id="picture"' in page
        assert get(port, "/preview.js")[0] == 200
        stream.feed(GOOD)
        result = state(port, 1)
        assert result.items() >= {"title": title, "frames": 1, "dropped": 0}.items()
        assert result["seen"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/stream", timeout=30) as pictures:
            kind = pictures.headers["Content-Type"]
            assert kind == "multipart/x-mixed-replace; boundary=frame"
            for _ in range(2):
                stream.feed(GOOD)
                with Image.open(part(pictures)) as shown:
                    assert shown.size == (64, 48)
                    corner = np.asarray(shown)[:6, :6]
                assert np.median(corner) < 60  # the title's ground
        assert stream.end().code == 0


def part(stream: Any) -> io.BytesIO:
    """The next picture of a multipart stream."""
    assert stream.readline() == b"--frame\r\n"
    assert stream.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(stream.readline().split(b":")[1])
    assert stream.readline() == b"\r\n"
    body = stream.read(length)
    assert stream.readline() == b"\r\n"
    return io.BytesIO(body)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:80"])
def test_another_sites_name_is_refused(nnrun_path, tmp_path, host):
    with live(nnrun_path, tmp_path, "--preview", 0) as stream:
        port = stream.line("preview")["port"]
        for path in ("/", "/stream", "/state"):
            assert get(port, path, host)[0] == 403
        assert get(port, "/", f"localhost:{port}")[0] == 200
        assert get(port, "/../etc/passwd")[0] == 404


def test_only_the_loopback_listens(nnrun_path, tmp_path):
    with live(nnrun_path, tmp_path, "--preview", 0) as stream:
        port = stream.line("preview")["port"]
        tcp = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        bound = {line.split()[1] for line in tcp.splitlines() if f":{port:04X} " in line}
        assert {address for address in bound if not address.startswith("0100007F")} == set()
        assert bound


def test_nonsense_from_a_browser_harms_nobody(nnrun_path, tmp_path):
    with live(nnrun_path, tmp_path, "--preview", 0) as stream:
        port = stream.line("preview")["port"]
        for nonsense in (b"\0" * 20_000, b"POST / HTTP/1.1\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                client.sendall(nonsense)
        held = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(40)]
        stream.feed(GOOD)
        assert stream.line("classification")["frame"] == 0
        for client in held:
            client.close()
        assert state(port, 1)["frames"] == 1
        assert stream.end().code == 0


def test_a_port_that_is_taken_is_one_line(nnrun: Run, tmp_path):
    smooth(9, 9).save(tmp_path / "a.png")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [*small().write(tmp_path), *FIT, "--preview", port, tmp_path / "a.png"]
        assert_refused(nnrun("classify", *words), 5, "--preview", str(port))

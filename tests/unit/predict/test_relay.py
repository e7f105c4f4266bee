"""Frames that are decoded here: taken apart, the newest one sent, and the end of all that."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.ssh.commands import script_text
from piyard.core.errors import UnreadableLog
from piyard.predict.relay import NewestFrame, Relay, read_parts
from tests.support import local_runs
from tests.support.local_board import LocalBoard, new_board


def part(body: bytes) -> bytes:
    """As ffmpeg's mpjpeg writes it."""
    head = f"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n"


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6))
def test_parts_are_told_apart_by_their_length(bodies: list[bytes]) -> None:
    stream = b"".join(map(part, bodies))
    assert list(read_parts(io.BytesIO(stream))) == bodies


@given(st.binary(max_size=400))
def test_nonsense_gives_no_frame_or_one_error(data: bytes) -> None:
    try:
        for frame in read_parts(io.BytesIO(data)):
            assert frame
    except UnreadableLog:
        pass


@pytest.mark.parametrize("length", ["0", "-1", "x", "", "99999999999", "٣"])
def test_an_impossible_length_is_an_error(length: str) -> None:
    data = f"Content-length: {length}\r\n\r\nabc".encode()
    with pytest.raises(UnreadableLog):
        list(read_parts(io.BytesIO(data)))


def test_a_part_that_is_cut_off_is_none() -> None:
    assert list(read_parts(io.BytesIO(part(b"whole") + part(b"cut off")[:-6]))) == [b"whole"]


def test_only_the_newest_frame_is_handed_on_and_the_others_are_counted() -> None:
    newest = NewestFrame()
    for number in range(5):
        newest.put(b"%d" % number)
    assert newest.take(60) == b"4"
    assert newest.dropped == 4
    assert newest.take(0.01) is None
    threading.Timer(0.05, newest.put, [b"late"]).start()
    assert newest.take(60) == b"late"
    newest.end()
    assert newest.take(60) is None


DECODER = """
import sys, time
for number in range(int(sys.argv[1])):
    body = b"frame %d;" % number
    head = b"--ffmpeg\\r\\nContent-length: %d\\r\\n\\r\\n" % len(body)
    sys.stdout.buffer.write(head + body + b"\\r\\n")
    sys.stdout.flush()
    time.sleep(0.05)
print("rtsp://me:s3cret@cam: the end", file=sys.stderr)
time.sleep(float(sys.argv[2]))
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


def relayed(board: LocalBoard, *decoder: str, silence: float = 60) -> tuple[Relay, str]:
    """What a run got of a decoder's frames."""
    words = ["sh", "-c", script_text("receive"), "receive", "60"]
    local_runs.start(board, *words, "cat")
    relay = Relay([sys.executable, "-c", DECODER, *decoder], silence)
    with relay.running(board, local_runs.RUN, 60):
        assert local_runs.end_of(board).code == 0
    return relay, (board.yard / "runs" / local_runs.RUN / "log.jsonl").read_text()


def test_frames_reach_the_run_and_its_end_is_the_decoders(board: LocalBoard) -> None:
    relay, got = relayed(board, "20", "0", "3")
    sent = got.rstrip(";").split(";")
    assert len(sent) + relay.dropped == 20
    assert sent[-1] == "frame 19"
    assert relay.report().code == 3
    assert relay.report().said.strip() == "rtsp://me:***@cam: the end"
    assert relay.error is None


def test_a_decoder_that_falls_silent_is_ended(board: LocalBoard) -> None:
    relay, got = relayed(board, "2", "987", "0", silence=0.5)
    assert got.endswith("frame 1;")
    assert relay.report().code is None


def test_a_run_that_ends_first_ends_the_decoder(board: LocalBoard) -> None:
    words = ["sh", "-c", script_text("receive"), "receive", "60"]
    local_runs.start(board, *words, "head", "-c", "7")
    relay = Relay([sys.executable, "-c", DECODER, "100000", "0", "0"], 60)
    with relay.running(board, local_runs.RUN, 60):
        assert local_runs.end_of(board).code == 0
    assert relay.report().code is None

"""What feeds nnrun on a board: the scripts of decoders, films and frames from here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from piyard.board.ssh.commands import script_argv, script_text
from piyard.core.errors import HostUnreachable
from piyard.predict.command import Inputs
from piyard.predict.decoders import Decoder
from piyard.predict.ending import CODE_FILE, REPORT_FILE, read_decoder_report
from piyard.predict.feed import plan_feed
from piyard.predict.sources import Source
from piyard.run.remote import cancel_process
from tests.support import local_runs
from tests.support.local_board import LocalBoard, new_board

DECODER = r"""#!/bin/sh
printf '%s\n' "$@" > asked
printf 'JPEG%.0s' 1 2 3
"""
READER = 'cat > "$1"; shift; printf "%s\\n" "$@"'
"""Keeps what it is fed in the file named first, and says its other arguments."""


def program(folder: Path, text: str) -> str:
    path = folder / "decoder"
    path.write_text(text)
    path.chmod(0o700)
    return str(path)


def feed(
    folder: Path, decoder: list[str], *command: str
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The script as a run starts it, in an empty folder."""
    work = folder / "run"
    work.mkdir()
    done = subprocess.run(
        ["sh", "-c", script_text("feed"), "feed", str(len(decoder)), *decoder, *command],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done, work


def test_the_decoders_frames_reach_the_command(tmp_path: Path) -> None:
    decoder = [program(tmp_path, DECODER), "a b", "$(id)", "-"]
    done, work = feed(tmp_path, decoder, "sh", "-c", READER, "reader", "fed", "$(id)", "a b")
    assert done.returncode == 0, done.stderr
    assert (work / "fed").read_text() == "JPEG" * 3
    assert done.stdout == "$(id)\na b\n"
    assert (work / "asked").read_text() == "a b\n$(id)\n-\n"
    assert (work / CODE_FILE).read_text() == "0\n"
    assert sorted(path.name for path in work.iterdir()) == ["asked", CODE_FILE, REPORT_FILE, "fed"]


def test_what_a_decoder_says_is_kept_without_passwords(tmp_path: Path) -> None:
    said = "rtsp://admin:s3cret@cam/live?pwd=s3cret&x=s3cret refused"
    decoder = program(tmp_path, f"#!/bin/sh\nseq 100 >&2\necho '{said}' >&2\nexit 7\n")
    done, work = feed(tmp_path, [decoder], "cat")
    assert done.returncode == 0
    report = read_decoder_report(work)
    assert report.code == 7
    assert "s3cret" not in report.said
    assert report.said.splitlines()[-1] == "rtsp://***@cam/live?pwd=***&x=*** refused"
    assert len(report.said.splitlines()) == 20


def test_the_commands_own_failure_is_the_runs(tmp_path: Path) -> None:
    decoder = program(tmp_path, DECODER)
    assert feed(tmp_path, [decoder], "sh", "-c", "cat > /dev/null; exit 3")[0].returncode == 3


@pytest.mark.parametrize(
    "decoder",
    [
        "#!/bin/sh\nwhile printf JPEGJPEGJPEG; do :; done 2> /dev/null\n",
        "#!/bin/sh\ntrap '' PIPE\nexec sleep 987\n",
    ],
)
def test_a_decoder_that_is_not_listened_to_ends(tmp_path: Path, decoder: str) -> None:
    done, work = feed(tmp_path, [program(tmp_path, decoder)], "sh", "-c", "exit 3")
    assert done.returncode == 3
    assert read_decoder_report(work).code


def test_a_program_that_is_not_there_gives_nothing(tmp_path: Path) -> None:
    done, work = feed(tmp_path, ["/nowhere/ffmpeg"], "wc", "-c")
    assert done.stdout.strip() == "0"
    report = read_decoder_report(work)
    assert report.code == 127
    assert "/nowhere/ffmpeg" in report.said


@pytest.mark.parametrize("name", ["film.mjpeg", "a; touch evil.mjpeg", "$(touch evil).mjpeg"])
def test_a_film_reaches_the_command_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"JPEG" * 1000)
    done = subprocess.run(
        ["sh", "-c", script_text("film"), "film", name, "cat"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"JPEG" * 1000)
    assert [each.name for each in tmp_path.iterdir()] == [name]


CAMERA = Inputs(source=Source(kind="camera"), frames=3)


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


def test_a_run_gets_the_boards_camera_and_outlives_us(board: LocalBoard) -> None:
    board.has_tool("rpicam-vid", DECODER.removeprefix("#!/bin/sh\n"))
    words = plan_feed(CAMERA, Decoder(place="board", program="rpicam-vid")).stdin_from
    local_runs.start(board, *words, "sh", "-c", "wc -c; echo done >&2")
    assert local_runs.end_of(board).code == 0
    folder = board.yard / "runs" / local_runs.RUN
    assert (folder / "log.jsonl").read_text().strip() == str(3 * len("JPEG"))
    assert (folder / "stderr.txt").read_text() == "done\n"
    request = (folder / "asked").read_text().split()
    assert request[request.index("--width") + 1] == "1280"
    assert request[request.index("--codec") + 1] == "mjpeg"
    assert request[-2:] == ["--output", "-"]


def test_cancelling_a_run_ends_its_decoder_too(board: LocalBoard) -> None:
    board.has_tool("rpicam-vid", "trap '' PIPE\necho $$ > pid\nexec sleep 987")
    words = plan_feed(CAMERA, Decoder(place="board", program="rpicam-vid")).stdin_from
    local_runs.start(board, *words, "cat")
    folder = local_runs.until_running(board)
    decoder = int(local_runs.written(folder / "pid"))
    assert cancel_process(board, local_runs.RUN).why == "cancelled"
    local_runs.until_gone(decoder)


def receive(board: LocalBoard, limit: str = "60", command: str = "wc -c") -> None:
    words = ["sh", "-c", script_text("receive"), "receive", limit]
    local_runs.start(board, *words, "sh", "-c", command)


def test_frames_from_here_reach_the_run(board: LocalBoard) -> None:
    receive(board)
    argv = script_argv("send", ".piyard", local_runs.RUN, "30")
    with board.start(argv, limit_s=60) as talk:
        for _ in range(3):
            talk.send(b"JPEG" * 1000)
        talk.end_input()
        assert talk.end().code == 0
    assert local_runs.end_of(board).code == 0
    log = board.yard / "runs" / local_runs.RUN / "log.jsonl"
    assert log.read_text().strip() == "12000"


def test_frames_that_never_come_end_the_run(board: LocalBoard) -> None:
    receive(board, "1")
    assert local_runs.end_of(board).code == 0
    log = board.yard / "runs" / local_runs.RUN / "log.jsonl"
    assert log.read_text().strip() == "0"


def test_frames_for_a_run_that_is_not_there(board: LocalBoard) -> None:
    local_runs.start(board, "true")
    local_runs.end_of(board)
    argv = script_argv("send", ".piyard", local_runs.RUN, "1")
    outcome = board.run(argv, check=False, limit_s=30)
    assert outcome.code == 1


def test_a_link_that_breaks_ends_the_run(board: LocalBoard) -> None:
    receive(board, command="head -c 4000 > got; echo there > first; wc -c")
    board.cut_after = board.sent + 5000
    folder = local_runs.until_running(board)
    argv = script_argv("send", ".piyard", local_runs.RUN, "30")

    def send() -> None:
        with board.start(argv, limit_s=60) as talk:
            talk.send(b"x" * 4000)
            local_runs.written(folder / "first")
            talk.send(b"x" * 4000)

    with pytest.raises(HostUnreachable):
        send()
    assert local_runs.end_of(board).code == 0
    assert (folder / "log.jsonl").read_text().strip() == "1000"

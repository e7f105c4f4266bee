"""Whatever the login shell is and its start-up files print: what comes is the command's own."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.facts import read_facts
from piyard.board.ssh import commands
from piyard.board.ssh.commands import NOISE_BYTES, FramedStream, new_frame
from piyard.core.errors import BoardCommandFailed, HostUnreachable, WrongBoard
from piyard.run.deploy import deploy_releases
from piyard.run.remote import fetch_files, start_process
from tests.support.local_board import LocalBoard, content, lease, new_board, release
from tests.support.local_runs import RUN, end_of, start

SHELLS = ["sh", "bash", "dash", "fish", "zsh", "tcsh", "csh", "mksh", "busybox"]
NASTY = [
    *("", "$(touch pwned)", "; touch pwned", "a b", "it's", "`id`", "two\nlines", "\n\n", "*"),
    *("ü", "!!", "!x", "\\n", "\\", "\\\\", "\\'", '"q"', "{a,b}", "~", "%1", "#", "^a^b", "$x"),
    "x" * 5000,
]
NOISE = 'echo "Welcome to bench pi, 3 updates can be applied"; echo oops >&2'


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


def login_shell(board: LocalBoard, text: str) -> None:
    """Make the login shell a program of that text; ``$2`` is the command."""
    board.has_tool("login-shell", text)
    assert board.tools
    board.shell = [str(board.tools / "login-shell")]


@pytest.fixture
def noisy(board: LocalBoard) -> LocalBoard:
    login_shell(board, f'{NOISE}; exec sh -c "$2"')
    return board


@pytest.fixture(params=SHELLS)
def shelled(board: LocalBoard, request: pytest.FixtureRequest) -> LocalBoard:
    """A board whose login shell is each of those that are on this machine."""
    program = shutil.which(request.param)
    if not program:
        pytest.skip(f"this machine has no {request.param}: apt-get install {request.param}")
    board.shell = [program, *(["sh"] if request.param == "busybox" else [])]
    return board


def test_arguments_arrive_as_they_are(shelled: LocalBoard) -> None:
    outcome = shelled.run(["printf", "%s\\0", *NASTY])
    assert outcome.out.split("\0")[:-1] == NASTY
    assert outcome.err == ""
    assert not (shelled.home / "pwned").exists()


def test_a_release_is_deployed_and_runs(shelled: LocalBoard) -> None:
    what = release(nnrun="#!/bin/sh\necho runs", model="weights")
    deploy_releases(shelled, [what], lease(), keep=True)
    assert content(shelled.home / what.folder)["model"] == b"weights"
    start_process(shelled, RUN, what, ["echo", "it's $x"], lease(), limit_s=30)
    assert end_of(shelled).code == 0
    assert (shelled.yard / "runs" / RUN / "log.jsonl").read_text() == "it's $x\n"


def test_exit_codes_and_streams_are_the_commands_own(noisy: LocalBoard) -> None:
    outcome = noisy.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (outcome.code, outcome.out, outcome.err) == (3, "out\n", "err\n")
    assert "Welcome to bench pi" in outcome.noise


def test_bytes_arrive_without_what_was_printed_before(noisy: LocalBoard) -> None:
    data = random.Random(3).randbytes(300_000)
    (noisy.home / "data").write_bytes(data)
    got = b""
    with noisy.start(["cat", "data"]) as spoken:
        spoken.end_input()
        while block := spoken.read():
            got += block
    assert got == data


def test_a_run_starts_ends_and_comes_home_where_the_shell_prints(
    noisy: LocalBoard, tmp_path: Path
) -> None:
    assert read_facts(noisy).machine
    start(noisy, "sh", "-c", "echo line; exit 4")
    assert end_of(noisy).code == 4
    fetch_files(noisy, RUN, tmp_path / "fetched", keep=())
    assert (tmp_path / "fetched" / "log.jsonl").read_text() == "line\n"


def test_what_goes_on_beside_the_command_is_not_waited_for(board: LocalBoard) -> None:
    login_shell(board, '(sleep 30; echo late) & exec sh -c "$2"')
    with board.start(["echo", "well"], silence_s=20) as spoken:
        outcome = spoken.end()
    assert (outcome.code, outcome.out) == (0, "well\n")


def test_a_shell_that_shows_what_it_runs_does_not_show_the_marker(board: LocalBoard) -> None:
    board.shell = ["bash", "-x"]
    outcome = board.run(["sh", "-c", "echo out; echo err >&2"])
    assert (outcome.out, outcome.err) == ("out\n", "err\n")


@pytest.mark.parametrize("check", [True, False])
def test_a_shell_that_runs_nothing_is_named(board: LocalBoard, check: bool) -> None:
    login_shell(board, "echo This account is currently not available.; exit 1")
    with pytest.raises(BoardCommandFailed, match="did not run our command") as caught:
        board.run(["true"], check=check)
    assert "currently not available" in caught.value.evidence
    assert "chsh" in caught.value.remedy


def test_a_shell_that_runs_nothing_is_named_at_a_deploy_too(board: LocalBoard) -> None:
    login_shell(board, "exit 1")
    with pytest.raises(BoardCommandFailed, match="did not run our command"):
        deploy_releases(board, [release(nnrun="program")], lease())


@pytest.mark.parametrize("text", ["echo menu:; sleep 2", "while sleep 0.1; do echo menu:; done"])
def test_start_up_files_that_never_end_are_given_up(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(commands, "BEGIN_LIMIT_S", 1)
    login_shell(board, f"trap exit PIPE TERM; {text}")
    with pytest.raises(HostUnreachable, match="did not start our command") as caught:
        board.run(["true"])
    assert "menu:" in caught.value.evidence


def test_the_languages_messages_are_english(board: LocalBoard) -> None:
    login_shell(board, 'LC_ALL=de_DE.UTF-8 LANGUAGE=de exec sh -c "$2"')
    said = board.run(["sh", "-c", "echo $LC_ALL-$LANGUAGE-$LC_MESSAGES"]).out
    assert said == "--C\n"


def test_a_board_without_timeout_is_told_what_to_install(board: LocalBoard) -> None:
    board.lacks_tool("timeout")
    with pytest.raises(WrongBoard, match="has no timeout") as caught:
        board.run(["true"], check=False)
    assert "coreutils" in caught.value.remedy


@given(
    out=st.lists(st.binary(max_size=30), max_size=6),
    noise=st.binary(max_size=60),
    after=st.binary(max_size=20),
    cut=st.integers(1, 40),
)
def test_a_stream_comes_out_of_its_frame_whatever_the_blocks(
    out: list[bytes], noise: bytes, after: bytes, cut: int
) -> None:
    frame = new_frame()
    said = frame.marker[:7].join(out)
    whole = noise + frame.marker + said + frame.marker + b" 17;" + after
    stream = FramedStream(frame)
    got = b"".join(stream.content(whole[at : at + cut]) for at in range(0, len(whole), cut))
    assert (got, stream.code, stream.noise) == (said, 17, noise)


def test_a_stream_that_is_cut_keeps_what_came() -> None:
    frame = new_frame()
    stream = FramedStream(frame)
    half = frame.marker[:9]
    assert stream.content(frame.marker + b"line\n" + half) == b"line\n"
    assert (stream.rest(), stream.code) == (half, None)


def test_a_line_is_passed_on_as_soon_as_it_is_there() -> None:
    frame = new_frame()
    stream = FramedStream(frame)
    assert stream.content(frame.marker + b"ready\n") == b"ready\n"


def test_noise_without_end_takes_no_memory() -> None:
    stream = FramedStream(new_frame())
    for _ in range(100):
        assert stream.content(b"x" * 100_000) == b""
    assert len(stream.noise) == NOISE_BYTES

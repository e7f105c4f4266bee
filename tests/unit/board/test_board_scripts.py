"""The board's own scripts: what a run is there, how it ends, and who notices."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from piyard.board import lease as board_lease
from piyard.board.facts import read_facts
from piyard.board.lease import lease_holder
from piyard.board.ssh.commands import SCRIPT_FOLDER, SCRIPT_NEEDS, script_text
from piyard.core import console
from piyard.core.errors import BoardBusy, BoardCommandFailed, BoardTooSlow, HostUnreachable
from piyard.run import remote
from piyard.run.deploy import deploy_releases
from piyard.run.remote import (
    FETCHED_MARK,
    DamagedFile,
    _parse_status,
    cancel_process,
    fetch_files,
    mark_fetched,
    read_status,
    start_process,
    wait_for_process,
)
from tests.support import file_systems
from tests.support.local_board import LocalBoard, lease, new_board, release
from tests.support.local_runs import (
    PATIENCE_S,
    RUN,
    children,
    end_of,
    guard_of,
    processes,
    start,
    until_gone,
    until_running,
    written,
)

SCRIPTS = sorted(path.stem for path in SCRIPT_FOLDER.glob("*.sh"))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LocalBoard]:
    result = new_board(tmp_path / "board")
    yield result
    for folder in (result.yard / "runs").glob("*"):
        cancel_process(result, folder.name)


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(console, "info", said.append)
    monkeypatch.setattr(remote, "STATUS_WAIT_S", 1)
    return said


def sh(text: str, *arguments: str, needs: Sequence[str] = ("process",)) -> str:
    """What the shell says with those functions at hand."""
    whole = "\n".join([*(script_text(name) for name in needs), text])
    done = subprocess.run(
        ["sh", "-c", whole, "sh", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_posix_shell_understands_each_script_with_what_it_needs(name: str) -> None:
    done = subprocess.run(["sh", "-n", "-c", script_text(name)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_every_script_that_is_named_exists() -> None:
    named = {*SCRIPT_NEEDS, *(part for parts in SCRIPT_NEEDS.values() for part in parts)}
    assert named <= set(SCRIPTS)


def test_a_script_is_the_same_text_each_time() -> None:
    assert script_text("deploy") is script_text("deploy")


def test_a_board_tells_its_facts_in_one_command(board: LocalBoard) -> None:
    facts = read_facts(board)
    assert board.commands == 1
    assert facts.machine == os.uname().machine
    assert facts.kernel == os.uname().release
    assert facts.page_size == os.sysconf("SC_PAGESIZE")
    assert facts.memory_kb
    assert facts.available_kb
    assert facts.free_disk_kb
    assert facts.boot_id
    assert not board.yard.exists()


def test_what_a_board_cannot_tell_is_null(board: LocalBoard) -> None:
    for tool in ("getconf", "df", "vcgencmd"):
        board.has_tool(tool, "exit 1")
    facts = read_facts(board)
    assert (facts.page_size, facts.libc, facts.cores, facts.free_disk_kb) == (
        None,
        None,
        None,
        None,
    )
    assert facts.throttled is None
    assert facts.machine == os.uname().machine


def test_a_board_tells_what_its_firmware_says(board: LocalBoard) -> None:
    board.has_tool(
        "vcgencmd", "case $1 in get_throttled) echo throttled=0x50005 ;; *) echo v1 ;; esac"
    )
    facts = read_facts(board)
    assert (facts.throttled, facts.firmware) == ("0x50005", "v1")


def test_tools_names_those_that_are_there(board: LocalBoard) -> None:
    said = board.script("tools", "sh", "no-such-tool", "cat", "$(touch x)").out
    assert said.split() == ["sh", "cat"]


def test_a_process_is_its_number_and_its_start() -> None:
    with subprocess.Popen(["sleep", "100"]) as running:
        pid = str(running.pid)
        start = sh('started "$1" && echo "$started"', pid)
        assert start.isdigit()
        assert sh('lives "$1" "$2" && echo yes', pid, start) == "yes"
        assert sh('lives "$1" "$2" || echo no', pid, str(int(start) + 1)) == "no"
        running.kill()
    assert sh('lives "$1" "$2" || echo no', pid, start) == "no"


def test_no_process_has_the_number_zero() -> None:
    assert sh("lives 0 0 || echo no") == "no"


@pytest.mark.parametrize("name", ["a b", ") Z 1", "((", "x) S 1 (y"])
def test_a_programs_name_may_hold_anything(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "100"]) as running:
        stat = Path(f"/proc/{running.pid}/stat").read_text()
        assert (
            sh('started "$1" && echo "$started"', str(running.pid))
            == stat.rpartition(")")[2].split()[19]
        )
        running.kill()


def test_a_group_that_ignores_being_asked_is_killed() -> None:
    stubborn = 'trap "" TERM; sleep 100 & sleep 100 & echo up; wait'
    with subprocess.Popen(
        ["sh", "-c", stubborn], stdout=subprocess.PIPE, start_new_session=True
    ) as running:
        assert running.stdout
        running.stdout.readline()
        sh('end_group "$1"', str(running.pid))
        assert running.wait(PATIENCE_S) == -signal.SIGKILL


def test_ending_a_group_that_is_gone_is_no_error() -> None:
    assert sh("end_group 4000000 && echo well") == "well"


def test_a_run_ends_with_its_commands_exit_code_and_output(board: LocalBoard) -> None:
    start(board, "sh", "-c", "echo '{\"a\":1}'; echo oops >&2; exit 3")
    ended = end_of(board)
    assert (ended.state, ended.code, ended.why) == ("ended", 3, "ended")
    folder = board.yard / "runs" / RUN
    assert (folder / "log.jsonl").read_text() == '{"a":1}\n'
    assert (folder / "stderr.txt").read_text() == "oops\n"


def test_a_run_works_in_its_own_folder_and_finds_its_release(board: LocalBoard) -> None:
    start(board, "sh", "-c", "pwd; cat ../../current/nnrun; ls -d outputs")
    assert end_of(board).code == 0
    said = (board.yard / "runs" / RUN / "log.jsonl").read_text()
    assert said == f"{board.yard}/runs/{RUN}\nprogramoutputs\n"


def test_a_run_reads_nothing_from_us(board: LocalBoard) -> None:
    start(board, "cat")
    assert end_of(board).code == 0


def test_a_command_that_is_not_there_ends_the_run(board: LocalBoard) -> None:
    start(board, "./no-such-program")
    assert end_of(board).code == 127


def test_a_run_goes_on_after_the_session_that_started_it(board: LocalBoard) -> None:
    start(board, "sleep", "100")
    folder = until_running(board)
    supervisor, leader = processes(folder)
    assert os.getsid(supervisor) != os.getsid(0)
    assert os.getsid(leader) == leader
    assert read_status(board, RUN).state == "running"


def test_the_board_counts_what_a_run_wrote_so_far(board: LocalBoard) -> None:
    start(board, "sh", "-c", "echo 1; echo 2; sleep 100")
    folder = until_running(board)
    written(folder / "log.jsonl")
    assert read_status(board, RUN).lines == 2


WATCH = ("sh", "-c", 'echo "{\\"uptime_s\\":1}"; echo "$0 $*" >&2; exec sleep 987', "two words")


def test_a_watcher_is_told_whom_to_watch_and_writes_telemetry(board: LocalBoard) -> None:
    start(board, "sleep", "100", watch=WATCH)
    folder = until_running(board)
    assert written(folder / "telemetry.jsonl") == '{"uptime_s":1}\n'
    _, _, _, leader, began = (folder / "process").read_text().split()
    assert written(folder / "watcher.txt") == f"two words --pid {leader} --start {began}\n"


def watcher_process(folder: Path) -> int:
    """The watcher of a run, once it is there."""
    written(folder / "telemetry.jsonl")
    supervisor, leader = processes(folder)
    (result,) = [p for p in children(supervisor) - {leader} if os.getsid(p) == p]
    return result


def test_a_watcher_is_gone_when_its_run_is(board: LocalBoard) -> None:
    start(board, "sh", "-c", "until [ -e go ]; do sleep 0.05; done", watch=WATCH)
    folder = until_running(board)
    watcher = watcher_process(folder)
    (folder / "go").touch()
    assert end_of(board).code == 0
    until_gone(watcher)


def test_a_watcher_is_gone_when_the_supervisor_was_killed(board: LocalBoard) -> None:
    start(board, "sleep", "100", watch=WATCH)
    folder = until_running(board)
    watcher = watcher_process(folder)
    written(folder / "heartbeat")
    os.kill(processes(folder)[0], signal.SIGKILL)
    until_gone(watcher)


@pytest.mark.parametrize("watch", [["./nnrun-of-old", "watch"], ["false"]])
def test_a_program_that_cannot_watch_harms_no_run(board: LocalBoard, watch: list[str]) -> None:
    start(board, "echo", "well", watch=watch)
    ended = end_of(board)
    assert (ended.state, ended.code) == ("ended", 0)
    folder = board.yard / "runs" / RUN
    assert (folder / "log.jsonl").read_text() == "well\n"
    assert (folder / "telemetry.jsonl").read_text() == ""


def test_the_words_of_a_command_are_its_own_however_many_the_watcher_has(
    board: LocalBoard,
) -> None:
    said = ("printf", "<%s>", "", "a b", "$x", "*", "--pid")
    start(board, *said, watch=("printf", "[%s]", "", "c d", "$y"))
    assert end_of(board).code == 0
    folder = board.yard / "runs" / RUN
    assert (folder / "log.jsonl").read_text() == "<><a b><$x><*><--pid>"


def test_a_cancelled_run_ends_with_all_its_processes(board: LocalBoard) -> None:
    start(board, "sh", "-c", "sleep 100 & echo $!; sleep 100")
    folder = until_running(board)
    child = int(written(folder / "log.jsonl"))
    _, leader = processes(folder)
    ended = cancel_process(board, RUN)
    assert (ended.state, ended.why) == ("ended", "cancelled")
    assert ended.code != 0
    until_gone(child, leader)


def test_a_run_keeps_its_lease_for_as_long_as_it_takes(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until() -> int:
        return int((board.yard / "lock").read_text().split()[2])

    monkeypatch.setattr(board_lease, "LEASE_SECONDS", 6)
    start(board, "sleep", "100")
    until_running(board)
    first, deadline = until(), time.monotonic() + PATIENCE_S
    while until() < first + 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert until() - int(float(Path("/proc/uptime").read_text().split()[0])) <= 6


def test_a_guard_leaves_no_sleep_behind(board: LocalBoard) -> None:
    start(board, "sh", "-c", "until [ -e go ]; do sleep 0.05; done")
    folder = until_running(board)
    supervisor, leader = processes(folder)
    guard = guard_of(folder, supervisor, leader)
    deadline = time.monotonic() + PATIENCE_S
    while not (sleeping := children(guard)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (folder / "go").touch()
    assert end_of(board).code == 0
    until_gone(guard, *sleeping)


@pytest.mark.parametrize("name", ["plain", "a b", ") S 1 2 3 4", "x) ) y", "((", ")"])
def test_a_process_is_known_whatever_its_name(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    shutil.copy("/bin/sleep", program)
    request = script_text("process") + '\nstarted "$1" && printf "%s" "$started"'
    with subprocess.Popen([program, "60"]) as process:
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text()
            outcome = subprocess.run(
                ["sh", "-c", request, "sh", str(process.pid)],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            process.kill()
    assert name[:15] in stat
    assert outcome.stdout == stat.rpartition(") ")[2].split()[19]


def test_what_ended_before_it_was_cancelled_ended(board: LocalBoard) -> None:
    start(board, "true")
    end_of(board)
    cancelled = cancel_process(board, RUN)
    assert (cancelled.state, cancelled.code, cancelled.why) == ("ended", 0, "ended")


def test_a_run_is_ended_at_its_limit(board: LocalBoard) -> None:
    start(board, "sleep", "100", limit_s=1)
    ended = end_of(board)
    assert (ended.state, ended.why) == ("ended", "limit")
    assert ended.code != 0


def test_a_run_that_leaves_processes_behind_leaves_none(board: LocalBoard) -> None:
    start(board, "sh", "-c", "sleep 100 & echo $!")
    assert end_of(board).code == 0
    until_gone(int((board.yard / "runs" / RUN / "log.jsonl").read_text()))


def test_a_run_whose_supervisor_was_killed_is_interrupted_and_ended(board: LocalBoard) -> None:
    start(board, "sleep", "100")
    supervisor, leader = processes(until_running(board))
    os.kill(supervisor, signal.SIGKILL)
    assert end_of(board).state == "interrupted"
    until_gone(leader)


@pytest.mark.parametrize(("status", "file"), [("running 100", "process"), ("starting", "launched")])
def test_a_run_from_before_a_restart_is_over(board: LocalBoard, status: str, file: str) -> None:
    folder = board.yard / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "status").write_text(f"{status}\n")
    (folder / file).write_text(f"another-boot {os.getpid()} 1 0 0\n")
    assert read_status(board, RUN, wait_s=1).state == "interrupted"
    assert cancel_process(board, RUN).state == "interrupted"


def test_a_run_nobody_started_is_absent(board: LocalBoard) -> None:
    assert read_status(board, "no-such-run").state == "absent"
    assert cancel_process(board, "no-such-run").state == "absent"


def test_the_board_is_held_by_the_run_while_it_goes_on(board: LocalBoard) -> None:
    start(board, "sleep", "100")
    until_running(board)
    assert lease_holder(board).endswith(" owner of token")
    with pytest.raises(BoardBusy, match="held by owner of token"):
        start(board, "true", run="another", token="other")
    assert not (board.yard / "runs" / "another").exists()


def test_the_next_run_of_the_same_holder_follows_at_once(board: LocalBoard) -> None:
    start(board, "true")
    end_of(board)
    start(board, "echo", "second", run="second")
    assert end_of(board, "second").code == 0


def test_who_takes_over_from_a_dead_holder_ends_what_it_left_running(board: LocalBoard) -> None:
    start(board, "sleep", "100")
    folder = until_running(board)
    supervisor, leader = processes(folder)
    guard = guard_of(folder, supervisor, leader)
    os.kill(guard, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    start(board, "true", run="next", token="other")
    until_gone(leader)
    assert end_of(board, "next").code == 0


def test_a_file_that_is_not_what_was_sent_does_not_run(board: LocalBoard) -> None:
    what = release(nnrun="program")
    deploy_releases(board, [what], lease(), keep=True)
    file = board.home / what.folder / "nnrun"
    file.chmod(0o700)
    file.write_text("rotten")
    with pytest.raises(DamagedFile) as caught:
        start_process(board, RUN, what, ["true"], lease(), limit_s=10)
    assert caught.value.sha256 == what.files[0].sha256
    assert not (board.yard / "runs" / RUN).exists()


def test_what_a_run_wrote_comes_back(board: LocalBoard, tmp_path: Path) -> None:
    start(board, "sh", "-c", "echo line; echo raw > outputs/0.f32; echo bad > run.json")
    end_of(board)
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "run.json").write_text("ours")
    fetch_files(board, RUN, folder, keep={"run.json"})
    assert (folder / "log.jsonl").read_text() == "line\n"
    assert (folder / "outputs" / "0.f32").read_text() == "raw\n"
    assert (folder / "run.json").read_text() == "ours"
    mark_fetched(board, RUN)
    assert (board.yard / "runs" / RUN / FETCHED_MARK).exists()


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ("tar: .: file changed as we read it", True),
        ("tar: ./outputs/0.jpg: file removed before we read it", True),
        ("tar: .: Cannot open: Permission denied", False),
        ("", False),
    ],
)
def test_a_folder_that_is_written_to_is_fetched_as_it_was(
    board: LocalBoard, tmp_path: Path, said: str, whole: bool
) -> None:
    start(board, "sh", "-c", "echo line")
    end_of(board)
    complaint = f"echo '{said}' >&2;" if said else ""
    board.has_tool("tar", f'/bin/tar "$@"; {complaint} exit 1')
    if whole:
        fetch_files(board, RUN, tmp_path / "fetched", keep=set())
        assert (tmp_path / "fetched" / "log.jsonl").read_text() == "line\n"
    else:
        with pytest.raises(BoardCommandFailed):
            fetch_files(board, RUN, tmp_path / "fetched", keep=set())


def test_fetching_twice_brings_what_came_since(board: LocalBoard, tmp_path: Path) -> None:
    start(
        board,
        "sh",
        "-c",
        "echo one; until [ -e go ]; do sleep 0.1; done; echo two; echo x > outputs/x",
    )
    folder = until_running(board)
    written(folder / "log.jsonl")
    fetch_files(board, RUN, tmp_path / "fetched", keep=set())
    assert (tmp_path / "fetched" / "log.jsonl").read_text() == "one\n"
    assert not (folder / FETCHED_MARK).exists()
    (folder / "go").touch()
    end_of(board)
    fetch_files(board, RUN, tmp_path / "fetched", keep=set())
    assert (tmp_path / "fetched" / "log.jsonl").read_text() == "one\ntwo\n"
    assert (tmp_path / "fetched" / "outputs" / "x").read_text() == "x\n"
    assert not list((tmp_path / "fetched").glob(".fetch-*"))


def test_a_run_that_cannot_be_marked_is_only_kept_longer(board: LocalBoard) -> None:
    start(board, "true")
    end_of(board)
    board.has_tool("touch", "exit 1")
    mark_fetched(board, RUN)
    assert not (board.yard / "runs" / RUN / FETCHED_MARK).exists()


THAWED = """
case "$*" in "-k 5 31 sh "*)
    if [ -e frozen ]; then rm frozen; exit 124; fi ;;
esac
exec /usr/bin/timeout "$@"
"""


def test_a_board_that_stood_still_is_asked_again(board: LocalBoard, notes: list[str]) -> None:
    """Its clock went on: what was asked meanwhile is over its limit when it moves again."""
    start(board, "sleep", "1")
    board.has_tool("timeout", THAWED)
    (board.home / "frozen").touch()
    notes.clear()
    assert end_of(board).code == 0
    assert len(notes) == 1
    assert "local stalled for " in notes[0]
    assert "the run keeps running there" in notes[0]


def test_a_board_that_stands_still_for_too_long_is_given_up(board: LocalBoard) -> None:
    start(board, "true")
    board.has_tool("timeout", "exit 124")
    with pytest.raises(BoardTooSlow, match="was ended after 31 s"):
        wait_for_process(lambda: board, board, RUN, lambda _s: None, lost_limit_s=0.0)
    board.has_tool("timeout", 'exec /usr/bin/timeout "$@"')


def test_a_board_that_stands_still_while_a_run_is_fetched_is_too_slow(
    board: LocalBoard, tmp_path: Path
) -> None:
    start(board, "true")
    end_of(board)
    board.has_tool("tar", "exit 124")
    with pytest.raises(BoardTooSlow, match="at its time limit"):
        fetch_files(board, RUN, tmp_path / "fetched", keep=set())


class TestFull:
    """A board whose disk fills up in mid-run."""

    @pytest.fixture
    def cramped(self, tmp_path: Path) -> Iterator[LocalBoard]:
        with file_systems.mounted(tmp_path / "cramped", "1m") as place:
            board = LocalBoard(place)
            yield board
            cancel_process(board, RUN)

    def test_a_run_that_failed_for_want_of_room_says_so(self, cramped: LocalBoard) -> None:
        start(cramped, "sh", "-c", "cat /dev/zero")
        result = end_of(cramped)
        assert (result.state, result.why) == ("ended", "full")
        assert result.code != 0

    def test_a_run_that_has_all_it_wrote_is_well(self, cramped: LocalBoard) -> None:
        start(cramped, "sh", "-c", "echo all; cat /dev/zero > outputs/filler 2> /dev/null; exit 0")
        result = end_of(cramped)
        assert (result.state, result.why, result.code) == ("ended", "ended", 0)

    def test_a_run_that_failed_with_room_left_failed_of_itself(self, cramped: LocalBoard) -> None:
        start(cramped, "false")
        assert end_of(cramped).why == "ended"


class Lost(LocalBoard):
    """A board that is away for the next ``misses`` commands."""

    misses = 0

    def _transport(self) -> Any:
        if self.misses:
            self.misses -= 1
            raise ConnectionError("away")
        return self


def test_waiting_goes_on_through_lost_connections(tmp_path: Path, notes: list[str]) -> None:
    (tmp_path / "board").mkdir()
    board = Lost(tmp_path / "board")
    start(board, "sleep", "1")
    board.misses = 1
    opened = []

    def open_again() -> LocalBoard:
        opened.append(1)
        return board

    assert wait_for_process(open_again, board, RUN, lambda _s: None).code == 0
    assert opened == [1]
    assert len(notes) >= 1
    assert any("the run keeps running there, trying again" in note for note in notes)


def test_waiting_ends_when_the_board_was_away_for_too_long(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "RECONNECT_S", 0.01)

    def gone() -> LocalBoard:
        raise HostUnreachable("pi5 does not answer over SSH")

    lost = Lost(board.home)
    lost.misses = 1
    with pytest.raises(HostUnreachable):
        wait_for_process(gone, lost, RUN, lambda _s: None, lost_limit_s=0.0)


def test_a_run_of_a_board_that_cannot_guard_its_lock_says_why(board: LocalBoard) -> None:
    what = release(nnrun="program")
    deploy_releases(board, [what], lease(), keep=True)
    board.has_tool("flock", "exit 1")
    with pytest.raises(BoardCommandFailed, match="cannot be guarded"):
        start_process(board, RUN, what, ["true"], lease(), limit_s=10)


def test_a_start_that_was_killed_half_way_is_not_waited_for_without_end(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = board.yard / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "status").write_text("starting\n")
    monkeypatch.setattr(remote, "START_LIMIT_S", 0.5)
    seen: list[str] = []
    result = wait_for_process(lambda: board, board, RUN, lambda status: seen.append(status.state))
    assert result.state == "interrupted"
    assert set(seen) == {"starting"}
    (folder / "status").write_text("ended 0 ended 1 2\n")


@pytest.mark.parametrize("said", [[], ["nonsense"], ["Ended", "0"]])
def test_a_board_that_talks_nonsense_about_a_run_is_an_error(
    board: LocalBoard, said: list[str]
) -> None:
    with pytest.raises(BoardCommandFailed, match="does not report the run's status"):
        _parse_status(board, said)

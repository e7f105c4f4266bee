"""Somebody else has the board, or had it; and its clock may say anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.board.inspection import examine_board
from piyard.board.lease import new_lease, run_leased_script
from piyard.board.release import HOME
from piyard.board.ssh.session import open_session
from piyard.core.errors import BoardBusy, RunNotEnded
from piyard.run.deploy import deploy_releases
from piyard.run.lifecycle import finish_run
from piyard.run.remote import cancel_process, read_status
from tests.integration.faults.started import begun, child, gone, running
from tests.support import faulty_board
from tests.support.faulty_board import BOARD, SMALL, Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


HOLD = """
import sys, time
from pathlib import Path
import msgspec
from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.run.deploy import deploy_releases
from tests.support import faulty_board
board = BoardConnection(select_board(sys.argv[1]))
board.lease = msgspec.structs.replace(board.lease, seconds=8)
release = faulty_board.release(Path(sys.argv[2]), 3, [100])
deploy_releases(board.session, [release], board.lease, keep=True)
print("held", flush=True)
time.sleep(600)
"""


def test_a_board_whose_holder_was_killed_is_free_when_the_lease_is_over(
    pi: Pi, tmp_path: Path
) -> None:
    release = faulty_board.release(tmp_path / "new", 1, SMALL)
    with child("-c", HOLD, BOARD, str(tmp_path / "held")) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        with open_session(pi.board.login) as session:
            with pytest.raises(BoardBusy) as caught:
                deploy_releases(session, [release], new_lease("second", wait_s=0))
            assert f"(process {holder.pid})" in caught.value.what
            deploy_releases(session, [release], new_lease("third", wait_s=30))
    assert pi.current() == release.id


def test_what_a_killed_supervisor_left_running_is_ended_by_the_next_holder(
    pi: Pi, line: BoardConnection, tmp_path: Path
) -> None:
    record = begun(line, "stubborn")
    running(pi, "sleep 987")
    pi.sh(
        f"read -r _ supervisor _ leader _ < {HOME}/runs/$1/process;"
        ' watcher=$(pgrep -P "$supervisor" | grep -vx "$leader");'
        ' kill -s KILL "$supervisor" $watcher',
        record.id,
    )
    assert pi.processes("sleep 987")
    with open_session(pi.board.login) as session:
        next_one = new_lease("next", wait_s=0)
        deploy_releases(session, [faulty_board.release(tmp_path / "new", 1, SMALL)], next_one)
    gone(pi, "987", "nnrun")
    with pytest.raises(RunNotEnded) as caught:
        finish_run(line, record)
    assert caught.value.interrupted


def test_a_killed_supervisor_takes_its_command_along(pi: Pi, line: BoardConnection) -> None:
    record = begun(line, "stubborn")
    running(pi, "sleep 987")
    pi.sh(f"read -r _ supervisor _ < {HOME}/runs/$1/process; kill -s KILL $supervisor", record.id)
    gone(pi, "987", "nnrun")
    with pytest.raises(RunNotEnded) as caught:
        finish_run(line, record)
    assert caught.value.interrupted


def test_two_runs_are_one_after_the_other(pi: Pi) -> None:
    def stamp(name: str) -> None:
        way = BoardConnection(select_board(BOARD), wait_s=60)
        try:
            faulty_board.do(way, "stamp", name)
        finally:
            way.close()

    with ThreadPoolExecutor() as pool:
        list(pool.map(stamp, ["a", "b", "c"]))
    stamps = [line.split() for line in pi.sh("cat stamps").splitlines()]
    assert [what for what, _, _ in stamps] == ["start", "end"] * 3
    assert [name for _, name, _ in stamps[::2]] == [name for _, name, _ in stamps[1::2]]
    assert {name for _, name, _ in stamps} == {"a", "b", "c"}
    times = [float(at) for _, _, at in stamps]
    assert times == sorted(times)


def test_without_patience_a_held_board_is_a_failure_that_names_the_holder(
    pi: Pi, line: BoardConnection
) -> None:
    record = begun(line, "lines", "1000")
    hasty = BoardConnection(select_board(BOARD), wait_s=0)
    with pytest.raises(BoardBusy) as caught:
        faulty_board.do(hasty, "lines", "1")
    hasty.close()
    assert caught.value.code == 16
    assert line.lease.owner in caught.value.what
    assert read_status(line.session, record.id).state == "running"
    cancel_process(line.session, record.id)


CLOCK = """
mkdir -p /wrong
printf '#!/bin/sh\nexec /usr/bin/date -d "%s" "$@"\n' "$1" > /wrong/date
chmod 755 /wrong /wrong/date
echo 'SetEnv PATH=/wrong:/usr/bin:/bin' >> /etc/ssh/sshd_config
pkill sshd
"""


@pytest.mark.parametrize("off", ["1 year", "1 year ago"])
def test_a_clock_that_is_a_year_off_changes_nothing(
    pi: Pi, way: BoardConnection, tmp_path: Path, off: str
) -> None:
    def age() -> None:
        pi.sh(f'find {HOME} -exec touch -h -d "$1" {{}} +', off)

    pi.root(CLOCK, off)
    pi.await_sshd()
    findings = examine_board(BoardConnection(select_board("shelf")))
    (clock,) = [finding for finding in findings if finding.what == "clock"]
    assert not clock.ok
    assert "off by 87" in clock.detail

    old, new = (faulty_board.release(tmp_path / str(n), n, SMALL) for n in (0, 1))
    deploy_releases(way.session, [old], way.lease)
    age()
    assert deploy_releases(way.session, [old], way.lease).content == 0
    record = begun(way, "lines", "8")
    age()
    with pytest.raises(BoardBusy):
        deploy_releases(way.session, [new], new_lease("second", wait_s=0))
    age()
    assert finish_run(way, record).state == "ended"
    age()
    stranger = new_lease("third", wait_s=60)
    taken = msgspec.structs.replace(way.lease, seconds=4)
    deploy_releases(way.session, [old], taken, keep=True)
    age()
    deploy_releases(way.session, [new], stranger)
    age()
    said = run_leased_script(way.session, stranger, "gc", HOME, stranger.token, "me", "1", "no")
    assert f"runs/{record.id}" in said
    assert set(pi.releases()) == {new.id}

"""Whatever breaks between a desktop and a board: nothing is lost, half done, or waited for in vain.

The boards are containers with real OpenSSH servers; what runs on them is a shell script.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from piyard import deploy, detached, emulator, keys, lease, result, run, ssh
from piyard.board import Line
from piyard.commands import runs
from piyard.detached import Damaged
from piyard.emulator import EmulatedBoard
from piyard.errors import (
    BoardBusy,
    BoardCommandFailed,
    BoardDiskFull,
    HostKeyChanged,
    HostUnreachable,
    PiyardError,
    RunNotEnded,
    UnknownHostKey,
    WrongInput,
)
from piyard.fleet import health, trust
from piyard.record import Record
from piyard.release import HOME
from piyard.run import LOG, folder_of
from piyard.ssh import hostkeys, login, session
from tests import faults
from tests.faults import Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
BOARD = "emulated:desktop/1"
SMALL = [20_000] * 9


@pytest.fixture(autouse=True)
def own_artifacts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Runs, known hosts and the fleet are the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "fleet.yaml"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("PIYARD_STRICT_HOST_KEYS", raising=False)


@pytest.fixture
def pi(own_boards: Callable[[str], EmulatedBoard]) -> Iterator[Pi]:
    """A board of the test's own."""
    made = Pi(own_boards(BOARD))
    yield made
    made.close()


@pytest.fixture
def line(pi: Pi) -> Iterator[Line]:
    """The way to it."""
    made = Line(BOARD, wait_s=60)
    yield made
    made.close()


# A blob that rots on the board.

SPOIL = 'chmod u+w "$1" && printf spoilt | dd of="$1" conv=notrunc status=none'


def test_a_blob_that_changed_on_the_board_is_sent_again_and_nothing_else(
    pi: Pi, line: Line, tmp_path: Path
) -> None:
    release = faults.release(tmp_path / "new", 1, SMALL)
    deploy.deploy(line.session, [release], line.lease)
    pi.sh(SPOIL, f"{HOME}/blobs/{release.files[3].sha256}")
    again = deploy.deploy(line.session, [release], line.lease)
    assert again.content == release.files[3].size
    assert pi.releases() == {release.id: {file.name: file.sha256 for file in release.files}}


def test_a_blob_that_rots_without_a_trace_is_noticed_at_the_start_of_a_run(
    pi: Pi, line: Line, tmp_path: Path
) -> None:
    release = faults.release(tmp_path / "new", 1, SMALL)
    deploy.deploy(line.session, [release], line.lease)
    rot(pi, release.files[3].sha256)
    assert deploy.deploy(line.session, [release], line.lease, keep=True).content == 0
    with pytest.raises(Damaged) as caught:
        detached.start(line.session, "run", release, ["true"], line.lease, limit_s=5)
    assert caught.value.sha256 == release.files[3].sha256
    assert detached.status(line.session, "run").state == "absent"


def test_a_task_heals_a_blob_that_rotted_without_a_trace(pi: Pi, line: Line) -> None:
    first = faults.do(line, "lines", "1")
    blob = faults.ready().conversions["net"].folder / "model.ncnn.bin"
    sha = faults.file(blob.parent, blob.name, blob.read_bytes()).sha256
    rot(pi, sha)
    second = faults.do(line, "lines", "1")
    assert second.release == first.release
    assert (folder_of(second.id) / LOG).read_text() == "line 1\nall\n"
    assert sha in pi.releases()[first.release].values()


def rot(pi: Pi, sha256: str) -> None:
    """Other bytes in the same file, of the same size and time."""
    blob = f"{HOME}/blobs/{sha256}"
    pi.sh(f'touch -r "$1" /tmp/time && {SPOIL} && chmod 500 "$1" && touch -r /tmp/time "$1"', blob)


# Another host key.


@pytest.fixture
def real(pi: Pi, tmp_path: Path) -> str:
    """The board as an entry of the fleet: nothing tells that it is emulated."""
    (tmp_path / "fleet.yaml").write_text(
        f"boards: {{shelf: {{host: 127.0.0.1, port: {pi.board.port}, user: pi, target: desktop, "
        f"key: {keys.login_key()}}}}}"
    )
    return "shelf"


@pytest.fixture
def way(real: str) -> Iterator[Line]:
    """The way to the board of the fleet."""
    made = Line(real, wait_s=60)
    yield made
    made.close()


def reflash(pi: Pi) -> str:
    """Give the board another host key; its fingerprint."""
    pi.root(
        "rm /etc/ssh/ssh_host_ed25519_key* && pkill sshd;"
        " ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
    )
    pi.await_sshd()
    return pi.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]


def test_a_board_with_another_host_key_gets_nothing_until_it_is_trusted(
    pi: Pi, way: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = faults.release(tmp_path / "new", 1, SMALL)
    assert way.session.run(["true"]).code == 0
    way.hang_up()
    known = pi.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]
    shown = reflash(pi)

    with pytest.raises(HostKeyChanged) as caught:
        deploy.deploy(way.session, [release], way.lease)
    assert caught.value.code == 10
    assert known in caught.value.evidence
    assert shown in caught.value.evidence
    assert "fleet.trust --host shelf" in caught.value.remedy
    assert pi.sh("ls -A") == ".ssh\n"

    with pytest.raises(HostKeyChanged):
        trust.trust("shelf", known, dry_run=False)
    trust.trust("shelf", shown, dry_run=False)
    assert f"{shown} is pinned" in capsys.readouterr().out
    assert deploy.deploy(way.session, [release], way.lease).content > 0


def test_an_emulated_boards_key_is_not_for_trusting(pi: Pi) -> None:
    with pytest.raises(WrongInput):
        trust.trust(BOARD, "", dry_run=False)


def test_where_only_known_hosts_count_a_new_one_is_refused_until_it_is_pinned(
    pi: Pi, way: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(hostkeys.STRICT, "1")
    shown = pi.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]
    with pytest.raises(UnknownHostKey) as caught:
        way.session.run(["true"])
    assert caught.value.code == 18
    assert shown in caught.value.evidence
    trust.trust("shelf", shown, dry_run=False)
    assert way.session.run(["true"]).code == 0


# A command that will not end.


def running(pi: Pi, text: str) -> None:
    """Wait until something with that text runs on the board."""
    faults.wait_until(lambda: pi.processes(text), f"{text} runs")


def gone(pi: Pi, *texts: str) -> None:
    """No process of the board has one of these texts."""
    for text in texts:
        faults.wait_until(lambda text=text: not pi.processes(text), f"no {text}", 10)


def begun(line: Line, verb: str, *arguments: str, limit_s: int = 60) -> Record:
    """A run that was started as a task starts it."""
    build, conversion = faults.ready().of(faults.job(line.name))
    release = run.release_for(build, conversion)
    told = deploy.deploy(line.session, [release], line.lease, keep=True).facts
    line.holds = True
    record = run.new_record(line, told, build, conversion, slug=verb, what={"slug": verb})
    return run.start(line, record, release, verb, arguments, limit_s)


def test_cancelling_ends_every_process_of_a_run_that_ignores_it(pi: Pi, line: Line) -> None:
    record = begun(line, "stubborn")
    running(pi, "sleep 987")
    assert len(pi.processes("987")) >= 4
    done = run.collect(line, record, detached.cancel(line.session, record.id))
    gone(pi, "987", "nnrun", "piyard")
    assert done.state == "cancelled"
    assert (folder_of(record.id) / LOG).read_text() == "deaf\n"
    with pytest.raises(RunNotEnded, match="was cancelled"):
        run.finish(line, record)


def test_a_run_beyond_its_limit_leaves_no_process(pi: Pi, line: Line) -> None:
    with pytest.raises(BoardCommandFailed, match="ended after 2 s"):
        faults.do(line, "stubborn", limit_s=2)
    gone(pi, "987", "nnrun", "piyard")


# Power lost, sshd lost.


def test_a_board_that_lost_power_says_that_the_run_was_interrupted(pi: Pi, line: Line) -> None:
    record = begun(line, "lines", "1000")
    log = f"{HOME}/runs/{record.id}/{LOG}"
    faults.wait_until(lambda: pi.sh(f"wc -l < {log}") > "1", "lines were written")
    pi.lose_power()
    with pytest.raises(RunNotEnded) as caught:
        run.finish(line, record)
    assert caught.value.interrupted
    assert caught.value.code == 17
    assert (folder_of(record.id) / LOG).read_text().startswith("line 1\n")
    gone(pi, "nnrun", "piyard")


def test_a_run_that_lost_power_is_repeated_when_asked_to(pi: Pi, line: Line) -> None:
    with ThreadPoolExecutor() as pool:
        done = pool.submit(faults.do, line, "once_long", retry=1)
        faults.wait_until(lambda: done.done() or pi.processes("nnrun once_long"), "it runs")
        pi.lose_power()
        record = done.result(timeout=60)
    assert record.state == "ended"
    assert (folder_of(record.id) / LOG).read_text() == "second\n"


def test_a_board_lost_before_the_run_began_is_an_interruption(pi: Pi, line: Line) -> None:
    record = begun(line, "lines", "1000")
    pi.lose_power()
    pi.sh(f"cd {HOME}/runs/{record.id} && rm -f process && echo starting > status")
    with pytest.raises(RunNotEnded) as caught:
        run.finish(line, record)
    assert caught.value.interrupted


def test_a_run_goes_on_while_sshd_is_away(pi: Pi, line: Line) -> None:
    with ThreadPoolExecutor() as pool:
        done = pool.submit(faults.do, line, "lines", "24")
        faults.wait_until(lambda: done.done() or pi.processes("nnrun lines"), "it runs")
        pi.signal_sshd("KILL")
        record = done.result(timeout=60)
    assert record.state == "ended"
    assert (folder_of(record.id) / LOG).read_text().endswith("line 24\nall\n")


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.5])
def test_sshd_may_go_away_again_and_again(pi: Pi, way: Line, after_s: float) -> None:
    record = begun(way, "lines", "24")
    with ThreadPoolExecutor() as pool:
        done = pool.submit(run.finish, way, record)
        for _ in range(3):
            time.sleep(after_s)
            pi.signal_sshd("KILL")
        assert done.result(timeout=60).state == "ended"
    assert (folder_of(record.id) / LOG).read_text().endswith("line 24\nall\n")


# A link that breaks in mid-deploy.

LARGE = [*SMALL, 3_000_000]
DICE = random.Random(20)
POINTS = [
    *(("handshake", DICE.random()) for _ in range(4)),
    *(("manifest", DICE.random()) for _ in range(4)),
    *(("stream", DICE.random()) for _ in range(9)),
    *(("end", after) for after in (-500, -100, -1)),
]


class Passed(NamedTuple):
    """How many bytes went to the board by the end of each part of a deploy."""

    handshake: int
    manifest: int
    stream: int

    def at(self, part: str, where: float) -> int:
        """The byte after which to cut."""
        if part == "end":
            return self.stream + int(where)
        ends = (0, *self)
        number = self._fields.index(part)
        return ends[number] + int(where * (ends[number + 1] - ends[number]))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """One board for many cuts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        made = Pi(emulator.up(BOARD))
        yield made
        made.close()
        emulator.down(BOARD)


@pytest.fixture(scope="module")
def passed(shared: Pi, tmp_path_factory: pytest.TempPathFactory) -> Passed:
    """What one deploy of LARGE sends when nothing is cut."""
    folder, ends = tmp_path_factory.mktemp("whole"), []
    release = faults.release(folder / "new", 1, LARGE)
    with (
        faults.link(shared.board, folder) as link,
        ssh.connect(faults.over(link, folder)) as session,
    ):
        ends.append(link.passed)
        deploy.deploy(
            session,
            [release],
            lease.new("test"),
            check=lambda _told, _bytes: ends.append(link.passed),
        )
        ends.append(link.passed)
    return Passed(*ends)


@pytest.mark.parametrize(("part", "where"), POINTS)
def test_a_cut_leaves_the_old_release_or_the_whole_new_one(
    shared: Pi, passed: Passed, tmp_path: Path, part: str, where: float
) -> None:
    shared.wipe()
    old, new = faults.release(tmp_path / "old", 0, SMALL), faults.release(tmp_path, 1, LARGE)
    with ssh.connect(shared.board.login) as session:
        deploy.deploy(session, [old], lease.new("before"))
    whole = {r.id: {file.name: file.sha256 for file in r.files} for r in (old, new)}

    with (
        faults.link(shared.board, tmp_path, passed.at(part, where)) as link,
        contextlib.ExitStack() as stack,
    ):
        said = stack.enter_context(pytest.raises(PiyardError)) if part != "end" else None
        if part == "end":
            stack.enter_context(contextlib.suppress(HostUnreachable))
        with ssh.connect(faults.over(link, tmp_path)) as session:
            deploy.deploy(session, [new], lease.new("cut"))
    if said:
        assert isinstance(said.value, HostUnreachable)
        assert said.value.remedy
        assert len(said.value.what.splitlines()) == 1

    gone(shared, "piyard")
    there = shared.releases()
    assert all(whole[release] == files for release, files in there.items())
    assert shared.current() in there
    arrived = shared.blobs()
    missing = sum(file.size for file in new.files if file.sha256 not in arrived)
    with ssh.connect(shared.board.login) as session:
        after = deploy.deploy(session, [new], lease.new("after", wait_s=0))
    assert after.content <= missing
    assert shared.current() == new.id
    assert shared.releases() == whole
    assert not [blob for blob in shared.blobs() if blob.startswith(".part")]


def test_what_is_left_of_a_deploy_that_was_killed_does_not_turn_the_next_one_around(
    pi: Pi, line: Line, tmp_path: Path
) -> None:
    """Process numbers come back: soon after a restart above all."""
    old, new = faults.release(tmp_path / "old", 0, SMALL), faults.release(tmp_path, 1, SMALL)
    deploy.deploy(line.session, [old], line.lease)
    # Each ln uses up a number itself.
    pi.sh(
        f"cd {HOME} && for n in $(seq $(($$ + 300)) $(($$ + 1300))); do"
        " ln -s releases/$1 current.$n; done",
        old.id,
    )
    deploy.deploy(line.session, [new], line.lease)
    assert pi.current() == new.id
    assert set(pi.releases()[old.id]) == {file.name for file in old.files}


# No room.


FILL = "cat /dev/zero > .piyard/filler 2> /dev/null; :"


@pytest.fixture
def cramped(own_boards: object) -> Iterator[Pi]:
    """A board with room for 4 MB."""
    with faults.with_room("4m") as made:
        yield made


def test_what_cannot_fit_is_not_sent(cramped: Pi, tmp_path: Path) -> None:
    release = faults.release(tmp_path / "new", 1, [3_000_000, 3_000_000])
    with ssh.connect(cramped.board.login) as session:
        with pytest.raises(BoardDiskFull) as caught:
            deploy.deploy(session, [release], lease.new("test"))
        assert session.commands == 1
    assert caught.value.code == 12
    assert cramped.blobs() == set()
    assert cramped.current() == ""


def test_room_that_vanishes_in_mid_stream(cramped: Pi, tmp_path: Path) -> None:
    old, new = faults.release(tmp_path / "old", 0, SMALL), faults.release(tmp_path, 1, LARGE)
    with ssh.connect(cramped.board.login) as session, ThreadPoolExecutor() as pool:
        deploy.deploy(session, [old], lease.new("old"))
        sending = pool.submit(deploy.deploy, session, [new], lease.new("new"), link_limit=1_500_000)
        faults.wait_until(
            lambda: sending.done() or any(".part" in blob for blob in cramped.blobs()), "sent"
        )
        cramped.sh(FILL)
        with pytest.raises(BoardDiskFull) as caught:
            sending.result(timeout=60)
        assert caught.value.code == 12
        assert cramped.current() == old.id
        assert set(cramped.releases()) == {old.id}

        cramped.sh("rm .piyard/filler")
        arrived = cramped.blobs()
        after = deploy.deploy(session, [new], lease.new("after", wait_s=0))
    assert after.content == sum(file.size for file in new.files if file.sha256 not in arrived)
    assert cramped.current() == new.id
    assert not [blob for blob in cramped.blobs() if blob.startswith(".part")]


def test_a_run_that_finds_no_room_fails_and_is_not_waited_for(cramped: Pi, tmp_path: Path) -> None:
    release = faults.release(tmp_path / "new", 1, SMALL)
    ours = lease.new("test")
    command = [f"../../releases/{release.id}/nnrun", "lines", "4"]
    with ssh.connect(cramped.board.login) as session:
        deploy.deploy(session, [release], ours, keep=True)
        cramped.sh(FILL)
        with pytest.raises(BoardDiskFull):
            detached.start(session, "run", release, command, ours, limit_s=10)
    gone(cramped, "nnrun", "piyard")


def test_a_run_whose_room_vanishes_has_an_end(cramped: Pi, tmp_path: Path) -> None:
    release = faults.release(tmp_path / "new", 1, SMALL)
    ours = lease.new("test")
    command = [f"../../releases/{release.id}/nnrun", "lines", "8"]
    with ssh.connect(cramped.board.login) as session:
        deploy.deploy(session, [release], ours, keep=True)
        detached.start(session, "run", release, command, ours, limit_s=20)
        running(cramped, "nnrun lines")
        cramped.sh(FILL)
        found = detached.wait(lambda: session, session, "run", lambda _: None)
    assert (found.state, found.code) == ("ended", 0)
    gone(cramped, "nnrun", "piyard")


# Somebody else has it.

HOLD = """
import sys, time
from pathlib import Path
import msgspec
from piyard import deploy
from piyard.board import Line
from tests import faults
line = Line(sys.argv[1])
line.lease = msgspec.structs.replace(line.lease, seconds=8)
deploy.deploy(line.session, [faults.release(Path(sys.argv[2]), 3, [100])], line.lease, keep=True)
print("held", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def child(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """Another process of the desktop, in a session of its own."""
    with subprocess.Popen(
        [sys.executable, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_board_whose_holder_was_killed_is_free_when_the_lease_is_over(
    pi: Pi, tmp_path: Path
) -> None:
    release = faults.release(tmp_path / "new", 1, SMALL)
    with child("-c", HOLD, BOARD, str(tmp_path / "held")) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        with ssh.connect(pi.board.login) as session:
            with pytest.raises(BoardBusy) as caught:
                deploy.deploy(session, [release], lease.new("second", wait_s=0))
            assert f"(process {holder.pid})" in caught.value.what
            deploy.deploy(session, [release], lease.new("third", wait_s=30))
    assert pi.current() == release.id


def test_what_a_killed_supervisor_left_running_is_ended_by_the_next_holder(
    pi: Pi, line: Line, tmp_path: Path
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
    with ssh.connect(pi.board.login) as session:
        next_one = lease.new("next", wait_s=0)
        deploy.deploy(session, [faults.release(tmp_path / "new", 1, SMALL)], next_one)
    gone(pi, "987", "nnrun")
    with pytest.raises(RunNotEnded) as caught:
        run.finish(line, record)
    assert caught.value.interrupted


def test_a_killed_supervisor_takes_its_command_along(pi: Pi, line: Line) -> None:
    record = begun(line, "stubborn")
    running(pi, "sleep 987")
    pi.sh(f"read -r _ supervisor _ < {HOME}/runs/$1/process; kill -s KILL $supervisor", record.id)
    gone(pi, "987", "nnrun")
    with pytest.raises(RunNotEnded) as caught:
        run.finish(line, record)
    assert caught.value.interrupted


def test_two_runs_are_one_after_the_other(pi: Pi) -> None:
    def one(name: str) -> None:
        way = Line(BOARD, wait_s=60)
        try:
            faults.do(way, "stamp", name)
        finally:
            way.close()

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, ["a", "b", "c"]))
    stamps = [line.split() for line in pi.sh("cat stamps").splitlines()]
    assert [what for what, _, _ in stamps] == ["start", "end"] * 3
    assert [name for _, name, _ in stamps[::2]] == [name for _, name, _ in stamps[1::2]]
    assert {name for _, name, _ in stamps} == {"a", "b", "c"}
    times = [float(at) for _, _, at in stamps]
    assert times == sorted(times)


def test_without_patience_a_held_board_is_a_failure_that_names_the_holder(
    pi: Pi, line: Line
) -> None:
    record = begun(line, "lines", "1000")
    hasty = Line(BOARD, wait_s=0)
    with pytest.raises(BoardBusy) as caught:
        faults.do(hasty, "lines", "1")
    hasty.close()
    assert caught.value.code == 16
    assert line.lease.owner in caught.value.what
    assert detached.status(line.session, record.id).state == "running"
    detached.cancel(line.session, record.id)


# A clock that is wrong.

CLOCK = """
mkdir -p /wrong
printf '#!/bin/sh\nexec /usr/bin/date -d "%s" "$@"\n' "$1" > /wrong/date
chmod 755 /wrong /wrong/date
echo 'SetEnv PATH=/wrong:/usr/bin:/bin' >> /etc/ssh/sshd_config
pkill sshd
"""


@pytest.mark.parametrize("off", ["1 year", "1 year ago"])
def test_a_clock_that_is_a_year_off_changes_nothing(
    pi: Pi, way: Line, tmp_path: Path, off: str
) -> None:
    def age() -> None:
        pi.sh(f'find {HOME} -exec touch -h -d "$1" {{}} +', off)

    pi.root(CLOCK, off)
    pi.await_sshd()
    (clock,) = [found for found in health.examine(Line("shelf")) if found.what == "clock"]
    assert not clock.well
    assert "off by 87" in clock.detail

    old, new = (faults.release(tmp_path / str(n), n, SMALL) for n in (0, 1))
    deploy.deploy(way.session, [old], way.lease)
    age()
    assert deploy.deploy(way.session, [old], way.lease).content == 0
    record = begun(way, "lines", "8")
    age()
    with pytest.raises(BoardBusy):
        deploy.deploy(way.session, [new], lease.new("second", wait_s=0))
    age()
    assert run.finish(way, record).state == "ended"
    age()
    stranger = lease.new("third", wait_s=60)
    taken = msgspec.structs.replace(way.lease, seconds=4)
    deploy.deploy(way.session, [old], taken, keep=True)
    age()
    deploy.deploy(way.session, [new], stranger)
    age()
    said = lease.script(way.session, stranger, "gc", HOME, stranger.token, "me", "1", "no")
    assert f"runs/{record.id}" in said
    assert set(pi.releases()) == {new.id}


# A board that is there and says nothing.


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short limits."""
    monkeypatch.setattr(login, "CONNECT_LIMIT_S", 2)
    monkeypatch.setattr(detached, "LOST_LIMIT_S", 4)
    monkeypatch.setattr(detached, "POLL_S", 1)
    # A command has half a minute to spare on the board; two seconds of that are enough here.
    monkeypatch.setattr(session, "SILENCE_S", -29)


def test_a_board_that_accepts_and_says_nothing_is_given_up(hasty: None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        way = Line(f"pi@127.0.0.1:{mute.getsockname()[1]}", "desktop")
        with pytest.raises(HostUnreachable) as caught:
            faults.do(way, "lines", "1")
        way.close()
    assert caught.value.code == 8


def test_a_board_that_hangs_is_given_up_and_its_run_is_had_later(
    pi: Pi, way: Line, hasty: None
) -> None:
    record = begun(way, "lines", "12")
    pi.signal_sshd("STOP")
    with pytest.raises(HostUnreachable):
        run.finish(way, record)
    pi.signal_sshd("CONT")
    assert run.finish(way, record).state == "ended"
    assert (folder_of(record.id) / LOG).read_text().endswith("line 12\nall\n")


def test_a_board_that_hangs_for_a_while_is_waited_for(
    pi: Pi, way: Line, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "LOST_LIMIT_S", 60)
    record = begun(way, "lines", "24")
    with ThreadPoolExecutor() as pool:
        done = pool.submit(run.finish, way, record)
        pi.signal_sshd("STOP")
        time.sleep(4)
        pi.signal_sshd("CONT")
        assert done.result(timeout=60).state == "ended"


def test_a_board_that_hangs_in_mid_deploy_is_given_up(
    pi: Pi, way: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "SILENCE_S", 2)
    release = faults.release(tmp_path / "new", 1, LARGE)
    with pytest.raises(HostUnreachable):
        deploy.deploy(
            way.session,
            [release],
            way.lease,
            check=lambda _told, _bytes: pi.signal_sshd("STOP"),
        )
    pi.signal_sshd("CONT")
    way.hang_up()
    assert deploy.deploy(way.session, [release], way.lease).content > 0


# Ctrl-C.

INTERRUPTED = """
import sys
from piyard.errors import PiyardError
from tests import faults
try:
    faults.each(sys.argv[1], [verb.split() for verb in sys.argv[2:]]).require_all()
except PiyardError as error:
    print(error, file=sys.stderr)
    sys.exit(error.code)
"""


def interrupted(pi: Pi, board: str, *verbs: str) -> tuple[int, str]:
    """The exit code and last words of a desktop that got Ctrl-C during the first job."""
    with child("-c", INTERRUPTED, board, *verbs) as desktop:
        running(pi, f"nnrun {verbs[0]}")
        time.sleep(1)
        desktop.send_signal(signal.SIGINT)
        _, said = desktop.communicate(timeout=60)
        return desktop.returncode, said


def test_ctrl_c_leaves_the_run_going_on_and_says_how_to_get_at_it(pi: Pi, real: str) -> None:
    code, said = interrupted(pi, real, "lines 24")
    assert code == 17, said
    assert "Traceback" not in said
    (record,) = (result.read_record(folder) for folder in result.runs())
    assert f"invoke attach {record.id}" in said
    assert pi.processes("nnrun lines")
    with runs._line(record) as line:
        done = run.finish(line, record)
    assert done.state == "ended"
    assert (folder_of(record.id) / LOG).read_text().endswith("line 24\nall\n")


def test_ctrl_c_does_not_go_on_to_the_next_job(pi: Pi, real: str) -> None:
    code, said = interrupted(pi, real, "lines 24", "stamp second")
    assert code != 0
    assert "Traceback" not in said
    assert pi.processes("nnrun lines")
    assert "second" not in pi.sh("cat stamps", check=False)
    assert len(list(result.runs())) == 1

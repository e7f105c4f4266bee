"""The fleet's commands as a user types them, on boards of this machine's own kind."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.emulator import EmulatedBoard
from piyard.board.facts import Facts
from piyard.board.fleet.selection import select_board
from piyard.board.lease import lease_holder, new_lease, release_lease, run_leased_script
from piyard.board.release import HOME, Release, ReleaseFile
from piyard.board.ssh import hostkeys
from piyard.board.ssh.address import Address
from piyard.board.ssh.hostkeys import pinned_hosts_file
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import open_session
from piyard.core.cancel import wait_until
from piyard.core.files import sha256_of_file
from piyard.run.deploy import deploy_releases
from piyard.run.lifecycle import start_run
from piyard.run.record import BuildInfo, ModelInfo, Record, TaskInfo
from piyard.run.remote import read_status
from piyard.run.run_folders import LOG_FILE, run_folder
from tests.integration.conftest import Invoke
from tests.support.ssh_server import Sshd, new_key

pytestmark = [pytest.mark.docker, pytest.mark.board]

Boards = Callable[[str], EmulatedBoard]


@pytest.fixture(autouse=True)
def own_fleet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "fleet.yaml"
    monkeypatch.setenv("PIYARD_FLEET", str(file))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return file


@pytest.fixture
def two(own_boards: Boards, invoke: Invoke) -> tuple[str, str]:
    """Two boards in the inventory, with the tag ``lab``."""
    for number in (1, 2):
        own_boards(f"desktop/{number}")
        added = invoke(
            *("fleet.add", "--host", f"emulated:desktop/{number}"),
            *("--name", f"d{number}", "--tag", "lab"),
        )
        assert added.returncode == 0, added.stderr
    return "d1", "d2"


def release(folder: Path, content: str) -> Release:
    folder.mkdir(exist_ok=True)
    path = folder / "nnrun"
    path.write_text(content)
    file = ReleaseFile(
        name="nnrun", path=path, sha256=sha256_of_file(path), size=path.stat().st_size
    )
    return Release(files=[file], label=content.splitlines()[-1])


def put(name: str, *releases: Release) -> None:
    line = BoardConnection(select_board(name))
    try:
        for each in releases:
            deploy_releases(line.session, [each], line.lease)
    finally:
        line.close()


def test_a_board_is_added_with_what_it_is(two: tuple[str, str], invoke: Invoke) -> None:
    (first, second) = json.loads(invoke("fleet.list", "--format", "json").stdout)
    assert (first["Board"], first["Target"], first["Tags"]) == ("d1", "desktop", "lab")
    assert second["Host"] == "emulated:desktop/2"
    again = invoke("fleet.add", "--host", "emulated:desktop/1", "--name", "d1")
    assert again.returncode == 3
    assert "there is a board 'd1' already" in again.stderr


def test_every_board_answers_at_once(two: tuple[str, str], invoke: Invoke) -> None:
    output = json.loads(invoke("fleet.facts", "--all", "--format", "json").stdout)
    assert [each["board"] for each in output] == ["d1", "d2"]
    assert all(item["page_size"] and item["boot_id"] for item in output)
    healthy = invoke("fleet.doctor", "--host", "@lab")
    assert healthy.returncode == 0
    assert "WRONG" not in healthy.stdout
    said = json.loads(
        invoke(
            *("fleet.exec", "--host", "d*", "--command", "printf '%s' '$(id) a  b'"),
            *("--format", "json"),
        ).stdout
    )
    assert [entry["Output"] for entry in said] == ["$(id) a  b"] * 2


def test_a_board_that_is_away_does_not_stop_the_other(
    two: tuple[str, str], invoke: Invoke, own_fleet: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    own_fleet.write_text(
        own_fleet.read_text() + f"  away: {{host: 127.0.0.1, port: {port}, target: rpi5}}\n"
    )
    done = invoke("fleet.exec", "--all", "--command", "hostname", "--format", "json")
    assert done.returncode == 1
    assert [each["Output"] for each in json.loads(done.stdout)] == ["desktop-1", "desktop-2"]
    assert "away does not answer over SSH" in done.stderr
    assert "1 of 3 jobs failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_releases_go_back_and_old_ones_go_away(
    two: tuple[str, str], invoke: Invoke, tmp_path: Path
) -> None:
    put("d1", *(release(tmp_path / f"r{i}", f"#!/bin/sh\necho {i}\n") for i in range(4)))
    back = invoke("rollback", "--host", "d1")
    assert "echo 3" in back.stdout
    assert "echo 2" in back.stdout
    assert ran(invoke, "d1") == "2"
    said = invoke("fleet.gc", "--host", "d1", "--keep", "1", "--dry-run")
    assert said.stdout.count("releases/") == 3
    invoke("fleet.gc", "--host", "d1", "--keep", "1")
    assert ran(invoke, "d1") == "2"
    with_one = invoke("rollback", "--host", "d1")
    assert with_one.returncode == 3
    assert "no release before its current one" in with_one.stderr


def ran(invoke: Invoke, name: str) -> str:
    command = ("fleet.exec", "--host", name, "--command", f"{HOME}/current/nnrun")
    done = invoke(*command, "--format", "json")
    return str(json.loads(done.stdout)[0]["Output"])


def test_who_holds_a_board_is_said_and_waited_for(
    two: tuple[str, str], invoke: Invoke, tmp_path: Path
) -> None:
    holder = BoardConnection(select_board("d1"))
    try:
        mine = release(tmp_path / "r", "#!/bin/sh\n")
        deploy_releases(holder.session, [mine], holder.lease, keep=True)
        holder.has_lease = True
        (held, free) = json.loads(invoke("fleet.locks", "--all", "--format", "json").stdout)
        assert held["Held by"] == holder.lease.owner
        assert free["Held by"] == "free"
        busy = invoke("fleet.gc", "--host", "d1", "--no-wait")
        assert busy.returncode == 16
        assert holder.lease.owner in busy.stderr
        assert "Traceback" not in busy.stderr
    finally:
        holder.close()
    assert invoke("fleet.gc", "--host", "d1", "--no-wait").returncode == 0


def test_a_run_is_listed_fetched_and_cancelled(
    two: tuple[str, str], invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    record = started(tmp_path)
    assert listed(invoke)[record.id] == "running"
    fetched = invoke("fetch", record.id)
    assert fetched.returncode == 0, fetched.stderr
    assert (run_folder(record.id) / LOG_FILE).read_text() == "begun\n"
    cancelled = invoke("cancel", record.id)
    assert cancelled.returncode == 0, cancelled.stderr
    assert listed(invoke)[record.id] == "cancelled"
    assert invoke("cancel", record.id).returncode == 0


def listed(invoke: Invoke) -> dict[str, str]:
    return {each["Run"]: each["State"] for each in json.loads(invoke("runs", "-f", "json").stdout)}


def _has_written(line: BoardConnection, record: Record) -> bool | None:
    return read_status(line.session, record.id).lines > 0 or None


def started(folder: Path) -> Record:
    """A run of a stand-in for nnrun on d1 that would take very long."""
    line = BoardConnection(select_board("d1"))
    slow = release(folder / "slow", "#!/bin/sh\necho begun\nexec sleep 1000\n")
    try:
        deploy_releases(line.session, [slow], line.lease, keep=True)
        record = Record(
            id="20260101T000000-slow-000000",
            when="2026-01-01T00:00:00+00:00",
            what=TaskInfo(task="bench", slug="slow"),
            host="d1",
            target="desktop",
            hardware="Desktop (container)",
            emulated=True,
            model=ModelInfo(name="slow", key="0", title="slow", input=[3, 8, 8]),
            build=BuildInfo(key="0"),
            release=slow.id,
            before=Facts(machine="x86_64"),
            state="running",
            token=line.lease.token,
        )
        start_run(line, record, slow, "bench", [], 900)
        assert wait_until(lambda: _has_written(line, record), 60)
    finally:
        line.has_lease = False
        line.close()
    return record


def test_a_board_that_was_flashed_anew_is_trusted_again(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_fleet: Path, invoke: Invoke
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    own_fleet.write_text(
        f"boards:\n  pi5: {{host: 127.0.0.1, port: {sshd.port}, user: pi, target: desktop, "
        f"key: {sshd.client_key_file}}}\n"
    )
    ask = ("fleet.exec", "--host", "pi5", "--command", "true")
    assert invoke(*ask, "--strict").returncode == 18
    assert invoke(*ask).returncode == 0
    sshd.host_key = new_key(tmp_path / "anew")
    changed = invoke(*ask)
    assert changed.returncode == 10
    assert "invoke fleet.trust --host pi5" in changed.stderr
    shown = hostkeys.fingerprint(sshd.host_key.asbytes())
    assert shown in changed.stderr
    wrong = invoke("fleet.trust", "--host", "pi5", "--fingerprint", "SHA256:other")
    assert wrong.returncode == 10
    assert invoke(*ask).returncode == 10
    right = invoke("fleet.trust", "--host", "pi5", "--fingerprint", shown)
    assert right.returncode == 0, right.stderr
    assert invoke(*ask, "--strict").returncode == 0


def test_an_emulated_board_has_the_key_it_was_given(two: tuple[str, str], invoke: Invoke) -> None:
    done = invoke("fleet.trust", "--host", "d1")
    assert done.returncode == 3
    assert "is emulated" in done.stderr


def test_a_jump_host_is_gone_through_and_its_key_checked(
    sshd: Sshd, own_boards: Boards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = own_boards("desktop/1")
    near = own_boards("desktop/2")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    (tmp_path / "home" / ".ssh" / "config").write_text(
        f"Host gate\n  HostName 127.0.0.1\n  Port {near.port}\n  User pi\n"
        f"  IdentityFile {near.login.key}\n"
        f"Host far\n  HostName {_inner_address(far)}\n  User pi\n  ProxyJump gate\n"
        f"  IdentityFile {far.login.key}\n"
    )
    login = Login(address=Address(host="far"))
    with open_session(login) as session:
        assert session.run(["hostname"]).out == "desktop-1\n"
    pinned = pinned_hosts_file().read_text()
    assert f"[127.0.0.1]:{near.port}" in pinned
    assert _inner_address(far) in pinned


def _inner_address(board: EmulatedBoard) -> str:
    from piyard.core.containers import connect_engine

    container = connect_engine().containers.get(board.container)
    return str(container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])


def test_a_dry_run_asks_no_board(own_fleet: Path, invoke: Invoke) -> None:
    own_fleet.write_text("boards:\n  a: {host: a.invalid, target: rpi5}\n"
                         "  b: {host: b.invalid, target: rpi5}\n")  # fmt: skip
    done = invoke("bench", "--all", "--spread", "--model", "resnet18", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"bench: resnet18 {precision}, 4 threads, on any rpi5 of a, b (rpi5)"
        for precision in ("fp32", "fp16")
    ]


def test_what_failed_is_repeated_alone(own_fleet: Path, invoke: Invoke, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    own_fleet.write_text(
        f"boards:\n  a: {{host: 127.0.0.1, port: {port}, target: rpi5}}\n"
        f"  b: {{host: 127.0.0.1, port: {port}, target: rpi5}}\n"
    )
    env = {"PIYARD_ARTIFACTS": str(tmp_path / "artifacts")}
    done = invoke("deploy", "--all", "--model", "resnet18", **env)
    assert done.returncode == 1
    assert "no board can be used" in done.stderr
    again = invoke("deploy", "--retry-failed", **env)
    assert "a does not answer" in again.stderr
    assert "b does not answer" in again.stderr


def test_nobody_can_be_fooled_by_a_fake_lease_owner(two: tuple[str, str], invoke: Invoke) -> None:
    line = BoardConnection(select_board("d1"))
    try:
        odd = new_lease("$(touch /home/pi/pwned)\n`id`; 'q' \"d\"")
        assert (
            run_leased_script(line.session, odd, "lease_take", HOME, odd.token, "30", odd.owner)
            == ""
        )
        assert "$(touch /home/pi/pwned)" in lease_holder(line.session)
        assert "pwned" not in line.session.run(["ls"]).out
        release_lease(line.session, odd)
    finally:
        line.close()


def test_trust_needs_a_board_that_answers(own_fleet: Path, invoke: Invoke) -> None:
    done = invoke("fleet.trust", "--host", "nobody.invalid")
    assert done.returncode == 7
    assert "Traceback" not in done.stderr

"""Hosts that are not what they should be, over real SSH handshakes on loopback."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from piyard.board import connection
from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts, read_facts
from piyard.board.lease import new_lease
from piyard.board.release import HOME, release_of
from piyard.board.ssh import login as ssh_login
from piyard.board.ssh.address import Address
from piyard.board.ssh.hostkeys import pinned_hosts_file
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import open_session
from piyard.core.errors import (
    BoardCommandFailed,
    HostKeyChanged,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    WrongBoard,
    WrongInput,
)
from piyard.core.store import Manifest, get_or_make
from piyard.run.deploy import deploy_releases
from tests.support.board_access import open_board
from tests.support.ssh_server import USER, Sshd, new_key

HERE = platform.machine()


def test_runs_commands_and_keeps_their_streams_apart(sshd: Sshd) -> None:
    with open_session(sshd.login) as session:
        outcome = session.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (outcome.code, outcome.out, outcome.err) == (3, "out\n", "err\n")


def test_hostile_arguments_arrive_as_they_are(sshd: Sshd) -> None:
    nasty = ["$(touch pwned)", "; touch pwned", "a b", "it's", "`id`", "two\nlines", "*", "ü"]
    with open_session(sshd.login) as session:
        outcome = session.run(["printf", "%s\\0", *nasty])
    assert outcome.out.split("\0")[:-1] == nasty
    assert not (sshd.home / "pwned").exists()


def test_a_command_out_of_time_is_dead_on_the_board(sshd: Sshd) -> None:
    script = "echo $$ > pid; exec sleep 60"
    with (
        open_session(sshd.login) as session,
        pytest.raises(BoardCommandFailed, match="ended after 1 s"),
    ):
        session.run(["sh", "-c", script], limit_s=1)
    pid = int((sshd.home / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_release_is_deployed_over_ssh_and_again_for_nothing(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))

    def fill(folder: Path) -> Manifest:
        (folder / "nnrun").write_bytes(b"#!/bin/sh\necho runs\n")
        (folder / "model").write_bytes(os.urandom(100_000))
        return Manifest()

    or_make, _ = get_or_make("things", "a", fill)
    release = release_of((or_make, ["nnrun", "model"]))
    with open_session(sshd.login) as session:
        first = deploy_releases(session, [release], new_lease("test"))
        second = deploy_releases(session, [release], new_lease("test"))
        assert session.commands == 2
        said = session.run([f"{HOME}/current/nnrun"]).out
    assert (first.content, first.saved) == (100_020, 0)
    assert (second.sent, second.content, second.saved) == (0, 0, 100_020)
    assert said == "runs\n"


def test_facts_of_this_machine(sshd: Sshd) -> None:
    with open_session(sshd.login) as session:
        facts = read_facts(session)
    assert facts.machine == HERE
    assert facts.page_size == os.sysconf("SC_PAGESIZE")
    assert facts.memory_kb
    assert facts.memory_kb > 100_000
    assert facts.free_disk_kb is not None


@pytest.mark.skipif(HERE == "aarch64", reason="this machine could be a board")
def test_a_board_that_is_not_aarch64_is_refused(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoardConnection, "_open_login", lambda _: nullcontext(sshd.login))
    for target_name in ("", "rpi5"):
        with (
            pytest.raises(WrongBoard, match=f"is {HERE}") as caught,
            open_board("pi5", target_name),
        ):
            raise AssertionError("opened")
        assert caught.value.code == 11


def test_a_board_nobody_knows_needs_its_target_named(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Facts(machine="aarch64", model="Orange Pi 5", features="fp asimd asimdhp asimddp")
    monkeypatch.setattr(BoardConnection, "_open_login", lambda _: nullcontext(sshd.login))
    monkeypatch.setattr(connection, "read_facts", lambda _session: facts)
    with (
        pytest.raises(WrongInput, match="no target lists the model of opi, 'Orange Pi 5'"),
        open_board("opi"),
    ):
        raise AssertionError("opened")
    with open_board("opi", "rpi5") as line:
        assert line.spec.hardware == "Raspberry Pi 5"


def connecting(login: Login) -> type[PiyardError]:
    """The error that stands in the way of a login."""
    with pytest.raises(PiyardError) as caught, open_session(login):
        raise AssertionError("connected")
    assert len(caught.value.what.splitlines()) == 1
    assert caught.value.remedy
    return type(caught.value)


def test_a_wrong_key(sshd: Sshd, tmp_path: Path) -> None:
    new_key(tmp_path / "other")
    login = Login(address=sshd.login.address, key=tmp_path / "other", known_hosts=sshd.known_hosts)
    assert connecting(login) is KeyRejected


class Terminal:
    """A terminal at which somebody answers every question for a password."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.questions: list[str] = []

    def isatty(self) -> bool:
        return True

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return self.answer


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    result = Terminal("secret")
    monkeypatch.setattr("sys.stdin", result)
    monkeypatch.setattr("getpass.getpass", result.ask)
    return result


def stranger(sshd: Sshd, folder: Path) -> Login:
    new_key(folder / "other")
    return Login(
        address=sshd.login.address, name="pi5", key=folder / "other", known_hosts=sshd.known_hosts
    )


def test_a_password_is_asked_for_where_no_key_helps(
    sshd: Sshd, tmp_path: Path, terminal: Terminal
) -> None:
    sshd.password = "secret"
    with open_session(stranger(sshd, tmp_path)) as session:
        assert session.run(["echo", "in"]).out == "in\n"
    assert terminal.questions == ["password of pi on pi5: "]


def test_a_wrong_password_is_a_rejected_key(sshd: Sshd, tmp_path: Path, terminal: Terminal) -> None:
    sshd.password = "another"
    assert connecting(stranger(sshd, tmp_path)) is KeyRejected
    assert len(terminal.questions) == 1


def test_nobody_is_asked_where_passwords_open_nothing(
    sshd: Sshd, tmp_path: Path, terminal: Terminal
) -> None:
    assert connecting(stranger(sshd, tmp_path)) is KeyRejected
    assert terminal.questions == []


def test_nobody_is_asked_where_nobody_is(
    sshd: Sshd, tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.password = "secret"
    monkeypatch.setattr(terminal, "isatty", lambda: False)
    assert connecting(stranger(sshd, tmp_path)) is KeyRejected
    assert terminal.questions == []


def test_a_changed_host_key(sshd: Sshd, tmp_path: Path) -> None:
    sshd.know(new_key(tmp_path / "former"))
    assert connecting(sshd.login) is HostKeyChanged


def test_an_unknown_host_key_is_refused_where_only_given_ones_count(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    assert connecting(sshd.login) is HostKeyChanged


def test_a_first_contact_is_pinned_and_held_to(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    login = Login(address=sshd.login.address, key=sshd.client_key_file)
    with open_session(login) as session:
        assert session.run(["echo", "hi"]).out == "hi\n"
    assert f"[127.0.0.1]:{sshd.port}" in pinned_hosts_file().read_text()
    sshd.host_key = new_key(tmp_path / "reflashed")
    assert connecting(login) is HostKeyChanged


def test_a_wrong_user(sshd: Sshd) -> None:
    address = Address(host="127.0.0.1", user="root", port=sshd.port)
    login = Login(address=address, key=sshd.client_key_file, known_hosts=sshd.known_hosts)
    assert USER != "root"
    assert connecting(login) is KeyRejected


def test_no_such_host(sshd: Sshd) -> None:
    address = Address(host="no-such-board.invalid", user="pi")
    assert connecting(Login(address=address)) is NoSuchHost


@contextmanager
def hung() -> Iterator[int]:
    """Accepts TCP and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.timeout(60)
def test_a_hung_board_is_given_up_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_login, "CONNECT_LIMIT_S", 2)
    with hung() as port:
        login = Login(address=Address(host="127.0.0.1", user="pi", port=port))
        assert connecting(login) is HostUnreachable


def test_a_user_sees_one_line_and_the_exit_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "bench", "--host", f"pi@127.0.0.1:{port}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_DATA_HOME": str(tmp_path), "PIYARD_ARTIFACTS": str(tmp_path)},
    )
    assert done.returncode == 8
    assert done.stderr.startswith(f"piyard: pi@127.0.0.1:{port} does not answer over SSH")
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr

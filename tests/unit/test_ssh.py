"""Whatever a network or a host does to us becomes one clear error with its own exit code."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import invoke
import paramiko
import pytest

from piyard import ssh
from piyard.address import Address
from piyard.errors import (
    BoardCommandFailed,
    BoardDiskFull,
    HostKeyChanged,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
)
from piyard.ssh import Login, Outcome, Session


class FakeKey:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def asbytes(self) -> bytes:
        return self.content

    def get_name(self) -> str:
        return "ssh-ed25519"

    def get_base64(self) -> str:
        return "AAAA"


def bad_host_key() -> Exception:
    return paramiko.BadHostKeyException("pi5", FakeKey(b"new"), FakeKey(b"old"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raised", "expected", "code", "remedy"),
    [
        (socket.gaierror(-2, "Name or service not known"), NoSuchHost, 7, "check the name"),
        (ConnectionRefusedError(111, "refused"), HostUnreachable, 8, "powered"),
        (TimeoutError("timed out"), HostUnreachable, 8, "powered"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), HostUnreachable, 8, "powered"),
        (OSError(errno.ENETUNREACH, "unreachable"), HostUnreachable, 8, "powered"),
        (EOFError(), HostUnreachable, 8, "powered"),
        (paramiko.SSHException("Error reading SSH protocol banner"), HostUnreachable, 8, "sshd"),
        (paramiko.AuthenticationException("denied"), KeyRejected, 9, "ssh-copy-id"),
        (bad_host_key(), HostKeyChanged, 10, "ssh-keygen -R"),
    ],
)
def test_translates(raised: Exception, expected: type[PiyardError], code: int, remedy: str) -> None:
    with pytest.raises(expected) as caught, ssh._translated("pi5"):
        raise raised
    assert caught.value.code == code
    assert remedy in str(caught.value)
    assert "pi5" in caught.value.what


def test_a_local_error_is_not_blamed_on_the_network() -> None:
    with pytest.raises(FileNotFoundError), ssh._translated("pi5"):
        raise FileNotFoundError(errno.ENOENT, "no such file")


class FakeConnection:
    """Answers every command with one result and remembers what was asked."""

    def __init__(self, exited: int = 0, out: str = "", err: str = "") -> None:
        self.result = invoke.runners.Result(stdout=out, stderr=err, exited=exited)
        self.asked: list[str] = []

    def run(self, command: str, **_options: Any) -> Any:
        self.asked.append(command)
        return self.result


def session(connection: FakeConnection) -> Session:
    return Session(connection, "pi5")


def test_a_command_is_quoted_once_and_has_a_limit_on_the_board() -> None:
    connection = FakeConnection()
    session(connection).run(["echo", "$(id)", "a b", "it's"], limit_s=7)
    assert connection.asked == ["timeout -k 5 7 echo '$(id)' 'a b' 'it'\"'\"'s'"]


def test_what_varies_is_an_argument_of_a_script() -> None:
    connection = FakeConnection()
    session(connection).script('echo "$1"', "; rm -rf /")
    assert connection.asked[0].endswith("""sh -c 'echo "$1"' piyard '; rm -rf /'""")


@pytest.mark.parametrize("code", [124, 137])
def test_a_command_out_of_time_says_so(code: int) -> None:
    with pytest.raises(BoardCommandFailed, match="ended after 3 s"):
        session(FakeConnection(code)).run(["sleep", "9"], limit_s=3, check=False)


def test_a_failed_command_shows_its_last_words() -> None:
    with pytest.raises(BoardCommandFailed) as caught:
        session(FakeConnection(2, err="no such model")).run(["nnrun"])
    assert "exit code 2" in caught.value.what
    assert "no such model" in str(caught.value)


def test_a_full_disk_is_recognised() -> None:
    with pytest.raises(BoardDiskFull):
        session(FakeConnection(1, err="cp: No space left on device")).run(["cp", "a", "b"])


def test_a_failure_may_be_an_outcome() -> None:
    assert session(FakeConnection(3, out="x")).run(["false"], check=False) == Outcome(
        code=3, out="x", err=""
    )


def test_a_first_contact_is_pinned_and_its_fingerprint_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ssh.pinned_hosts().parent.mkdir(parents=True)
    policy = ssh._pin_on_first_contact()
    policy.missing_host_key(None, "[pi5]:2222", FakeKey(b"key"))
    assert ssh.pinned_hosts().read_text() == "[pi5]:2222 ssh-ed25519 AAAA\n"
    assert ssh.fingerprint(b"key") in capsys.readouterr().err


def test_a_fingerprint_is_as_ssh_keygen_shows_it() -> None:
    # printf key | openssl dgst -sha256 -binary | base64
    assert ssh.fingerprint(b"key") == "SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM"


@contextmanager
def mute_server() -> Iterator[int]:
    """Accepts TCP and says nothing, as a hung board does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def fails_to_connect(port: int) -> None:
    login = Login(address=Address(host="127.0.0.1", user="pi", port=port))
    with pytest.raises(HostUnreachable, match="does not answer"), ssh.connect(login):
        raise AssertionError("connected to nothing")


def test_a_hung_board_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ssh, "CONNECT_LIMIT_S", 1)
    with mute_server() as port:
        fails_to_connect(port)


def test_a_closed_port_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    fails_to_connect(port)

"""Whatever a network or a host does to us becomes one clear error with its own exit code."""

from __future__ import annotations

import errno
import re
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from piyard.board.ssh import hostkeys, login
from piyard.board.ssh.address import Address
from piyard.board.ssh.commands import CommandOutcome
from piyard.board.ssh.errors import translate_errors
from piyard.board.ssh.hostkeys import (
    STRICT_VARIABLE,
    check_host_keys,
    pin_host_key,
    pinned_hosts_file,
)
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import Session, open_session
from piyard.core.errors import (
    BoardCommandFailed,
    BoardDiskFull,
    HostKeyChanged,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    UnknownHostKey,
)


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
        (bad_host_key(), HostKeyChanged, 10, "fleet.trust --host pi5"),
    ],
)
def test_translates(raised: Exception, expected: type[PiyardError], code: int, remedy: str) -> None:
    with pytest.raises(expected) as caught, translate_errors("pi5"):
        raise raised
    assert caught.value.code == code
    assert remedy in str(caught.value)
    assert "pi5" in caught.value.what


def test_a_local_error_is_not_blamed_on_the_network() -> None:
    with pytest.raises(FileNotFoundError), translate_errors("pi5"):
        raise FileNotFoundError(errno.ENOENT, "no such file")


class FakeChannel:
    """Answers a command with one result."""

    def __init__(self, exited: int, out: str, err: str) -> None:
        self.exited, self.said = exited, (out.encode(), err.encode())
        self.status_event = threading.Event()
        self.status_event.set()

    def exec_command(self, command: bytes) -> None:
        halves = re.search(rb" piyard (\w+) (\w+) (.*)", command, re.DOTALL)
        assert halves
        marker = halves[1] + halves[2]
        words = shlex.split(halves[3].decode())
        self.asked = re.sub(r"\\0(\d{3})", lambda m: chr(int(m[1], 8)), "".join(words))
        self.out, self.err = (
            [b"%b%b%b %d;" % (marker, said, marker, self.exited)] for said in self.said
        )

    def recv(self, _size: int) -> bytes:
        return self.out.pop() if self.out else b""

    def recv_stderr(self, _size: int) -> bytes:
        return self.err.pop() if self.err else b""

    def recv_exit_status(self) -> int:
        return self.exited

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def shutdown_write(self) -> None:
        pass

    def close(self) -> None:
        pass


class FakeConnection:
    """An open connection whose every command has one result."""

    def __init__(self, exited: int = 0, out: str = "", err: str = "") -> None:
        self.channel = FakeChannel(exited, out, err)
        self.client = self

    def get_transport(self) -> FakeConnection:
        return self

    def is_active(self) -> bool:
        return True

    def open_session(self, timeout: float) -> FakeChannel:
        assert timeout > 0
        return self.channel

    def close(self) -> None:
        pass


def session(connection: FakeConnection) -> Session:
    return Session(connection, "pi5")


def test_a_command_is_quoted_once_and_has_a_limit_on_the_board() -> None:
    connection = FakeConnection()
    session(connection).run(["echo", "$(id)", "a b", "it's"], limit_s=7)
    assert "timeout -k 5 7 echo '$(id)' 'a b' 'it'\"'\"'s';" in connection.channel.asked


def test_what_varies_is_an_argument_of_a_script() -> None:
    connection = FakeConnection()
    session(connection).script("facts_now", "; rm -rf /")
    assert "then timeout -k 5 60 sh -c " in connection.channel.asked
    assert " piyard '; rm -rf /'; else" in connection.channel.asked


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
    with pytest.raises(BoardDiskFull) as caught:
        session(FakeConnection(1, err="cp: No space left on device")).run(["cp", "a", "b"])
    assert "fleet.gc --host pi5" in caught.value.remedy


def test_a_failure_may_be_an_outcome() -> None:
    assert session(FakeConnection(3, out="x")).run(["false"], check=False) == CommandOutcome(
        code=3, out="x", err=""
    )


def test_each_command_is_counted() -> None:
    counted = session(FakeConnection())
    counted.run(["true"])
    counted.run(["true"])
    assert counted.commands == 2


class KnownClient(paramiko.SSHClient):
    """Takes known hosts and a policy, as paramiko's client does."""

    policy: Any

    def load_system_host_keys(self, _filename: Any = None) -> None:
        pass

    def set_missing_host_key_policy(self, policy: Any) -> None:
        self.policy = policy


def test_a_first_contact_is_pinned_and_its_fingerprint_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = KnownClient()
    check_host_keys(client, None)
    client.policy.missing_host_key(None, "[pi5]:2222", FakeKey(b"key"))
    assert pinned_hosts_file().read_text() == "[pi5]:2222 ssh-ed25519 AAAA\n"
    assert hostkeys.fingerprint(b"key") in capsys.readouterr().err


def test_strict_refuses_a_host_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    client = KnownClient()
    check_host_keys(client, None)
    with pytest.raises(UnknownHostKey, match="never seen before") as caught:
        client.policy.missing_host_key(None, "pi5", FakeKey(b"key"))
    assert caught.value.code == 18
    assert hostkeys.fingerprint(b"key") in caught.value.evidence
    assert pinned_hosts_file().read_text() == ""


def test_a_pinned_key_is_replaced_and_the_others_stay() -> None:
    first, second, other = (paramiko.ECDSAKey.generate() for _ in range(3))
    pinned_hosts_file().parent.mkdir(parents=True)
    assert pin_host_key("other", other) == []
    assert pin_host_key("[pi5]:2222", first) == []
    assert pin_host_key("[pi5]:2222", second) == [hostkeys.fingerprint(first.asbytes())]
    kept = paramiko.HostKeys(str(pinned_hosts_file()))
    assert kept.check("other", other)
    assert kept.check("[pi5]:2222", second)
    assert not kept.check("[pi5]:2222", first)


def test_a_fingerprint_is_as_ssh_keygen_shows_it() -> None:
    # printf key | openssl dgst -sha256 -binary | base64
    assert hostkeys.fingerprint(b"key") == "SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM"


@contextmanager
def mute_server() -> Iterator[int]:
    """Accepts TCP and says nothing, as a hung board does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def fails_to_connect(port: int) -> None:
    way = Login(address=Address(host="127.0.0.1", user="pi", port=port))
    with pytest.raises(HostUnreachable, match="does not answer"), open_session(way):
        raise AssertionError("connected to nothing")


def test_a_hung_board_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(login, "CONNECT_LIMIT_S", 1)
    with mute_server() as port:
        fails_to_connect(port)


def test_a_closed_port_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    fails_to_connect(port)

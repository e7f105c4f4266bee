"""~/.ssh/config means to piyard what it means to ssh, over real handshakes on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from piyard.board.ssh import session as ssh_session
from piyard.board.ssh.address import Address
from piyard.board.ssh.config import _defaults, _warn_unsupported
from piyard.board.ssh.hostkeys import pinned_hosts_file
from piyard.board.ssh.login import Identities, Login
from piyard.board.ssh.session import open_session, read_host_key
from piyard.board.ssh.settings import configured_settings
from piyard.core import console
from piyard.core.cancel import wait_until
from piyard.core.errors import (
    HostKeyChanged,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    UnknownHostKey,
    WrongInput,
)
from tests.support.ssh_server import Sshd, new_key

Configure = Callable[..., None]
RELAY = """
import os, socket, sys, threading
there = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while block := os.read(0, 65536): there.sendall(block)
    there.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while block := there.recv(65536): os.write(1, block)
"""

pytestmark = pytest.mark.skipif(
    not shutil.which("ssh"), reason="this machine has no ssh: apt-get install openssh-client"
)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "home of mine"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    said: list[str] = []
    monkeypatch.setattr(console, "info", said.append)
    _warn_unsupported.cache_clear()
    yield said
    _defaults.cache_clear()


@pytest.fixture
def configure(home: Path, sshd: Sshd) -> Configure:
    """Write a configuration: a board called ``bench-pi`` that can be reached, and more."""

    def write(more: str = "", *, key: str = "", before: str = "") -> None:
        key = key or f'IdentityFile "{sshd.client_key_file}"'
        (home / ".ssh" / "config").write_text(
            f"{before}\nHost bench-pi\n  HostName 127.0.0.1\n  Port {sshd.port}\n  {key}\n{more}\n"
        )

    return write


def said_by(name: str = "bench-pi", **keys: object) -> str:
    """What a command on the board says."""
    login = Login(address=Address(host=name), **keys)  # type: ignore[arg-type]
    with open_session(login) as session:
        return session.run(["echo", "in"]).out


def refused(name: str = "bench-pi") -> PiyardError:
    """What stands in the way of a login."""
    with pytest.raises(PiyardError) as caught:
        said_by(name)
    assert len(caught.value.what.splitlines()) == 1
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    "more",
    [
        "Match final all\n  ForwardAgent no",
        "Match canonical all\n  User nobody",
        'Match host 10.* exec "exit 1"\n  User nobody',
        "Match originalhost other\n  User nobody",
        "Match localuser nobody-here\n  User nobody",
        "Host *\n  ControlMaster auto\n  ControlPath ~/.ssh/%C\n  RemoteCommand none",
        "IgnoreUnknown UseKeychain\nUseKeychain yes",
    ],
)
def test_each_criterion_means_what_it_means_to_ssh(configure: Configure, more: str) -> None:
    configure(more)
    assert said_by() == "in\n"


def test_a_match_that_runs_a_command_decides(configure: Configure, sshd: Sshd) -> None:
    configure('Match exec "true"\n  User somebody')
    assert isinstance(refused(), KeyRejected)
    assert sshd.logins[0].startswith("somebody ")


@pytest.mark.parametrize("include", ["conf.d/*.conf", "~/.ssh/conf.d/a.conf", '"conf.d/a.conf"'])
def test_what_is_included_counts(home: Path, sshd: Sshd, include: str) -> None:
    (home / ".ssh" / "conf.d").mkdir()
    (home / ".ssh" / "conf.d" / "a.conf").write_text(
        f"Host bench-pi\n  HostName 127.0.0.1\n  Port {sshd.port}\n"
        f"  IdentityFile {sshd.client_key_file}\n"
    )
    (home / ".ssh" / "config").write_text(f"Include {include}\n")
    assert said_by() == "in\n"


@pytest.mark.parametrize("path", ["~/keys of %n/%r", "${KEYS}/%r", "%d/keys of %n/%r"])
def test_a_key_is_named_with_tokens_and_quotes(
    configure: Configure, home: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    folder = home / "keys of bench-pi"
    folder.mkdir()
    shutil.copy(sshd.client_key_file, folder / "pi")
    monkeypatch.setenv("KEYS", str(folder))
    configure(key=f'IdentityFile "{path}"')
    assert said_by() == "in\n"


def test_a_key_that_is_missing_is_named_and_the_next_one_serves(
    configure: Configure, sshd: Sshd
) -> None:
    configure(key=f"IdentityFile ~/gone\n  IdentityFile {sshd.client_key_file}")
    assert said_by() == "in\n"
    configure(key="IdentityFile ~/gone")
    why = refused()
    assert isinstance(why, KeyRejected)
    assert "gone: does not exist" in why.evidence


def test_without_a_configuration_the_usual_keys_serve(home: Path, sshd: Sshd) -> None:
    shutil.copy(sshd.client_key_file, home / ".ssh" / "id_ecdsa")
    login = Login(address=Address(host="127.0.0.1", port=sshd.port))
    with open_session(login) as session:
        assert session.run(["echo", "in"]).out == "in\n"


def test_no_key_at_all_says_how_to_make_one(configure: Configure) -> None:
    configure(key="IdentityFile none")
    why = refused()
    assert isinstance(why, KeyRejected)
    assert "no key to offer" in why.evidence


def test_a_locked_key_is_named(configure: Configure, home: Path) -> None:
    keygen("-t", "ed25519", "-N", "secret", "-f", str(home / "locked"))
    configure(key="IdentityFile ~/locked")
    why = refused()
    assert f"{home / 'locked'}: is locked by a passphrase" in why.evidence
    assert "ssh-add" in why.remedy


def keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def agent(tmp_path: Path, sshd: Sshd) -> Iterator[Path]:
    """An agent with the board's key, at a socket that no variable names."""
    at = Path(f"/tmp/agent-{os.getpid()}-{sshd.port}")
    with subprocess.Popen(["ssh-agent", "-D", "-a", at], stdout=subprocess.DEVNULL) as running:
        try:
            key = tmp_path / "for-agent"
            shutil.copy(sshd.client_key_file, key)
            key.chmod(0o600)
            environment = os.environ | {"SSH_AUTH_SOCK": str(at)}
            assert wait_until(lambda: _add(key, environment) or None, 30)
            yield at
        finally:
            running.terminate()


def _add(key: Path, environment: dict[str, str]) -> bool:
    argv = ["ssh-add", "-q", str(key)]
    return not subprocess.run(argv, env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize("how", ["path", "variable", "usual"])
def test_the_agent_that_is_named_serves(
    configure: Configure, agent: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK" if how == "usual" else "MY_AGENT", str(agent))
    named = {"path": f"IdentityAgent {agent}", "variable": "IdentityAgent $MY_AGENT", "usual": ""}
    configure(key=f"IdentityFile none\n  {named[how]}")
    assert said_by() == "in\n"


def test_an_agent_that_is_not_to_serve_does_not(
    configure: Configure, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    configure(key="IdentityFile none\n  IdentityAgent none")
    assert isinstance(refused(), KeyRejected)


def test_only_named_keys_of_an_agent_are_offered(
    configure: Configure, agent: Path, home: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    new_key(home / "mine")
    configure(key="IdentityFile ~/mine\n  IdentitiesOnly yes")
    assert isinstance(refused(), KeyRejected)
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", sshd.client_key_file], capture_output=True, check=True
    )
    (home / "held.pub").write_bytes(public.stdout)
    configure(key="IdentityFile ~/held\n  IdentitiesOnly yes")
    assert said_by() == "in\n"


@pytest.mark.parametrize("where", ["beside", "named"])
def test_a_certificate_is_offered_with_its_key(
    configure: Configure, home: Path, where: str
) -> None:
    keygen("-t", "ed25519", "-N", "", "-f", str(home / "ca"))
    keygen("-t", "ed25519", "-N", "", "-f", str(home / "mine"))
    keygen("-s", str(home / "ca"), "-I", "me", "-n", "pi", str(home / "mine.pub"))
    named = ""
    if where == "named":
        (home / "mine-cert.pub").rename(home / "signed.pub")
        named = "\n  CertificateFile ~/signed.pub"
    configure(key=f"IdentityFile ~/mine{named}")
    result = configured_settings(Address(host="bench-pi"))
    (offer,) = Identities(result)._offers()
    blob = offer.load().public_blob
    assert blob
    assert blob.key_type == "ssh-ed25519-cert-v01@openssh.com"


def test_a_host_key_is_known_by_its_alias(configure: Configure, home: Path, sshd: Sshd) -> None:
    key = sshd.host_key
    reference = home / ".ssh" / "known_hosts"
    reference.write_text(f"the-lab {key.get_name()} {key.get_base64()}\n")
    configure("  HostKeyAlias the-lab\n  StrictHostKeyChecking yes")
    assert said_by() == "in\n"
    assert pinned_hosts_file().read_text() == ""
    other = new_key(home / "other")
    reference.write_text(f"the-lab {other.get_name()} {other.get_base64()}\n")
    assert isinstance(refused(), HostKeyChanged)


def test_a_first_contact_is_pinned_by_its_alias(configure: Configure) -> None:
    configure("  HostKeyAlias the-lab")
    assert said_by() == "in\n"
    assert pinned_hosts_file().read_text().startswith("the-lab ecdsa")
    host, _ = read_host_key(Login(address=Address(host="bench-pi")))
    assert host == "the-lab"


@pytest.mark.parametrize("name", ["hosts", "hosts of mine"])
def test_host_keys_come_from_the_named_file(
    configure: Configure, home: Path, sshd: Sshd, name: str
) -> None:
    key = sshd.host_key
    entry = f"[127.0.0.1]:{sshd.port} {key.get_name()} {key.get_base64()}\n"
    (home / name).write_text(entry)
    configure(f'  UserKnownHostsFile "~/{name}" ~/none\n  StrictHostKeyChecking yes')
    assert said_by() == "in\n"


def test_an_unknown_key_is_refused_where_the_user_is_strict(configure: Configure) -> None:
    configure("  StrictHostKeyChecking yes")
    assert isinstance(refused(), UnknownHostKey)


def test_a_revoked_host_key_is_refused(configure: Configure, home: Path, sshd: Sshd) -> None:
    key = sshd.host_key
    line = f"[127.0.0.1]:{sshd.port} {key.get_name()} {key.get_base64()}\n"
    (home / ".ssh" / "known_hosts").write_text(f"{line}@revoked * {line.split(' ', 1)[1]}")
    configure()
    why = refused()
    assert isinstance(why, HostKeyChanged)
    assert "revokes" in why.what


def test_a_file_of_host_keys_that_is_damaged_is_named(configure: Configure, home: Path) -> None:
    (home / ".ssh" / "known_hosts").write_bytes(b"\xff\xfe\x00 ssh-rsa AAAA\n")
    configure()
    why = refused()
    assert isinstance(why, WrongInput)
    assert "known_hosts cannot be read" in why.what


@pytest.mark.parametrize("command", ["relay %h %p", "relay 127.0.0.1 %p", "exec 'relay' \"%h\" %p"])
def test_a_proxy_command_is_the_way(
    configure: Configure, home: Path, sshd: Sshd, command: str
) -> None:
    relay = home / "relay.py"
    relay.write_text(RELAY)
    command = command.replace("'relay'", "relay").removeprefix("exec ")
    command = command.replace("relay", f"'{sys.executable}' '{relay}'")
    configure(f"  ProxyCommand {command}")
    assert said_by() == "in\n"


def test_what_a_proxy_command_complains_of_is_shown(configure: Configure) -> None:
    configure("  ProxyCommand sh -c 'echo no way to %h >&2; exit 1'")
    why = refused()
    assert isinstance(why, HostUnreachable)
    assert "no way to 127.0.0.1" in why.evidence


def test_proxy_jump_none_goes_directly(configure: Configure) -> None:
    configure("  ProxyJump none\nHost *\n  ProxyJump nobody.invalid")
    assert said_by() == "in\n"


def test_a_jump_host_that_rejects_the_key_is_named_itself(
    configure: Configure, home: Path, sshd: Sshd
) -> None:
    new_key(home / "other")
    configure(
        "  ProxyJump gate\nHost gate\n  HostName 127.0.0.1\n"
        f"  Port {sshd.port}\n  IdentityFile ~/other"
    )
    why = refused()
    assert isinstance(why, KeyRejected)
    assert why.what == "gate does not accept our key"


def test_a_board_that_its_jump_host_does_not_reach_is_named(
    configure: Configure, home: Path, sshd: Sshd
) -> None:
    configure(f"Host far\n  HostName 192.0.2.1\n  ProxyJump ssh://pi@bench-pi:{sshd.port}")
    why = refused("far")
    assert isinstance(why, HostUnreachable)
    assert why.what == "far does not answer over SSH"
    assert f"pi@bench-pi:{sshd.port} cannot reach it" in why.evidence


def test_a_way_in_a_circle_is_one_line(configure: Configure) -> None:
    configure("Host a\n  ProxyJump b\nHost b\n  ProxyJump a")
    why = refused("a")
    assert isinstance(why, WrongInput)
    assert "in a circle" in why.what


def test_the_time_to_connect_is_the_users(configure: Configure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        configure(f"Host mute\n  HostName 127.0.0.1\n  Port {mute.getsockname()[1]}\n"
                  "  ConnectTimeout 1")  # fmt: skip
        assert configured_settings(Address(host="mute")).connect_limit_s == 1
        assert isinstance(refused("mute"), HostUnreachable)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("", "pi"), ("User admin", "admin"), (f"User {getpass.getuser()}", getpass.getuser())],
)
def test_who_logs_in_is_pi_unless_somebody_is_named(
    configure: Configure, line: str, expected: str
) -> None:
    configure(f"  {line}")
    assert configured_settings(Address(host="bench-pi")).user == expected
    assert configured_settings(Address(host="bench-pi", user="me")).user == "me"


@pytest.mark.parametrize(
    "line", ["PKCS11Provider /usr/lib/p.so", "KexAlgorithms curve25519-sha256", "SetEnv A=b"]
)
def test_what_cannot_be_honoured_is_named_once(
    configure: Configure, notes: list[str], line: str
) -> None:
    configure(f"  {line}")
    said_by()
    said_by()
    named = [note for note in notes if line.split(maxsplit=1)[0] in note]
    assert len(named) == 1
    assert named[0].startswith("bench-pi: ")


def test_a_usual_configuration_is_not_complained_of(configure: Configure, notes: list[str]) -> None:
    configure("Host *\n  ServerAliveInterval 30\n  HashKnownHosts yes\n  ForwardAgent no")
    said_by()
    assert [note for note in notes if "configuration" in note] == []


def test_a_configuration_that_ssh_refuses_is_one_line(configure: Configure) -> None:
    configure("  NoSuchKeyword yes")
    why = refused()
    assert isinstance(why, WrongInput)
    assert "nosuchkeyword" in why.evidence.lower()
    assert "ssh -G bench-pi" in why.remedy


@pytest.mark.parametrize("before", ['Include "conf.d/*', "Include", "Match", 'Host "a'])
def test_a_line_that_is_not_whole_is_one_line(configure: Configure, before: str) -> None:
    configure(before=before)
    assert isinstance(refused(), WrongInput)


def test_comments_may_be_in_any_encoding(configure: Configure, home: Path) -> None:
    configure()
    file = home / ".ssh" / "config"
    file.write_bytes(b"# B\xfcro\n" + file.read_bytes())
    assert said_by() == "in\n"


def test_a_board_of_which_all_is_known_needs_no_configuration(
    configure: Configure, sshd: Sshd
) -> None:
    configure("  NoSuchKeyword yes")
    with open_session(sshd.login) as session:
        assert session.run(["echo", "in"]).out == "in\n"


@pytest.fixture
def no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without ssh."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(shutil.which("sh") or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_without_ssh_what_is_simple_works(
    configure: Configure, no_ssh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("Match host other\n  User nobody")
    result = configured_settings(Address(host="bench-pi"))
    assert (result.host, result.user) == ("127.0.0.1", "pi")
    assert result.identities


@pytest.mark.parametrize(
    "match", ["final all", "final host bench-pi", "tagged lab", "!localnetwork 10.0.0.0/8", ""]
)
def test_without_ssh_what_is_not_understood_is_one_line(
    configure: Configure, no_ssh: None, match: str
) -> None:
    configure(f"Match {match}\n  ForwardAgent no")
    why = refused()
    assert isinstance(why, WrongInput)
    assert "openssh-client" in why.remedy


def test_without_ssh_includes_are_named(
    configure: Configure, no_ssh: None, notes: list[str]
) -> None:
    configure(before="Include conf.d/*")
    configured_settings(Address(host="bench-pi"))
    assert "Include" in notes[0]


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "ü" * 64 + ".example"])
def test_a_name_that_no_host_can_have_is_one_line(name: str) -> None:
    why = refused(name)
    assert isinstance(why, NoSuchHost)


def test_a_board_that_allows_one_session_at_a_time_serves(configure: Configure, sshd: Sshd) -> None:
    sshd.most_sessions = 1
    configure()
    with open_session(Login(address=Address(host="bench-pi"))) as session:
        for number in range(5):
            assert session.run(["echo", str(number)]).out == f"{number}\n"


def test_a_board_that_allows_no_session_says_what_to_raise(
    configure: Configure, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_session, "SESSION_LIMIT_S", 0.3)
    configure()
    with open_session(Login(address=Address(host="bench-pi"))) as session:
        sshd.most_sessions = 1
        with session.start(["sleep", "3"]), pytest.raises(HostUnreachable) as caught:
            session.run(["true"])
    assert "MaxSessions" in caught.value.remedy

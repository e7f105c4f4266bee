"""A board with another host key gets nothing until somebody says it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.board.inspection import trust_host_key
from piyard.board.ssh.hostkeys import STRICT_VARIABLE
from piyard.core.errors import HostKeyChanged, UnknownHostKey, WrongInput
from piyard.run.deploy import deploy_releases
from tests.support import faulty_board
from tests.support.faulty_board import BOARD, SMALL, Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


def reflash(pi: Pi) -> str:
    """Give the board another host key; its fingerprint."""
    pi.root(
        "rm /etc/ssh/ssh_host_ed25519_key* && pkill sshd;"
        " ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
    )
    pi.await_sshd()
    return pi.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]


def test_a_board_with_another_host_key_gets_nothing_until_it_is_trusted(
    pi: Pi, way: BoardConnection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = faulty_board.release(tmp_path / "new", 1, SMALL)
    assert way.session.run(["true"]).code == 0
    way.close_session()
    reference = pi.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]
    shown = reflash(pi)

    with pytest.raises(HostKeyChanged) as caught:
        deploy_releases(way.session, [release], way.lease)
    assert caught.value.code == 10
    assert reference in caught.value.evidence
    assert shown in caught.value.evidence
    assert "fleet.trust --host shelf" in caught.value.remedy
    assert pi.sh("ls -A") == ".ssh\n"

    with pytest.raises(HostKeyChanged):
        trust_host_key(select_board("shelf"), reference, dry_run=False)
    trust_host_key(select_board("shelf"), shown, dry_run=False)
    assert f"{shown} is pinned" in capsys.readouterr().out
    assert deploy_releases(way.session, [release], way.lease).content > 0


def test_an_emulated_boards_key_is_not_for_trusting(pi: Pi) -> None:
    with pytest.raises(WrongInput):
        trust_host_key(select_board(BOARD), "", dry_run=False)


def test_where_only_known_hosts_count_a_new_one_is_refused_until_it_is_pinned(
    pi: Pi, way: BoardConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    shown = pi.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]
    with pytest.raises(UnknownHostKey) as caught:
        way.session.run(["true"])
    assert caught.value.code == 18
    assert shown in caught.value.evidence
    trust_host_key(select_board("shelf"), shown, dry_run=False)
    assert way.session.run(["true"]).code == 0

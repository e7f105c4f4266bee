"""Boards under inspection: what keeps one from being used, and whether its host key is right."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts, megabytes, require_exec
from piyard.board.fleet.selection import SelectedBoard
from piyard.board.lease import restore_governor
from piyard.board.release import HOME
from piyard.board.ssh import hostkeys
from piyard.board.ssh.errors import LACKS, install_command
from piyard.board.ssh.hostkeys import pin_host_key, user_pins_other_key
from piyard.board.ssh.session import read_host_key
from piyard.core import console
from piyard.core.errors import (
    PROGRAM,
    HostKeyChanged,
    PiyardError,
    WrongBoard,
    WrongInput,
)

FINDING_COLUMNS = ("Board", "Checked", "State", "Found", "What to do")
NOISE_SHOWN = 60
"""Characters of what start-up files print."""
MIN_FREE_KB = 500 * 1024
MAX_CLOCK_ERROR_S = 300


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at on a board."""

    board: str
    what: str
    ok: bool
    detail: str
    remedy: str = ""


def examine_board(connection: BoardConnection) -> list[Finding]:
    """All findings about a board; one that cannot be reached has one."""
    try:
        facts = connection.facts
        return [
            _check_login(connection, facts),
            *_check_programs(connection, facts),
            _check_disk(connection, facts),
            _check_clock(connection, facts),
            *_check_throttling(connection, facts),
            *_check_governor(connection),
        ]
    except PiyardError as error:
        evidence = error.evidence.splitlines()
        detail = f"{error.what}{f' ({evidence[-1]})' if evidence else ''}"
        return [_finding(connection, "login", detail, ok=False, remedy=error.remedy)]
    finally:
        connection.close()


def finding_row(finding: Finding) -> list[str]:
    """A row in the order of ``COLUMNS``."""
    state = "ok" if finding.ok else "WRONG"
    return [finding.board, finding.what, state, finding.detail, finding.remedy]


def _check_login(connection: BoardConnection, facts: Facts) -> Finding:
    model = facts.model or "unknown model"
    what = f"{model}, {facts.os}, {facts.machine} → {connection.target.name}"
    return _finding(connection, "login", what, ok=True)


def _check_programs(connection: BoardConnection, facts: Facts) -> list[Finding]:
    """What a board needs for a deploy and a run, tried there."""
    outcome = connection.session.script("probe", HOME)
    lines = outcome.out.splitlines()
    return [
        *_check_shell(connection, outcome.noise),
        _check_tools(connection, lines),
        _check_exec(connection, facts, lines),
    ]


def _check_shell(connection: BoardConnection, noise: str) -> list[Finding]:
    if not noise.strip():
        return []
    first = noise.split("\n", maxsplit=1)[0].strip()[:NOISE_SHOWN]
    detail = f"its start-up files print {first!r} before each command, which is passed over"
    return [_finding(connection, "login shell", detail, ok=True)]


def _check_tools(connection: BoardConnection, lines: Sequence[str]) -> Finding:
    lacking = next((words.split() for words in lines if words.startswith(f"{LACKS} ")), [])
    missing = lacking[2:]
    return _finding(
        connection,
        "tools",
        f"no {', '.join(missing)}, or not as needed" if missing else "all there",
        ok=not missing,
        remedy=install_command(missing, lacking[1]) if missing else "",
    )


def _check_exec(connection: BoardConnection, facts: Facts, lines: Sequence[str]) -> Finding:
    """Whether a program can be put there and started."""
    what = "programs"
    if "readonly" in lines:
        remedy = "is the disk mounted read-only (a worn card?), or full? dmesg on the board tells"
        return _finding(connection, what, f"~/{HOME} cannot be written", ok=False, remedy=remedy)
    if "noexec" not in lines:
        return _finding(connection, what, "can be started", ok=True)
    try:
        require_exec(connection.name, facts)
    except WrongBoard as error:
        return _finding(connection, what, error.what, ok=False, remedy=error.remedy)
    remedy = "is its disk mounted noexec, or are programs forbidden there?"
    detail = f"cannot be started from ~/{HOME}"
    return _finding(connection, what, detail, ok=False, remedy=remedy)


def _check_disk(connection: BoardConnection, facts: Facts) -> Finding:
    ok = facts.free_disk_kb is None or facts.free_disk_kb >= MIN_FREE_KB
    remedy = "" if ok else f"{PROGRAM} fleet.gc --host {connection.name}"
    return _finding(
        connection, "disk", f"{megabytes(facts.free_disk_kb)} MB free", ok=ok, remedy=remedy
    )


def _check_clock(connection: BoardConnection, facts: Facts) -> Finding:
    off = abs((facts.clock or 0) - time.time()) if facts.clock else 0.0
    ok = off < MAX_CLOCK_ERROR_S
    return _finding(
        connection,
        "clock",
        "right" if ok else f"off by {off / 3600:.1f} hours",
        ok=ok,
        remedy="" if ok else "piyard does not mind; apt and TLS do: sudo timedatectl set-ntp true",
    )


def _check_throttling(connection: BoardConnection, facts: Facts) -> list[Finding]:
    if facts.throttled is None:
        return []
    ok = facts.throttled in {"0x0", "0"}
    remedy = "" if ok else "a 5 V 5 A supply and a cooler; the word is since the last start"
    return [_finding(connection, "power and heat", facts.throttled, ok=ok, remedy=remedy)]


def _check_governor(connection: BoardConnection) -> list[Finding]:
    """What a killed run left changed is put back by asking."""
    done = restore_governor(connection.session)
    if not done:
        return []
    put_back = done == "restored"
    detail = "put back, as a killed run had changed it" if put_back else "as a killed run left it"
    remedy = "" if put_back else "let sudo write scaling_governor without a password, or reboot"
    return [_finding(connection, "governor", detail, ok=put_back, remedy=remedy)]


def _finding(
    connection: BoardConnection, what: str, detail: str, *, ok: bool, remedy: str = ""
) -> Finding:
    return Finding(board=connection.name, what=what, ok=ok, detail=detail, remedy=remedy)


def trust_host_key(board: SelectedBoard, fingerprint: str, *, dry_run: bool) -> None:
    """Pin the host key; with a ``fingerprint``, any other key is refused."""
    connection, name = BoardConnection(board), board.name
    if connection.is_container:
        raise WrongInput(
            f"{name} is emulated: its host key is the one that piyard gave it",
            remedy="fleet.trust is for real boards",
        )
    try:
        host, key = read_host_key(connection.login())
    finally:
        connection.close()
    shown = hostkeys.fingerprint(key.asbytes())
    if fingerprint and fingerprint != shown:
        raise HostKeyChanged(
            f"{name} shows another key than the one you trust",
            evidence=f"expected {fingerprint}\nshown    {shown}",
            remedy="look at the board itself: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub",
        )
    if dry_run:
        print(f"pin {key.get_name()} {shown} for {host}")
        return
    former = pin_host_key(host, key)
    instead = f", instead of {', '.join(former)}" if former and former != [shown] else ""
    print(f"{name}: {key.get_name()} {shown} is pinned for {host}{instead}")
    if user_pins_other_key(host, key):
        console.info(
            f"~/.ssh/known_hosts holds another key for it, which is yours to remove:\n"
            f"  ssh-keygen -R '{host}'"
        )

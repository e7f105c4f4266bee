"""Boards under inspection: a new one for the inventory, one's fitness for piyard, its host key."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from piyard import governor, preflight
from piyard.board import Line
from piyard.errors import PiyardError, WrongBoard
from piyard.facts import Facts
from piyard.release import HOME
from piyard.ssh import tools

COLUMNS = ("Board", "Checked", "State", "Found", "What to do")
NOISE_SHOWN = 60
"""Characters of what start-up files print."""
ROOM_KB = 500 * 1024
CLOCK_S = 300


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at on a board."""

    board: str
    what: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(connection: Line) -> list[Finding]:
    """All findings about a board; one that cannot be reached has one."""
    try:
        facts = connection.facts
        return [
            _login(connection, facts),
            *_can_run(connection, facts),
            _disk(connection, facts),
            _clock(connection, facts),
            *_throttling(connection, facts),
            *_governor(connection),
        ]
    except PiyardError as error:
        evidence = error.evidence.splitlines()
        detail = f"{error.what}{f' ({evidence[-1]})' if evidence else ''}"
        return [_finding(connection, "login", detail, ok=False, remedy=error.remedy)]
    finally:
        connection.close()


def told(finding: Finding) -> list[str]:
    """A row in the order of ``COLUMNS``."""
    state = "ok" if finding.ok else "WRONG"
    return [finding.board, finding.what, state, finding.detail, finding.remedy]


def row(name: str, facts: Facts) -> list[str]:
    """Board, model, system, kernel, memory, page size, free disk, load."""
    return [
        *(name, facts.model or "N/A", facts.os or "N/A", facts.kernel or "N/A"),
        *(_mega(facts.memory_kb), str(facts.page_size or "N/A"), _mega(facts.free_disk_kb)),
        (facts.load or "N/A").split(" ")[0],
    ]


def _login(connection: Line, facts: Facts) -> Finding:
    what = (
        f"{facts.model or 'unknown model'}, {facts.os}, {facts.machine} → {connection.target_name}"
    )
    return _finding(connection, "login", what, ok=True)


def _can_run(connection: Line, facts: Facts) -> list[Finding]:
    """What a board needs for a deploy and a run, tried there."""
    outcome = connection.session.script("probe", HOME)
    lines = outcome.out.splitlines()
    return [
        *_shell(connection, outcome.noise),
        _tools(connection, lines),
        _programs(connection, facts, lines),
    ]


def _shell(connection: Line, noise: str) -> list[Finding]:
    if not noise.strip():
        return []
    first = noise.split("\n", maxsplit=1)[0].strip()[:NOISE_SHOWN]
    detail = f"its start-up files print {first!r} before each command, which is passed over"
    return [_finding(connection, "login shell", detail, ok=True)]


def _tools(connection: Line, lines: Sequence[str]) -> Finding:
    lacking = next((words.split() for words in lines if words.startswith(f"{tools.LACKS} ")), [])
    missing = lacking[2:]
    return _finding(
        connection,
        "tools",
        f"no {', '.join(missing)}, or not as needed" if missing else "all there",
        ok=not missing,
        remedy=tools.install(missing, lacking[1]) if missing else "",
    )


def _programs(connection: Line, facts: Facts, lines: Sequence[str]) -> Finding:
    """Whether a program can be put there and started."""
    what = "programs"
    if "readonly" in lines:
        remedy = "is the disk mounted read-only (a worn card?), or full? dmesg on the board tells"
        return _finding(connection, what, f"~/{HOME} cannot be written", ok=False, remedy=remedy)
    if "noexec" not in lines:
        return _finding(connection, what, "can be started", ok=True)
    try:
        preflight.require_exec(connection.name, facts)
    except WrongBoard as error:
        return _finding(connection, what, error.what, ok=False, remedy=error.remedy)
    remedy = "is its disk mounted noexec, or are programs forbidden there?"
    detail = f"cannot be started from ~/{HOME}"
    return _finding(connection, what, detail, ok=False, remedy=remedy)


def _disk(connection: Line, facts: Facts) -> Finding:
    ok = facts.free_disk_kb is None or facts.free_disk_kb >= ROOM_KB
    remedy = "" if ok else f"invoke fleet.gc --host {connection.name}"
    return _finding(
        connection, "disk", f"{_mega(facts.free_disk_kb)} MB free", ok=ok, remedy=remedy
    )


def _clock(connection: Line, facts: Facts) -> Finding:
    off = abs((facts.clock or 0) - time.time()) if facts.clock else 0.0
    ok = off < CLOCK_S
    return _finding(
        connection,
        "clock",
        "right" if ok else f"off by {off / 3600:.1f} hours",
        ok=ok,
        remedy="" if ok else "piyard does not mind; apt and TLS do: sudo timedatectl set-ntp true",
    )


def _throttling(connection: Line, facts: Facts) -> list[Finding]:
    if facts.throttled is None:
        return []
    ok = facts.throttled in {"0x0", "0"}
    remedy = "" if ok else "a 5 V 5 A supply and a cooler; the word is since the last start"
    return [_finding(connection, "power and heat", facts.throttled, ok=ok, remedy=remedy)]


def _governor(connection: Line) -> list[Finding]:
    """What a killed run left changed is put back by asking."""
    done = governor.restore(connection.session)
    if not done:
        return []
    put_back = done == "restored"
    detail = "put back, as a killed run had changed it" if put_back else "as a killed run left it"
    remedy = "" if put_back else "let sudo write scaling_governor without a password, or reboot"
    return [_finding(connection, "governor", detail, ok=put_back, remedy=remedy)]


def _finding(connection: Line, what: str, detail: str, *, ok: bool, remedy: str = "") -> Finding:
    return Finding(board=connection.name, what=what, ok=ok, detail=detail, remedy=remedy)


def _mega(kilo: int | None) -> str:
    return "N/A" if kilo is None else str(kilo // 1024)

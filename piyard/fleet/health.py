"""Is a board fit for piyard? Every finding says what to do if not."""

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
    well: bool
    detail: str
    remedy: str = ""


def examine(line: Line) -> list[Finding]:
    """All findings about a board; one that cannot be reached has one."""
    try:
        told = line.facts
        return [_login(line, told), *_can_run(line, told), _disk(line, told), _clock(line, told),
                *_throttling(line, told), *_governor(line)]  # fmt: skip
    except PiyardError as error:
        evidence = error.evidence.splitlines()
        detail = f"{error.what}{f' ({evidence[-1]})' if evidence else ''}"
        return [_finding(line, "login", detail, well=False, remedy=error.remedy)]
    finally:
        line.close()


def told(finding: Finding) -> list[str]:
    """A row in the order of ``COLUMNS``."""
    state = "ok" if finding.well else "WRONG"
    return [finding.board, finding.what, state, finding.detail, finding.remedy]


def row(name: str, told: Facts) -> list[str]:
    """Board, model, system, kernel, memory, page size, free disk, load."""
    return [
        *(name, told.model or "N/A", told.os or "N/A", told.kernel or "N/A"),
        *(_mega(told.memory_kb), str(told.page_size or "N/A"), _mega(told.free_disk_kb)),
        (told.load or "N/A").split(" ")[0],
    ]


def _login(line: Line, told: Facts) -> Finding:
    what = f"{told.model or 'unknown model'}, {told.os}, {told.machine} → {line.target_name}"
    return _finding(line, "login", what, well=True)


def _can_run(line: Line, told: Facts) -> list[Finding]:
    """What a board needs for a deploy and a run, tried there."""
    outcome = line.session.script("probe", HOME)
    said = outcome.out.splitlines()
    return [*_shell(line, outcome.noise), _tools(line, said), _programs(line, told, said)]


def _shell(line: Line, noise: str) -> list[Finding]:
    if not noise.strip():
        return []
    first = noise.split("\n", maxsplit=1)[0].strip()[:NOISE_SHOWN]
    detail = f"its start-up files print {first!r} before each command, which is passed over"
    return [_finding(line, "login shell", detail, well=True)]


def _tools(line: Line, said: Sequence[str]) -> Finding:
    lacking = next((words.split() for words in said if words.startswith(f"{tools.LACKS} ")), [])
    missing = lacking[2:]
    return _finding(
        line,
        "tools",
        f"no {', '.join(missing)}, or not as needed" if missing else "all there",
        well=not missing,
        remedy=tools.install(missing, lacking[1]) if missing else "",
    )


def _programs(line: Line, told: Facts, said: Sequence[str]) -> Finding:
    """Whether a program can be put there and started."""
    what = "programs"
    if "readonly" in said:
        remedy = "is the disk mounted read-only (a worn card?), or full? dmesg on the board tells"
        return _finding(line, what, f"~/{HOME} cannot be written", well=False, remedy=remedy)
    if "noexec" not in said:
        return _finding(line, what, "can be started", well=True)
    try:
        preflight.require_exec(line.name, told)
    except WrongBoard as error:
        return _finding(line, what, error.what, well=False, remedy=error.remedy)
    remedy = "is its disk mounted noexec, or are programs forbidden there?"
    detail = f"cannot be started from ~/{HOME}"
    return _finding(line, what, detail, well=False, remedy=remedy)


def _disk(line: Line, told: Facts) -> Finding:
    well = told.free_disk_kb is None or told.free_disk_kb >= ROOM_KB
    remedy = "" if well else f"invoke fleet.gc --host {line.name}"
    return _finding(line, "disk", f"{_mega(told.free_disk_kb)} MB free", well=well, remedy=remedy)


def _clock(line: Line, told: Facts) -> Finding:
    off = abs((told.clock or 0) - time.time()) if told.clock else 0.0
    well = off < CLOCK_S
    return _finding(
        line,
        "clock",
        "right" if well else f"off by {off / 3600:.1f} hours",
        well=well,
        remedy=""
        if well
        else "piyard does not mind; apt and TLS do: sudo timedatectl set-ntp true",
    )


def _throttling(line: Line, told: Facts) -> list[Finding]:
    if told.throttled is None:
        return []
    well = told.throttled in {"0x0", "0"}
    remedy = "" if well else "a 5 V 5 A supply and a cooler; the word is since the last start"
    return [_finding(line, "power and heat", told.throttled, well=well, remedy=remedy)]


def _governor(line: Line) -> list[Finding]:
    """What a killed run left changed is put back by asking."""
    done = governor.restore(line.session)
    if not done:
        return []
    put_back = done == "restored"
    detail = "put back, as a killed run had changed it" if put_back else "as a killed run left it"
    remedy = "" if put_back else "let sudo write scaling_governor without a password, or reboot"
    return [_finding(line, "governor", detail, well=put_back, remedy=remedy)]


def _finding(line: Line, what: str, detail: str, *, well: bool, remedy: str = "") -> Finding:
    return Finding(board=line.name, what=what, well=well, detail=detail, remedy=remedy)


def _mega(kilo: int | None) -> str:
    return "N/A" if kilo is None else str(kilo // 1024)

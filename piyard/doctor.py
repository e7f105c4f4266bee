"""Is this machine, and is each board, fit for piyard? Every line says what to do if not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence

import msgspec

from piyard import emulator, paths, tables
from piyard.board import Line
from piyard.containers import engine
from piyard.errors import NotSetUp, PiyardError, WrongInput
from piyard.fleet import health
from piyard.fleet.choose import choose

ROOM_GB = 6
"""The two images, ncnn's build and its cache take about this much."""

ENGINE, EMULATION = "container engine", "aarch64 emulation"
SET_UP = (ENGINE, EMULATION)
"""What ./yard sets up: all else has a remedy of its own, boards above all."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""


def report(hosts: Sequence[str], form: str = "plain") -> None:
    """Print all findings; raises ``NotSetUp`` when one of them is not ok."""
    lines = [Line(name) for name in choose(hosts)] if hosts else []
    findings = [*machine(), *(_of_board(each) for line in lines for each in health.examine(line))]
    rows = [[f.what, "ok" if f.ok else "MISSING", f.detail, f.remedy] for f in findings]
    print(tables.render(("Checked", "State", "Found", "What to do"), rows, form))
    missing = [f for f in findings if not f.ok]
    if missing:
        here = any(f.what in SET_UP for f in missing)
        raise NotSetUp(
            f"not ready: {', '.join(f.what for f in missing)}",
            remedy=engine.SET_UP if here else "see the last column",
        )


def machine() -> list[Finding]:
    """What piyard needs of this machine."""
    checks: dict[str, Callable[[], str]] = {
        "Python": _python,
        ENGINE: _engine,
        EMULATION: _emulation,
        "git": lambda: _program("git"),
        "disk": _disk,
    }
    return [_finding(what, check) for what, check in checks.items()]


def _finding(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, ok=True, detail=check())
    except PiyardError as error:
        return Finding(what=what, ok=False, detail=error.what, remedy=error.remedy)


def _python() -> str:
    if not (3, 10) <= sys.version_info[:2] <= (3, 14):
        raise NotSetUp(f"Python {sys.version.split()[0]}", remedy="install Python 3.10 to 3.14")
    return sys.version.split()[0]


def _engine() -> str:
    return f"{engine.connect().version()['Version']}"


def _emulation() -> str:
    emulator.require_emulation()
    return "programs for aarch64 run here"


def _program(name: str) -> str:
    path = shutil.which(name)
    if not path:
        raise NotSetUp(f"no {name}", remedy=f"install {name}")
    return path


def _disk() -> str:
    paths.artifacts().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(paths.artifacts()).free / 1e9
    if free < ROOM_GB:
        raise WrongInput(f"{free:.1f} GB free", remedy=f"make room: {ROOM_GB} GB are needed")
    return f"{free:.1f} GB free"


def _of_board(finding: health.Finding) -> Finding:
    what = f"{finding.board}: {finding.what}"
    return Finding(what=what, ok=finding.ok, detail=finding.detail, remedy=finding.remedy)

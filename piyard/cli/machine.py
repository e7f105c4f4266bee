"""This machine: doctor, clean, its emulated boards, and the project's own checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from piyard.board import emulator, inspection
from piyard.board.connection import BoardConnection
from piyard.board.emulator import (
    EmulatedBoard,
    list_user_emulated,
    remove_emulated,
    require_emulation,
)
from piyard.board.fleet.inventory import EMULATED_PREFIX, emulated_target
from piyard.board.fleet.selection import select_boards
from piyard.board.lease import lease_holder
from piyard.board.ssh.commands import SCRIPT_FOLDER
from piyard.board.ssh.session import open_session
from piyard.convert.own.ownership import cached_files
from piyard.core import console, containers, paths
from piyard.core.containers import ENGINE_REMEDY, image_tags
from piyard.core.download import downloads_folder
from piyard.core.errors import PROGRAM, BoardBusy, JobsFailed, NotSetUp, PiyardError, WrongInput
from piyard.core.paths import IS_INSTALLED
from piyard.core.tables import number_cell, render_table
from piyard.core.text import format_count

ROOM_GB = 6
"""The two images, ncnn's build and its cache take about this much."""

ENGINE, EMULATION = "container engine", "aarch64 emulation"
SET_UP = (ENGINE, EMULATION)
"""What ./yard sets up; everything else has its own remedy."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check and its result."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""


def check_machine(hosts: Sequence[str], form: str = "plain") -> None:
    """Print all findings; raises ``NotSetUp`` when one of them is not ok."""
    boards = [BoardConnection(board) for board in select_boards(hosts)] if hosts else []
    findings = [
        *examine_machine(),
        *(_board_finding(each) for board in boards for each in inspection.examine_board(board)),
    ]
    rows = [[f.what, "ok" if f.ok else "MISSING", f.detail, f.remedy] for f in findings]
    print(render_table(("Checked", "State", "Found", "What to do"), rows, form))
    missing = [f for f in findings if not f.ok]
    if missing:
        here = any(f.what in SET_UP for f in missing)
        raise NotSetUp(
            f"not ready: {', '.join(f.what for f in missing)}",
            remedy=ENGINE_REMEDY if here else "see the last column",
        )


def examine_machine() -> list[Finding]:
    """The checks of this machine."""
    checks: dict[str, Callable[[], str]] = {
        "Python": _python_version,
        ENGINE: _engine_version,
        EMULATION: _emulation_state,
        "git": lambda: _program_path("git"),
        "disk": _free_disk,
    }
    return [_finding(what, check) for what, check in checks.items()]


def _finding(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, ok=True, detail=check())
    except PiyardError as error:
        return Finding(what=what, ok=False, detail=error.what, remedy=error.remedy)


def _python_version() -> str:
    if not (3, 10) <= sys.version_info[:2] <= (3, 14):
        raise NotSetUp(f"Python {sys.version.split()[0]}", remedy="install Python 3.10 to 3.14")
    return sys.version.split()[0]


def _engine_version() -> str:
    return f"{containers.connect_engine().version()['Version']}"


def _emulation_state() -> str:
    require_emulation()
    return "programs for aarch64 run here"


def _program_path(name: str) -> str:
    path = shutil.which(name)
    if not path:
        raise NotSetUp(f"no {name}", remedy=f"install {name}")
    return path


def _free_disk() -> str:
    paths.artifacts().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(paths.artifacts()).free / 1e9
    if free < ROOM_GB:
        raise WrongInput(f"{free:.1f} GB free", remedy=f"make room: {ROOM_GB} GB are needed")
    return f"{free:.1f} GB free"


def _board_finding(finding: inspection.Finding) -> Finding:
    what = f"{finding.board}: {finding.what}"
    return Finding(what=what, ok=finding.ok, detail=finding.detail, remedy=finding.remedy)


KEPT = frozenset({"runs", "logs", "results", "evaluations"})


def clean(*, everything: bool, dry_run: bool) -> None:
    """Remove artifacts but ``KEPT``; ``everything`` adds this user's caches and the images."""
    for path in _removable(everything=everything):
        print(f"remove {path}")
        if not dry_run:
            _remove(path)
    if everything:
        _clean_engine(dry_run=dry_run)


def _removable(*, everything: bool) -> list[Path]:
    folder = paths.artifacts()
    paths_there = [p for p in folder.iterdir() if p.name not in KEPT] if folder.is_dir() else []
    return sorted(paths_there) + (_removable_caches() if everything else [])


def _removable_caches() -> list[Path]:
    """This user's caches, without the files of own models, which cannot be downloaded again."""
    cache, downloads = paths.cache(), downloads_folder()
    if not cache.is_dir():
        return []
    kept = cached_files()
    if not kept:
        return [cache]
    console.info(
        f"kept: {format_count(len(kept), 'file')} of own models: see {PROGRAM} model.remove"
    )
    return sorted(path for path in cache.iterdir() if path != downloads) + sorted(
        path for path in downloads.iterdir() if path not in kept
    )


def _remove(path: Path) -> None:
    """Remove a folder, or a file such as the index or the page."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _clean_engine(*, dry_run: bool) -> None:
    try:
        client = containers.connect_engine()
    except NotSetUp:
        return
    for board in emulator.list_emulated():
        print(f"stop {board.name}")
        if not dry_run:
            emulator.stop_emulated(board.name)
    for tag in image_tags(client, "piyard/"):
        print(f"remove image {tag}")
        if not dry_run:
            client.images.remove(tag, force=True)


SCRIPTS = (
    *("yard", ".ci/run", "docker/board-setup.sh"),
    "benchmarks/rivals/rsync_deploy.sh",
)
WORKERS = ("-n", "2")
"""Of pytest-xdist; more of them wait for the one that tests the boards (tests/support)."""
ONBOARD = tuple(sorted(str(file) for file in SCRIPT_FOLDER.glob("*.sh")))
LINTERS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports", "--no-cache", "--no-logo"),
    "shellcheck": ("shellcheck", *SCRIPTS),
    # They are put together, so what one sets another one uses.
    "shellcheck (board)": ("shellcheck", "-s", "sh", "-e", "SC2034,SC2154", *ONBOARD),
}


def run_linters() -> None:
    """Run all ``LINTERS``; raises ``JobsFailed`` naming those that found something."""
    _require_checkout("ruff")
    failed = [name for name in LINTERS if not _passes(name)]
    if failed:
        raise JobsFailed(f"{', '.join(failed)} found something", remedy="see above")


def linter_argv(name: str) -> list[str]:
    """The argv of a linter, from this environment."""
    program, *arguments = LINTERS[name]
    return [str(_tool_path(program)), *arguments]


def _tool_path(program: str) -> Path:
    return Path(sys.executable).parent / program


def run_tests(*, unit: bool, select: str) -> None:
    """Become pytest on both cores, so that its closing line is the last one."""
    _require_checkout("pytest")
    only = ["tests/unit"] if unit else []
    chosen = ["-k", select] if select else []
    os.chdir(paths.ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *WORKERS, *only, *chosen])


def _passes(name: str) -> bool:
    done = subprocess.run(linter_argv(name), cwd=paths.ROOT, check=False)
    console.info(f"{'✓' if done.returncode == 0 else '✗'} {name}")
    return done.returncode == 0


def _require_checkout(tool: str) -> None:
    remedy = "in a checkout: ./yard lint, ./yard test"
    if IS_INSTALLED:
        raise WrongInput("this piyard was installed by pip, without its tests", remedy=remedy)
    if not _tool_path(tool).is_file():
        raise NotSetUp(f"{sys.executable} has no {tool}", remedy=f"{remedy}, which bring it along")


def start_emulated(target_name: str, *, dry_run: bool) -> None:
    """Start an emulated board and print how to reach it."""
    if dry_run:
        emulated_target(target_name)
        print(f"start emulated:{target_name} if it does not run")
        return
    board = emulator.start_emulated(target_name, emulated_target(target_name))
    print(f"{board.name} answers on port {board.port}: --host {board.name}")


def stop_emulated(target_name: str, *, yes: bool, dry_run: bool) -> None:
    """Stop this checkout's emulated board; one in use only with consent.

    Raises ``BoardBusy`` where it is used and nobody consents.
    """
    if dry_run:
        emulated_target(target_name)
        print(f"stop emulated:{target_name} if it runs")
        return
    emulated_target(target_name)
    name = EMULATED_PREFIX + target_name.removeprefix(EMULATED_PREFIX)
    boards = [board for board in list_user_emulated() if board.name == name]
    own = [board for board in boards if board.checkout == str(paths.ROOT)]
    for board in own or boards:
        if use := _user_of(board):
            _require_consent(f"{name} {use}", yes=yes)
    others = [] if own else boards
    for board in others:
        remove_emulated(board)
    stopped = emulator.stop_emulated(target_name) or bool(others)
    print(f"{name} {'is stopped' if stopped else 'was not running'}")


def _user_of(board: EmulatedBoard) -> str:
    """Who else uses the board; empty for an idle one of this checkout."""
    if board.checkout != str(paths.ROOT):
        return f"is the board of the checkout {board.checkout or 'of an earlier piyard'}"
    with suppress(PiyardError), open_session(board.login) as session:
        _, _, owner = lease_holder(session).partition(" ")
        return f"is in use by {owner}" if owner else ""
    return ""


def _require_consent(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise BoardBusy(what, remedy="--yes stops it anyway")
    print(f"{what}. Stop it anyway? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise BoardBusy(f"{what}: it is not stopped", remedy="wait until it is free")


def list_emulated(form: str) -> None:
    """Print the running emulated boards, of all checkouts of this user."""
    rows = [
        [
            *(board.name, board.target, board.container),
            number_cell(board.port),
            board.checkout or "unknown",
        ]
        for board in list_user_emulated()
    ]
    print(render_table(("Board", "Target", "Container", "Port", "Checkout"), rows, form))

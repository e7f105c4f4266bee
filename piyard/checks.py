"""The project's own checks, as its CI runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from piyard import paths, say
from piyard.errors import JobsFailed

SCRIPTS = ("yard", ".ci/run", "docker/board-setup.sh")
PYTHON = ("piyard", "tests", "benchmarks", "tasks.py")


def lint() -> None:
    """ruff, mypy and shellcheck; raises ``JobsFailed`` naming those that found something."""
    found = [name for name, argv in _linters().items() if not _passes(name, argv)]
    if found:
        raise JobsFailed(f"{', '.join(found)} found something", remedy="see above")


def test(*, unit: bool, select: str) -> None:
    """Become pytest, so that its closing line is the last one."""
    argv = ["pytest", "tests/unit"] if unit else ["pytest"]
    chosen = ["-k", select] if select else []
    os.chdir(paths.ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", *argv, *chosen])


def _linters() -> dict[str, Sequence[str]]:
    return {
        "ruff check": ["ruff", "check", *PYTHON],
        "ruff format": ["ruff", "format", "--check", *PYTHON],
        "mypy": ["mypy", "piyard", "tasks.py"],
        "shellcheck": ["shellcheck", *SCRIPTS],
    }


def _passes(name: str, argv: Sequence[str]) -> bool:
    program = Path(sys.executable).parent / argv[0]
    done = subprocess.run([str(program), *argv[1:]], cwd=paths.ROOT, check=False)
    say.note(f"{'✓' if done.returncode == 0 else '✗'} {name}")
    return done.returncode == 0

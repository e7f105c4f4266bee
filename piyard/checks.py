"""The project's own checks, as its CI runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from piyard import onboard, paths, say
from piyard.errors import JobsFailed, WrongInput

SCRIPTS = (
    *("yard", ".ci/run", "docker/board-setup.sh"),
    "benchmarks/rivals/rsync_deploy.sh",
)
ONBOARD = tuple(sorted(str(file) for file in onboard.FOLDER.glob("*.sh")))
LINTERS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "shellcheck": ("shellcheck", *SCRIPTS),
    # They are put together, so what one sets another one uses.
    "shellcheck (board)": ("shellcheck", "-s", "sh", "-e", "SC2034,SC2154", *ONBOARD),
}


def lint() -> None:
    """ruff, mypy and shellcheck; raises ``JobsFailed`` naming those that found something."""
    _require_checkout()
    failed = [name for name in LINTERS if not _passes(name)]
    if failed:
        raise JobsFailed(f"{', '.join(failed)} found something", remedy="see above")


def command(name: str) -> list[str]:
    """The argv of a linter, from this environment."""
    program, *arguments = LINTERS[name]
    return [str(Path(sys.executable).parent / program), *arguments]


def test(*, unit: bool, select: str) -> None:
    """Become pytest, so that its closing line is the last one."""
    _require_checkout()
    only = ["tests/unit"] if unit else []
    chosen = ["-k", select] if select else []
    os.chdir(paths.ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *only, *chosen])


def _passes(name: str) -> bool:
    done = subprocess.run(command(name), cwd=paths.ROOT, check=False)
    say.note(f"{'✓' if done.returncode == 0 else '✗'} {name}")
    return done.returncode == 0


def _require_checkout() -> None:
    if paths.IS_INSTALLED:
        raise WrongInput(
            "this piyard was installed by pip, without its tests",
            remedy="in a checkout: ./yard lint, ./yard test",
        )

"""Finds the nnrun under test: one that is built for this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.runner.outcome import Outcome, Run


@pytest.fixture(scope="session")
def nnrun_path() -> Path:
    path = os.environ.get("NNRUN_DESKTOP")
    if not path:
        pytest.skip("NNRUN_DESKTOP names no nnrun that is built for this machine")
    return Path(path)


@pytest.fixture(scope="session")
def nnrun(nnrun_path: Path) -> Run:
    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
        # File names need not be text.
        line = [nnrun_path, *(arg if isinstance(arg, bytes) else str(arg) for arg in args)]
        done = subprocess.run(line, capture_output=True, timeout=120, check=False, cwd=cwd, env=env)
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    return run

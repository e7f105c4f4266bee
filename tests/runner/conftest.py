"""Finds the nnrun under test: one that is built for this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.runner.outcome import Outcome, Run
from tests.support import tiny_ncnn


@pytest.fixture(scope="session")
def nnrun_path() -> Path:
    """``NNRUN_DESKTOP`` names another one, for work on the runner."""
    path = os.environ.get("NNRUN_DESKTOP")
    return Path(path) if path else tiny_ncnn.desktop().nnrun


@pytest.fixture(scope="session")
def nnrun(nnrun_path: Path) -> Run:
    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
        # File names need not be text.
        line = [nnrun_path, *(arg if isinstance(arg, bytes) else str(arg) for arg in args)]
        done = subprocess.run(line, capture_output=True, timeout=120, check=False, cwd=cwd, env=env)
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    return run

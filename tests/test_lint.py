"""The checks every change must pass."""

from __future__ import annotations

import subprocess

import pytest

from piyard import checks, paths


@pytest.mark.parametrize("name", checks.LINTERS)
def test_is_clean(name: str) -> None:
    done = subprocess.run(
        checks.command(name), cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

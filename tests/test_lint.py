"""The checks every change must pass."""

from __future__ import annotations

import subprocess

import pytest

from piyard.cli.machine import LINTERS, linter_argv
from piyard.core.paths import ROOT


@pytest.mark.parametrize("name", LINTERS)
def test_is_clean(name: str) -> None:
    done = subprocess.run(linter_argv(name), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .machine import ROOT

SHELLCHECK = Path(sys.executable).parent / "shellcheck"


@pytest.mark.parametrize("script", ["yard", ".ci/run"])
def test_shellcheck_finds_nothing(script: str) -> None:
    done = subprocess.run([SHELLCHECK, ROOT / script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("dash"), reason="no dash here")
def test_it_is_posix_to_dash() -> None:
    subprocess.run(["dash", "-n", str(ROOT / "yard")], check=True)


def test_it_is_executable() -> None:
    assert (ROOT / "yard").stat().st_mode & 0o111
    assert (ROOT / ".ci/run").stat().st_mode & 0o111

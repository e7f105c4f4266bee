"""The checks every change must pass."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from piyard.cli.machine import LINTERS, linter_argv
from piyard.core.paths import ROOT


@pytest.mark.parametrize("name", LINTERS)
def test_is_clean(name: str) -> None:
    done = subprocess.run(linter_argv(name), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What lint-imports reads, to be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "piyard", tmp_path / "piyard", ignore=ignored)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "text", "message"),
    [
        pytest.param(
            "core/climbs.py",
            "from piyard.cli import tasks\n",
            "piyard.core is not allowed to import piyard.cli",
            id="upwards",
        ),
        pytest.param(
            "core/climbs.py",
            "def act() -> None:\n    from piyard.board import address\n",
            "piyard.core is not allowed to import piyard.board",
            id="late",
        ),
        pytest.param(
            "models/climbs.py",
            "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
            "    from piyard.convert.conversions import Conversion\n",
            "piyard.models is not allowed to import piyard.convert",
            id="type-only",
        ),
        pytest.param(
            "core/paths.py",
            "from piyard.core import errors, files\n",
            "No cycles are allowed in piyard.core",
            id="circle",
        ),
        pytest.param("utils/__init__.py", "", "piyard.utils", id="package without a layer"),
    ],
)
def test_an_import_against_the_layers_is_found(
    checkout: Path, module: str, text: str, message: str
) -> None:
    file = checkout / "piyard" / module
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as source:
        source.write(text)
    done = subprocess.run(
        linter_argv("lint-imports"), cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert message in " ".join(done.stdout.split())


def test_the_actions_of_ci_are_pinned_by_commit() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    actions = re.findall(r"uses: (.*)", text)
    assert actions
    assert [each for each in actions if not re.search(r"@[0-9a-f]{40} # v[\d.]+$", each)] == []

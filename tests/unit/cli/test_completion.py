"""Completion as shells ask for it, by whatever path the program is called."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from piyard.cli.program import SHELLS, completion_script
from piyard.core.errors import WrongInput
from piyard.core.target import target_names

ROOT = Path(__file__).resolve().parents[3]
BASH = r"""
source <("$1" --print-completion-script bash)
complete -p yard >/dev/null || exit
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_complete_yard "$1" "${!#}" ''
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """The program as yard starts it."""
    program = tmp_path / "a folder" / "yard"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/piyard/__main__.py" "$@"\n')
    program.chmod(0o755)
    return program


def ask(shell: list[str], folder: Path) -> list[str]:
    done = subprocess.run(
        shell, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "candidates"),
    [
        (["fleet.tr"], ["fleet.trust"]),
        (["bench", "--mo"], ["--model"]),
        (["attach", "--r"], ["--run"]),
        (["build", "--target", ""], target_names()),
        (["bench", "--host", "pi5-a", "-m", "resnet1"], ["resnet18"]),
        (["bench", "--precision", "=", "fp1"], ["fp16"]),
        (["bench", "--host", "pi"], ["pi5-a", "pi5-b"]),
        (["bench", "--host", "@"], ["@lab"]),
        (["bench", "--loops", "4", "--mod"], ["--model"]),
    ],
)
def test_bash_completes_the_command_that_was_typed(
    yard: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], candidates: list[str]
) -> None:
    fleet = yard.parent / "fleet.yaml"
    fleet.write_text("boards:\n  pi5-a: {host: a, tags: [lab]}\n  pi5-b: {host: b}\n")
    monkeypatch.setenv("PIYARD_FLEET", str(fleet))
    assert ask(["bash", "-c", BASH, "bash", "./yard", "./yard", *typed], yard.parent) == candidates


def test_fish_completes_it(yard: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("no fish is here")
    program = "./yard --print-completion-script fish | source; complete -C './yard fleet.tr'"
    assert ask(["fish", "--no-config", "-c", program], yard.parent) == ["fleet.trust"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_is_of_that_program(shell: str) -> None:
    script = completion_script(shell, "piyard")
    assert "complete_piyard" in script
    assert "yard./" not in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", "-c", script], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_another_shell_is_named() -> None:
    with pytest.raises(WrongInput, match="unknown shell 'bahs', did you mean 'bash'"):
        completion_script("bahs", "yard")

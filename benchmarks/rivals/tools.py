"""The rivals themselves: what must be installed here, and what is installed for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from piyard.core import console, paths
from piyard.core.errors import NotSetUp

NEEDED = {"rsync": "rsync", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
"""Programs, and the Debian packages that hold them."""
PINNED = ["ansible-core==2.19.14", "ansible==12.3.0", "pyinfra==3.10.0"]
"""Ansible's core, the collections around it (for synchronize), and pyinfra."""


def ensure() -> Path:
    """The folder of programs of a Python environment that holds the rivals, and nothing else."""
    _require_programs()
    folder = paths.cache() / "benchmarks" / "rivals"
    mark = folder / "installed.txt"
    if not mark.exists() or mark.read_text().split() != PINNED:
        with console.step("install Ansible and pyinfra"):
            _install(folder)
        mark.write_text("\n".join(PINNED))
    return folder / "bin"


def versions(programs: Path) -> dict[str, str]:
    """What each program calls its version."""
    argvs = {
        "rsync": ["rsync", "--version"],
        "ssh": ["ssh", "-V"],
        "ansible": [str(programs / "ansible"), "--version"],
        "pyinfra": [str(programs / "pyinfra"), "--version"],
    }
    return {name: _first_line(argv) for name, argv in argvs.items()}


def _require_programs() -> None:
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        packages = sorted({NEEDED[program] for program in missing})
        raise NotSetUp(
            f"not installed here: {', '.join(missing)}",
            remedy=f"sudo apt-get install {' '.join(packages)}",
        )


def _install(folder: Path) -> None:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PINNED]
    for argv in ([sys.executable, "-m", "venv", str(folder)], pip):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotSetUp(
                "Ansible and pyinfra could not be installed",
                evidence=done.stderr[-2000:],
                remedy=f"check pip's configuration, or leave them out: --tools; in {folder}",
            )


def _first_line(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].strip()

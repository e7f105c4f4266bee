"""What is said when the container engine cannot be used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONNECT = """
import os, sys
from piyard.core import containers
from piyard.core.errors import NotSetUp
import docker
if len(sys.argv) > 1:
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
try:
    containers.connect_engine()
except NotSetUp as error:
    print(error)
"""
NOBODY = "65534"


def refusal(path: Path, *user: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CONNECT, *user],
        env=os.environ | {"DOCKER_HOST": f"unix://{path}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return done.stdout


def test_an_engine_that_does_not_run_is_set_up_by_yard(tmp_path: Path) -> None:
    said = refusal(tmp_path / "absent.sock")
    assert "no container engine answers" in said
    assert "./yard --setup" in said


def test_one_who_may_not_use_it_joins_the_group() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user without rights")
    path = Path("/tmp") / f"piyard-{os.getpid()}.sock"  # tmp_path is closed to other users
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o600)
        try:
            said = refusal(path, NOBODY)
        finally:
            path.unlink()
    assert "may not use the container engine" in said
    assert "usermod -aG docker" in said

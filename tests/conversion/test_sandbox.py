"""What a program can do in a sandbox: in the kernel's own, and in a container."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from piyard.core.sandbox import launch
from piyard.core.sandbox.launch import container_problem, kernel_problem, start_program

PROLOGUE = """
import os, socket, sys, errno
def attempt(function):
    try:
        function()
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print("done")
scratch, secret = sys.argv[1:3]
"""
Attempt = Callable[..., list[str]]


@pytest.fixture(params=["kernel", pytest.param("container", marks=pytest.mark.docker)])
def attempt(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Attempt:
    """Runs Python in a sandbox of that kind; what became of each attempt."""
    there: dict[str, Callable[[], str]] = {"kernel": kernel_problem, "container": container_problem}
    if problem := there[request.param]():
        pytest.skip(f"no sandbox by the {request.param}: {problem}")
    monkeypatch.setattr(launch, "sandbox_kind", lambda: request.param)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "secret").write_text("secret")

    def run(*attempts: str) -> list[str]:
        code = PROLOGUE + "\n".join(f"attempt(lambda: {each})" for each in attempts)
        process = start_program(
            [sys.executable, "-I", "-c", code, str(tmp_path / "scratch"), str(tmp_path / "secret")],
            read=[],
            write=[tmp_path / "scratch"],
            cwd=tmp_path / "scratch",
            stdout=subprocess.PIPE,
            need="required",
        )
        said = process.popen.communicate()[0].decode()
        process.end()
        assert process.popen.returncode == 0
        return said.split()

    return run


def test_no_file_of_the_users_can_be_read_or_written(attempt: Attempt, tmp_path: Path) -> None:
    done = attempt(
        "open(secret).read()",
        "open(secret, 'w')",
        "os.open(secret, os.O_RDONLY | os.O_TRUNC)",
        "os.truncate(secret, 0)",
        "os.unlink(secret)",
        "os.rename(secret, scratch + '/mine')",
        "os.symlink(secret, secret + '2')",
        "os.mkdir(secret + '.d')",
        "open('/etc/passwd').read()",
        "open('/usr/piyard-was-here', 'w')",
    )
    assert "done" not in done
    assert (tmp_path / "secret").read_text() == "secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch", "secret"]


def test_its_own_scratch_is_free_to_use(attempt: Attempt, tmp_path: Path) -> None:
    assert (
        attempt(
            "open(scratch + '/x', 'w').write('mine')",
            "open(scratch + '/x', 'r+').truncate(2)",
            "os.rename(scratch + '/x', scratch + '/y')",
            "open('/dev/null', 'w')",
        )
        == ["done"] * 4
    )
    assert (tmp_path / "scratch" / "y").read_text() == "mi"


def test_there_is_no_network_and_no_secret_in_the_environment(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_TEST_PASSWORD", "secret")
    connect = "socket.create_connection(('127.0.0.1', {}), 5)"
    with _listening() as port:
        assert "done" not in attempt(connect.format(port))
    assert attempt("print('PIYARD_TEST_PASSWORD' in os.environ)") == ["False", "done"]


def test_the_kernels_reaches_no_other_process(
    attempt: Attempt, request: pytest.FixtureRequest
) -> None:
    if "container" in request.node.name:
        pytest.skip("a container has processes of its own")
    assert (
        attempt(
            "socket.socket()",
            "socket.socketpair()",
            "os.fork()",
            f"os.kill({os.getpid()}, 0)",
            "os.kill(os.getpid(), 0)",
            "os.chmod(scratch, 0o777)",
            "os.utime(scratch)",
            "os.setxattr(scratch, 'user.x', b'')",
            "os.pidfd_open(os.getpid())",
            "os.unshare(0) if hasattr(os, 'unshare') else os.sethostname('x')"
            if hasattr(os, "sethostname")
            else "os.setpriority(os.PRIO_PROCESS, 1, 5)",
        )
        == ["EPERM"] * 10
    )


def test_what_is_abandoned_is_ended(tmp_path: Path) -> None:
    process = start_program(
        [sys.executable, "-I", "-c", "import time; time.sleep(600)"],
        read=[],
        write=[tmp_path],
        cwd=tmp_path,
        need="preferred",
    )
    process.end()
    assert process.popen.returncode == -9


def _listening() -> _Server:
    return _Server()


class _Server:
    """A port of this machine that accepts."""

    def __enter__(self) -> int:
        import socket

        self._socket = socket.create_server(("127.0.0.1", 0))
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()

"""Programs that come in a user's files run here without the user's rights.

They can read the software of this machine and the named files, have no network and cannot reach
other processes. The kernel's own sandbox (Landlock and seccomp) needs no container engine and
starts at once; where a kernel lacks it, a container does the same.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Literal

from piyard.errors import NotSetUp
from piyard.sandbox import container, kernel

Kind = Literal["kernel", "container", "none"]
Need = Literal["required", "preferred", "off"]
"""Whether a sandbox is required, used where it costs nothing, or not wanted (trusted)."""
KEPT = ("LANG", "LC_ALL", "PATH", "TZ")
"""All of the environment that is passed on: the rest may hold passwords."""


class Process:
    """A running program; ``end`` kills it with everything in its sandbox."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str = "") -> None:
        self.popen, self._container = popen, name

    def end(self) -> None:
        """Kill the program if it still runs."""
        running = self.popen.poll() is None
        self.popen.kill()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream:
                stream.close()
        self.popen.wait()
        if running and self._container:
            container.remove(self._container)


@cache
def kind() -> Kind:
    """The sandbox that this machine has."""
    if not kernel.problem():
        return "kernel"
    return "none" if container.problem() else "container"


def require(what: str) -> None:
    """Raise ``NotSetUp`` where there is no sandbox to run ``what`` in."""
    if kind() == "none":
        raise NotSetUp(
            f"{what} is a program, and there is no sandbox to run it in",
            evidence=f"kernel: {kernel.problem()}\ncontainer: {container.problem()}",
            remedy="start the container engine, save the network as ONNX, or, if you know where "
            "the file comes from, let it run with your rights: --trust",
        )


def start(
    argv: Sequence[str],
    *,
    read: Sequence[Path],
    write: Sequence[Path],
    cwd: Path,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    need: Need,
) -> Process:
    """Start a program, whose ``argv[0]`` is a path, in the available sandbox.

    Raises ``NotSetUp`` where one is ``required`` and there is none. Where it is ``preferred``, only
    the kernel's is used, since it costs nothing.
    """
    sandbox = _way(need)
    name = container.new_name() if sandbox == "container" else ""
    if sandbox == "kernel":
        argv = kernel.command(argv, read=read, write=write)
    elif sandbox == "container":
        argv = container.command(argv, name, read=read, write=write, cwd=cwd)
    popen = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=_environment(sandbox, write),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    return Process(popen, name)


def _way(need: Need) -> Kind:
    if need == "required":
        require("what the file brings")
        return kind()
    return "kernel" if need == "preferred" and not kernel.problem() else "none"


def _environment(sandbox: Kind, write: Sequence[Path]) -> dict[str, str]:
    """The variables passed on; docker's command needs all of ours to find its engine."""
    if sandbox != "kernel":
        return dict(os.environ)
    scratch = {"TMPDIR": str(write[0])} if write else {}
    return {name: os.environ[name] for name in KEPT if name in os.environ} | scratch

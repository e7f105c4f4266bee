"""Programs that come in a user's files run here without the user's rights.

They see the software of this machine and the files that are named, have no network and reach no
other process. The kernel's own sandbox (Landlock and seccomp) needs no engine and starts at once;
where a kernel has none, a container does the same.
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
"""Whether a program must not run without a sandbox, need not, or is trusted."""
KEPT = ("LANG", "LC_ALL", "PATH", "TZ")
"""All of the environment that is passed on: it may hold passwords."""


class Process:
    """A running program; ``end`` kills it with everything in its sandbox."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str = "") -> None:
        self.popen, self._container = popen, name

    def end(self) -> None:
        """Kill it, if it still runs."""
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
    """What sandbox there is."""
    if not kernel.problem():
        return "kernel"
    return "none" if container.problem() else "container"


def require(what: str) -> None:
    """Raise ``NotSetUp`` where there is no sandbox to run that in."""
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
    """Start a program, whose ``argv[0]`` is a path, in the sandbox there is.

    Raises ``NotSetUp`` where one is ``required`` and there is none. Where it is ``preferred``, only
    the kernel's is used: it costs nothing.
    """
    way = _way(need)
    name = container.new_name() if way == "container" else ""
    if way == "kernel":
        argv = kernel.command(argv, read=read, write=write)
    elif way == "container":
        argv = container.command(argv, name, read=read, write=write, cwd=cwd)
    popen = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=_environment(way, write),
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


def _environment(way: Kind, write: Sequence[Path]) -> dict[str, str]:
    """docker's own command needs to know its engine; it passes nothing on."""
    if way != "kernel":
        return dict(os.environ)
    scratch = {"TMPDIR": str(write[0])} if write else {}
    return {name: os.environ[name] for name in KEPT if name in os.environ} | scratch

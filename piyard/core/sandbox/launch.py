"""Start a program of a user's file in a sandbox: the kernel's, or else a container.

It can read the software of this machine and the named files, has no network and cannot reach other
processes. The kernel's sandbox (Landlock and seccomp) needs no container engine and starts at once.

"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import IO, Literal

import msgspec

from piyard.core import containers, paths
from piyard.core.containers import has_image, import_archive
from piyard.core.errors import NotSetUp
from piyard.core.files import sha256_of_file, write_text
from piyard.core.sandbox.kernel import is_seccomp_known, landlock_version

SandboxKind = Literal["kernel", "container", "none"]
SandboxNeed = Literal["required", "preferred", "off"]
"""Whether a sandbox is required, used where it costs nothing, or not wanted (trusted)."""
PASSED_ENVIRONMENT = ("LANG", "LC_ALL", "PATH", "TZ")
"""All of the environment that is passed on: the rest may hold passwords."""


class SandboxedProcess:
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
            remove_container(self._container)


@cache
def sandbox_kind() -> SandboxKind:
    """The sandbox that this machine has."""
    if not kernel_problem():
        return "kernel"
    return "none" if container_problem() else "container"


def require_sandbox(what: str) -> None:
    """Raise ``NotSetUp`` where there is no sandbox to run ``what`` in."""
    if sandbox_kind() == "none":
        raise NotSetUp(
            f"{what} is a program, and there is no sandbox to run it in",
            evidence=f"kernel: {kernel_problem()}\ncontainer: {container_problem()}",
            remedy="start the container engine, save the network as ONNX, or, if you know where "
            "the file comes from, let it run with your rights: --trust",
        )


def start_program(
    argv: Sequence[str],
    *,
    read: Sequence[Path],
    write: Sequence[Path],
    cwd: Path,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    need: SandboxNeed,
) -> SandboxedProcess:
    """Start a program, whose ``argv[0]`` is a path, in the available sandbox.

    Raises ``NotSetUp`` where one is ``required`` and there is none. Where it is ``preferred``, only
    the kernel's is used, since it costs nothing.
    """
    sandbox = _choose_sandbox(need)
    name = new_container_name() if sandbox == "container" else ""
    if sandbox == "kernel":
        argv = kernel_command(argv, read=read, write=write)
    elif sandbox == "container":
        argv = container_command(argv, name, read=read, write=write, cwd=cwd)
    popen = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=_environment(sandbox, write),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    return SandboxedProcess(popen, name)


def _choose_sandbox(need: SandboxNeed) -> SandboxKind:
    if need == "required":
        require_sandbox("what the file brings")
        return sandbox_kind()
    return "kernel" if need == "preferred" and not kernel_problem() else "none"


def _environment(sandbox: SandboxKind, write: Sequence[Path]) -> dict[str, str]:
    """The variables passed on; docker's command needs all of ours to find its engine."""
    if sandbox != "kernel":
        return dict(os.environ)
    scratch = {"TMPDIR": str(write[0])} if write else {}
    return {name: os.environ[name] for name in PASSED_ENVIRONMENT if name in os.environ} | scratch


ENTER = Path(__file__).with_name("kernel.py")
DEVICES = ("/dev/null",)
PUBLIC_PATHS = (
    *("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"),
    *("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"),
    *("/dev/zero", "/dev/random", "/dev/urandom"),
)
"""What programs need to start; it holds nothing private."""
TORCH_MAPPED = 2 << 30
"""Bytes of address space that torch reserves and does not use."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rights that are left to a process."""

    read: Sequence[str]
    write: Sequence[str]
    memory: int
    """Bytes of address space."""
    file_size: int
    """Bytes."""


def kernel_problem() -> str:
    """Why this kernel has no sandbox; empty where it has one."""
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if not landlock_version():
        return "Landlock is missing or switched off (Linux 5.13 has it)"
    return "" if is_seccomp_known() else "seccomp is missing, or this processor is unknown"


def kernel_command(
    argv: Sequence[str], *, read: Sequence[Path], write: Sequence[Path]
) -> list[str]:
    """The command that runs ``argv`` with access to these files and software only."""
    policy = Policy(
        read=[*PUBLIC_PATHS, *map(str, software_folders()), *map(str, read)],
        write=[*DEVICES, *map(str, write)],
        memory=memory_limit() + TORCH_MAPPED,
        file_size=memory_limit(),
    )
    text = json.dumps(msgspec.to_builtins(policy))
    return [sys.executable, "-I", str(ENTER), text, *argv]


def software_folders() -> list[Path]:
    """Python, its packages, and piyard's own."""
    packages = [Path(entry) for entry in sys.path if Path(entry).name.endswith("-packages")]
    folders = [Path(sys.base_prefix), Path(sys.prefix), *packages, paths.ROOT / "piyard"]
    return list(dict.fromkeys(folders))


def memory_limit() -> int:
    """Bytes that a sandbox may take: three quarters of the machine's."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4


EMPTY_IMAGE = "piyard/empty:1"
USERLAND = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
MAX_PROCESSES = 256


def container_problem() -> str:
    """Why no container can be started; empty where one can."""
    if not shutil.which("docker"):
        return "there is no docker command"
    try:
        with closing(containers.connect_engine()) as client:
            if not has_image(client, EMPTY_IMAGE):
                with tempfile.TemporaryDirectory(prefix="piyard-image-") as folder:
                    import_archive(client, _empty_archive(Path(folder)), EMPTY_IMAGE)
    except NotSetUp as error:
        return error.what
    return ""


def new_container_name() -> str:
    """A unique container name."""
    return f"piyard-sandbox-{uuid.uuid4().hex[:12]}"


def container_command(
    argv: Sequence[str], name: str, *, read: Sequence[Path], write: Sequence[Path], cwd: Path
) -> list[str]:
    """The command that runs ``argv`` in a container, without network, with these files."""
    visible = [*map(Path, USERLAND), *software_folders(), *read]
    mounts = [
        _mount_option(path, readonly=True) for path in dict.fromkeys(visible) if path.exists()
    ]
    mounts += [_mount_option(path, readonly=False) for path in write]
    return [
        *("docker", "run", "--rm", "--interactive", "--name", name, "--network", "none"),
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", f"{os.getuid()}:{os.getgid()}", "--memory", str(memory_limit())),
        *("--pids-limit", str(MAX_PROCESSES), "--workdir", str(cwd)),
        *(("--env", f"TMPDIR={write[0]}") if write else ()),
        *(word for mount in mounts for word in ("--mount", mount)),
        *(EMPTY_IMAGE, *argv),
    ]


def remove_container(name: str) -> None:
    """Remove a container that may still run."""
    subprocess.run(
        ["docker", "rm", "--force", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )


def _empty_archive(folder: Path) -> Path:
    """An archive with only a folder: everything else is mounted."""
    archive = folder / "root.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("tmp")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    return archive


def _mount_option(path: Path, *, readonly: bool) -> str:
    """The value of --mount; docker reads it as a line of CSV, since a path may contain commas."""
    line = io.StringIO()
    mode = ["readonly"] if readonly else []
    fields = ["type=bind", f"source={path.resolve()}", f"target={path.absolute()}", *mode]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


_trusted_now: set[str] = set()
"""Trusted while this process runs."""


def trust_file(file: Path, *, lasting: bool = True) -> None:
    """Trust this file, at any path, from now on."""
    trusted, sha256 = _trusted_digests(), sha256_of_file(file)
    _trusted_now.add(sha256)
    if lasting and sha256 not in trusted:
        text = "".join(f"{entry}\n" for entry in [*trusted, sha256])
        write_text(_trust_list(), text, remedy="check the folder's rights")


def is_trusted(file: Path) -> bool:
    """Whether this user trusted the file before."""
    trusted = _trusted_now.union(_trusted_digests())
    return bool(trusted) and sha256_of_file(file) in trusted


def _trusted_digests() -> list[str]:
    try:
        return _trust_list().read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return []


def _trust_list() -> Path:
    return paths.data() / "trusted"

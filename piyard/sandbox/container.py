"""The sandbox where the kernel lacks Landlock: a container with this machine's software."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from piyard.containers import engine
from piyard.errors import NotSetUp
from piyard.sandbox import kernel

IMAGE = "piyard/empty:1"
USERLAND = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
PROCESSES = 256


def problem() -> str:
    """Why no container can be started; empty where one can."""
    if not shutil.which("docker"):
        return "there is no docker command"
    try:
        with closing(engine.connect()) as client:
            if not engine.has_image(client, IMAGE):
                with tempfile.TemporaryDirectory(prefix="piyard-image-") as folder:
                    engine.import_archive(client, _empty(Path(folder)), IMAGE)
    except NotSetUp as error:
        return error.what
    return ""


def new_name() -> str:
    """A unique container name."""
    return f"piyard-sandbox-{uuid.uuid4().hex[:12]}"


def command(
    argv: Sequence[str], name: str, *, read: Sequence[Path], write: Sequence[Path], cwd: Path
) -> list[str]:
    """The command that runs ``argv`` in a container, without network, with these files."""
    visible = [*map(Path, USERLAND), *kernel.software(), *read]
    mounts = [_mount(path, readonly=True) for path in dict.fromkeys(visible) if path.exists()]
    mounts += [_mount(path, readonly=False) for path in write]
    return [
        *("docker", "run", "--rm", "--interactive", "--name", name, "--network", "none"),
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", f"{os.getuid()}:{os.getgid()}", "--memory", str(kernel.memory())),
        *("--pids-limit", str(PROCESSES), "--workdir", str(cwd)),
        *(("--env", f"TMPDIR={write[0]}") if write else ()),
        *(word for mount in mounts for word in ("--mount", mount)),
        *(IMAGE, *argv),
    ]


def remove(name: str) -> None:
    """Remove a container that may still run."""
    subprocess.run(
        ["docker", "rm", "--force", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )


def _empty(folder: Path) -> Path:
    """An archive with only a folder: everything else is mounted."""
    archive = folder / "root.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("tmp")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    return archive


def _mount(path: Path, *, readonly: bool) -> str:
    """The value of --mount; docker reads it as a line of CSV, since a path may contain commas."""
    line = io.StringIO()
    mode = ["readonly"] if readonly else []
    fields = ["type=bind", f"source={path.resolve()}", f"target={path.absolute()}", *mode]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()

"""A machine that is not there: fake programs, and a made-up /etc, /proc and /var for ``yard``.

PATH holds one folder only: links to harmless programs of this machine, and fakes that write down
how they were called. So no test can reach the real apt, Docker, sudo or pip.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HARMLESS = (
    "awk basename cat chmod cksum cmp cp cut date dirname env false flock grep head ln ls mkdir mv "
    "printf readlink rm sed setsid sh sleep sort stat tail touch tr true uniq wc"
).split()
NOBODY = 65534

FAKE = """#!/bin/sh
{ printf '%s' "${0##*/}"; for word in "$@"; do printf ' %s' "$word"; done; echo; } >>"$FAKE/calls"
"""

PYTHON = (
    FAKE
    + """
code_of() { while [ $# -gt 1 ]; do [ "$1" != -c ] || { printf %s "$2"; return; }; shift; done; }
case " $* " in
*" -m venv "*)
    [ ! -e "$FAKE/no-ensurepip" ] || exit 1
    for folder in "$@"; do :; done
    mkdir -p "$folder/bin" "$folder/lib/python3.11/site-packages"
    ln -sf "$0" "$folder/bin/python3"
    ln -sf python3 "$folder/bin/python"
    cp "$FAKE/invoke" "$folder/bin/invoke"
    : >"$folder/pyvenv.cfg"
    ;;
*" -m pip "*)
    . "$FAKE/pip"
    ;;
*"import docker"*) [ -S "$FAKE/sys/var/run/docker.sock" ] ;;
*ensurepip*) [ ! -e "$FAKE/no-ensurepip" ] ;;
*/piyard/__main__.py*) ;;
*" -c "*)
    exec @REAL@ -I -c '
import sys
sys.version = sys.argv[1] + " (main)"
sys.version_info = tuple(map(int, sys.argv[1].split(".")))
sys.executable = sys.argv[2]
exec(sys.argv[3])' "@VERSION@" "$0" "$(code_of "$@")"
    ;;
*) exit 64 ;;
esac
"""
)

INVOKE = FAKE + 'echo "cwd $PWD" >>"$FAKE/calls"; env >"$FAKE/env"; echo "output of the task"\n'

SUDO = (
    FAKE
    + """
[ -e "$FAKE/sudo-allowed" ] || { echo "sudo: a password is required" >&2; exit 1; }
[ "$1" != -n ] || shift
exec env FAKE_IS_ROOT=1 "$@"
"""
)

# What the packages bring, as far as yard can tell.
APT_GET = (
    FAKE
    + """
[ "$(id -u)" = 0 ] || { echo "E: are you root?" >&2; exit 100; }
case " $* " in *" update "*) touch "$FAKE/updated"; exit ;; esac
[ ! -e "$FAKE/apt-fails" ] || { echo "E: Unable to fetch some archives" >&2; exit 100; }
[ ! -e "$FAKE/lists-are-old" ] || [ -e "$FAKE/updated" ] || exit 100
for package in "$@"; do
    case $package in
    docker.io) cp "$FAKE/dockerd" "$FAKE/bin/dockerd" ;;
    qemu-user-static) cp "$FAKE/harmless" "$FAKE/bin/qemu-aarch64-static" ;;
    qemu-user-binfmt)
        cp "$FAKE/harmless" "$FAKE/bin/qemu-aarch64"
        mkdir -p "$FAKE/sys/usr/lib/binfmt.d"
        printf 'enabled\\nflags: PF\\n' >"$FAKE/sys/usr/lib/binfmt.d/qemu-aarch64.conf"
        ;;
    binfmt-support) cp "$FAKE/update-binfmts" "$FAKE/bin/update-binfmts" ;;
    mmdebstrap) cp "$FAKE/harmless" "$FAKE/bin/mmdebstrap" ;;
    chromium)
        [ ! -e "$FAKE/no-chromium" ] || { echo "E: no candidate" >&2; exit 100; }
        cp "$FAKE/harmless" "$FAKE/bin/chromium"
        ;;
    clang)
        [ ! -e "$FAKE/no-clang" ] || { echo "E: no candidate" >&2; exit 100; }
        for name in clang++ cmake ninja; do cp "$FAKE/harmless" "$FAKE/bin/$name"; done
        mkdir -p "$FAKE/sys/usr/include"
        touch "$FAKE/sys/usr/include/jpeglib.h" "$FAKE/sys/usr/include/png.h"
        ;;
    busybox-static) cp "$FAKE/harmless" "$FAKE/bin/busybox" ;;
    openssh-client) cp "$FAKE/harmless" "$FAKE/bin/ssh" ;;
    fish | zsh | tcsh | ffmpeg)
        [ ! -e "$FAKE/no-shells" ] || { echo "E: no candidate" >&2; exit 100; }
        cp "$FAKE/harmless" "$FAKE/bin/$package"
        ;;
    python*-venv) rm -f "$FAKE/no-ensurepip" ;;
    esac
done
"""
)

UPDATE_BINFMTS = (
    FAKE + 'printf "enabled\\nflags: PF\\n" >"$FAKE/sys/proc/sys/fs/binfmt_misc/qemu-aarch64"\n'
)
MOUNT = FAKE + ': >"$FAKE/sys/proc/sys/fs/binfmt_misc/register"\n'
APT_CACHE = (
    FAKE
    + """
for package in "$@"; do :; done
case " $(cat "$FAKE/not-in-apt" 2>/dev/null) " in
*" $package "*) [ "$1" = policy ] && echo "  Candidate: (none)" || exit 100 ;;
*) [ "$1" = policy ] && echo "  Candidate: 1.0" || echo "Package: $package" ;;
esac
"""
)
ID = """#!/bin/sh
[ "${FAKE_IS_ROOT-$(cat "$FAKE/is-root")}" = 1 ] && n=0 name=root || n=1000 name=pat
case $1 in -u) echo $n ;; -un) echo $name ;; *) exit 64 ;; esac
"""
UNAME = """#!/bin/sh
case ${1--s} in -s) cat "$FAKE/system" ;; -m) echo x86_64 ;; *) exit 64 ;; esac
"""
DOCKERD = (
    FAKE
    + """
[ ! -e "$FAKE/sys/var/run/docker.pid" ] || { echo "pid file found"; exit 1; }
echo $$ >>"$FAKE/dockerds"
touch "$FAKE/dockerd-wanted"
exec sleep 60
"""
)
SYSTEMCTL = FAKE + 'case " $* " in *docker*) touch "$FAKE/dockerd-wanted" ;; esac\n'

OS_RELEASE = {
    "debian": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "ubuntu": 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n',
    "fedora": 'NAME="Fedora Linux"\nID=fedora\n',
    "arch": 'NAME="Arch Linux"\nID=arch\n',
    "slackware": "NAME=Slackware\nID=slackware\n",
    "macos": "",
}


@dataclass
class Done:
    """How a run of yard ended."""

    code: int
    out: str
    err: str
    calls: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)  # invoke's

    def called(self, *words: str) -> list[str]:
        """The calls in which these words all stand."""
        return [call for call in self.calls if all(word in call for word in words)]

    @property
    def became(self) -> list[str]:
        """What was done at last: Invoke with piyard's tasks, or piyard itself."""
        return [call for call in self.calls if call.startswith("invoke") or "__main__.py" in call]


class Machine:
    """A fresh machine of one kind; ``Machine.yard()`` runs the real script on it."""

    def __init__(self, folder: Path, os_name: str = "debian", *, root: bool = True) -> None:
        self.folder = folder
        self.bin, self.sys = folder / "bin", folder / "sys"
        self.tree = folder / "a tree"
        self._engine: _Engine | None = None
        for fresh in (self.bin, self.tree, folder / "home"):
            fresh.mkdir()
        for part in ("etc", "proc/sys/fs/binfmt_misc", "proc/net", "run", "var/run", "var/log"):
            (self.sys / part).mkdir(parents=True)
        for name in HARMLESS:
            if result := shutil.which(name):
                (self.bin / name).symlink_to(result)
        for name, text in {
            "pip": "",
            "system": "Darwin" if os_name == "macos" else "Linux",
            "is-root": "1" if root else "0",
        }.items():
            (folder / name).write_text(text)
        for name, text in {
            "invoke": INVOKE,
            "dockerd": DOCKERD,
            "update-binfmts": UPDATE_BINFMTS,
            "harmless": FAKE,
            "bin/id": ID,
            "bin/uname": UNAME,
            "bin/sudo": SUDO,
            "bin/mount": MOUNT,
            "bin/brew": FAKE,
        }.items():
            self.program(name, text)
        if os_name != "macos":
            (self.sys / "etc/os-release").write_text(OS_RELEASE[os_name])
        if os_name in {"debian", "ubuntu"}:
            self.program("bin/apt-get", APT_GET)
            self.program("bin/apt-cache", APT_CACHE)
            self.program("bin/dpkg", FAKE)
        self.python("python3", "3.11.7")
        shutil.copy(ROOT / "yard", self.tree / "yard")
        (self.tree / "requirements").mkdir()
        (self.tree / "requirements/lock.txt").write_text("invoke==2.2.1\n")
        overrides = "# why\nopencv-python ; python_version < '3'\n"
        (self.tree / "requirements/overrides.in").write_text(overrides)
        (self.tree / "requirements/torch.txt").write_text("torch==2.13.0\ntorchvision==0.28.0\n")

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    def python(self, name: str, version: str) -> None:
        self.program(
            f"bin/{name}", PYTHON.replace("@REAL@", sys.executable).replace("@VERSION@", version)
        )

    def pip(self, script: str) -> None:
        """What pip does from now on, in shell; "$@" are its arguments."""
        (self.folder / "pip").write_text(script)

    def note(self, name: str, text: str = "") -> None:
        (self.folder / name).write_text(text)

    def allow_sudo(self) -> None:
        self.note("sudo-allowed")

    def systemd(self) -> None:
        (self.sys / "run/systemd/system").mkdir(parents=True)
        self.program("bin/systemctl", SYSTEMCTL)

    def emulation(self, flags: str = "PF", state: str = "enabled") -> None:
        entry = self.sys / "proc/sys/fs/binfmt_misc/qemu-aarch64"
        entry.write_text(f"{state}\ninterpreter /usr/bin/qemu-aarch64\nflags: {flags}\n")

    def engine(self) -> None:
        """An engine that listens from now on."""
        self._engine = self._engine or _Engine(self.folder)
        self._engine.listen()

    def engine_dies(self, successor: str | None = None) -> None:
        """The engine is killed: its files stay, its number may be another program's by now."""
        assert self._engine
        self._engine.stop(leave_files=True)
        if successor:
            (self.sys / "proc/4242/comm").write_text(successor + "\n")

    def ready(self) -> None:
        """Everything is set up, and what led there forgotten."""
        self.engine()
        self.emulation()
        self.program("bin/mmdebstrap", FAKE)
        done = self.yard("--setup")
        assert done.code == 0, done.err
        assert not done.called("apt-get", "install")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "HOME": str(self.folder / "home"),
            "FAKE": str(self.folder),
            "PIYARD_SYSROOT": str(self.sys),
            "TERM": "xterm-256color",
        }

    def start(
        self, *words: str, as_user: int | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        (self.folder / "calls").touch()
        self._engine = self._engine or _Engine(self.folder)
        return subprocess.Popen(
            [str(self.tree / "yard"), *words],
            env=self.environment | variables,
            cwd=self.folder / "home",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            user=as_user,
        )

    def yard(self, *words: str, as_user: int | None = None, **variables: str) -> Done:
        """Run yard to its end; ``calls`` are those of this run."""
        (self.folder / "calls").write_text("")
        return self.finish(self.start(*words, as_user=as_user, **variables))

    def finish(self, running: subprocess.Popen[str]) -> Done:
        try:
            out, err = running.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
            raise
        seen = self.folder / "env"
        lines = seen.read_text().splitlines() if seen.exists() else []
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        return Done(running.returncode, out, err, self.calls, environment)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def wait_for_call(self, *words: str) -> None:
        until = time.monotonic() + 30
        while not any(all(word in call for word in words) for call in self.calls):
            assert time.monotonic() < until, f"no call with {words}: {self.calls}"
            time.sleep(0.02)

    def pip_installs(self) -> list[str]:
        return [call for call in self.calls if " -m pip " in call and " install " in call]

    def close(self) -> None:
        if self._engine:
            self._engine.close()
        dockerds = self.folder / "dockerds"
        for number in dockerds.read_text().split() if dockerds.exists() else []:
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)


class _Engine:
    """Listens where dockerd would, once a fake dockerd has been started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "sys/var/run/docker.sock"
        self._listener: socket.socket | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def listen(self) -> None:
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        run = self._path.parent
        (run / "docker.pid").write_text("4242")
        comm = self._folder / "sys/proc/4242/comm"
        comm.parent.mkdir(exist_ok=True)
        comm.write_text("dockerd\n")
        self._net_unix(f"0000: 00000002 00000000 00010000 0001 01 99 {self._path}\n")

    def stop(self, *, leave_files: bool = False) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        (self._folder / "sys/proc/4242/comm").unlink(missing_ok=True)
        self._net_unix("")
        if not leave_files:
            self._path.unlink(missing_ok=True)
            (self._path.parent / "docker.pid").unlink(missing_ok=True)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.stop()

    def _watch(self) -> None:
        expected = self._folder / "dockerd-wanted"
        while not self._over.wait(0.02):
            if expected.exists():
                expected.unlink()
                self.listen()

    def _net_unix(self, lines: str) -> None:
        (self._folder / "sys/proc/net/unix").write_text(lines)


def snapshot(folder: Path) -> Sequence[str]:
    """Every file below a folder, with its size and time."""
    return sorted(
        f"{path.relative_to(folder)} {path.lstat().st_size} {path.lstat().st_mtime_ns}"
        for path in folder.rglob("*")
    )

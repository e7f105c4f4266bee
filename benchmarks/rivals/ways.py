"""The ways to do the job: piyard's, and those of the rivals. Each is one command on this machine.

A way leaves the ten files verified in a folder of the board and visible under one fixed name. Only
``rsync only`` does less, and shows what the rest costs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rivals.job import Job
from piyard.core.cancel import wait_until
from piyard.core.errors import NotSetUp, unknown_name
from piyard.core.paths import ROOT

HERE = Path(__file__).parent
PIYARD, REHASHING, ALL = "piyard", "piyard rehashing", "all"
OURS = {PIYARD, REHASHING}
RSYNC, RSYNC_ONLY = "rsync + ssh", "rsync only"
COPY, SYNCHRONIZE, WARM = "Ansible copy", "Ansible synchronize", "Ansible sync. (warm)"
PYINFRA = "pyinfra"
CLOSING_LIMIT_S = 10
NOT_OURS = ("ANSIBLE_", "SSH_", "PYTHON", "PIYARD_", "RSYNC_")
"""Settings of whoever starts the comparison count for nobody."""


@dataclass(frozen=True)
class Way:
    """One way: its command for a job, and what happens before and after without being timed."""

    name: str
    shows: str
    """The folder on the board, below the login folder, that holds the files at the end."""
    argv: Callable[[Job], list[str]]
    env: Callable[[Job], dict[str, str]]
    before: Callable[[Job], None]
    after: Callable[[Job], None]


def environment(way: Way, job: Job) -> dict[str, str]:
    """The environment of the way's command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    return kept | {"LC_ALL": "C.UTF-8"} | way.env(job)


def all_of(programs: Path) -> list[Way]:
    """Every way there is; ``programs`` is where Ansible's and pyinfra's are."""
    return [
        _piyard(PIYARD),
        _piyard(REHASHING, "rehash"),
        _way(RSYNC, "rsync/current", _rsync),
        _way(RSYNC_ONLY, "plain", _rsync_only),
        _ansible(programs, COPY, "copy"),
        _ansible(programs, SYNCHRONIZE, "synchronize"),
        _ansible(programs, WARM, "synchronize", warm=True),
        _way(PYINFRA, "pyinfra/current", lambda job: _pyinfra(programs, job), _pyinfra_env),
    ]


def chosen(ways: list[Way], names: list[str]) -> list[Way]:
    """piyard's way and those named; ``all`` names all of them."""
    by_name = {way.name: way for way in ways}
    for name in names:
        if name not in {ALL, *by_name}:
            raise unknown_name("tool", name, [ALL, *by_name])
    return [way for way in ways if ALL in names or way.name in {PIYARD, *names}]


def _nothing(_job: Job) -> None:
    pass


def _way(
    name: str,
    shows: str,
    argv: Callable[[Job], list[str]],
    env: Callable[[Job], dict[str, str]] = lambda _job: {},
    before: Callable[[Job], None] = _nothing,
    after: Callable[[Job], None] = _nothing,
) -> Way:
    return Way(name, shows, argv, env, before, after)


def _piyard(name: str, *how: str) -> Way:
    """It hashes on the board what is new there, or as the rivals' scripts do all of it."""

    def argv(job: Job) -> list[str]:
        return [sys.executable, str(HERE / "piyard_deploy.py"), str(job.piyard), *how]

    return _way(name, ".piyard/current", argv, lambda _job: {"PYTHONPATH": str(ROOT)})


def _rsync(job: Job) -> list[str]:
    script = [str(HERE / "rsync_deploy.sh"), str(job.reach.ssh_config)]
    return _each_at_once(job, "sh", *script, str(job.payload.folder), str(job.sums), "{}")


def _rsync_only(job: Job) -> list[str]:
    ssh = f"ssh -F {job.reach.ssh_config}"
    return _each_at_once(job, "rsync", "-a", "-e", ssh, f"{job.payload.folder}/", "{}:plain/")


def _each_at_once(job: Job, *command: str) -> list[str]:
    parallel = str(len(job.reach.ports))
    return ["xargs", "-a", str(job.reach.names), "-P", parallel, "-I", "{}", *command]


def _ansible(programs: Path, name: str, transfer: str, *, warm: bool = False) -> Way:
    """Each sample opens its own connections, or with ``warm`` finds them open."""

    def argv(job: Job) -> list[str]:
        inputs = {"payload": job.payload.folder, "sums": job.sums, "release": job.release}
        extra = [f"{key}={value}" for key, value in (inputs | {"transfer": transfer}).items()]
        options = [part for each in extra for part in ("-e", each)]
        return [str(programs / "ansible-playbook"), str(HERE / "playbook.yaml"), *options]

    def env(job: Job) -> dict[str, str]:
        home = {"ANSIBLE_HOME": str(job.reach.folder / "ansible")}
        return home | {"ANSIBLE_CONFIG": str(job.ansible)}

    def connect(job: Job) -> None:
        greet = [str(programs / "ansible"), "all", "-m", "ansible.builtin.raw", "-a", "true"]
        subprocess.run(greet, env=environment(way, job), capture_output=True, check=True)

    way = _way(name, "ansible/current", argv, env, connect if warm else _nothing, _hang_up)
    return way


def _hang_up(job: Job) -> None:
    """End the connections that Ansible leaves open."""
    for socket in job.control.iterdir():
        ssh = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "board"]
        subprocess.run(ssh, capture_output=True, check=False)
    closed = wait_until(lambda: not any(job.control.iterdir()) or None, CLOSING_LIMIT_S)
    if not closed:
        raise NotSetUp("connections of Ansible's could not be closed", remedy="try again")


def _pyinfra(programs: Path, job: Job) -> list[str]:
    inputs = {"payload": job.payload.folder, "sums": job.sums, "release": job.release}
    data = [part for key, value in inputs.items() for part in ("--data", f"{key}={value}")]
    inventory, deploy = HERE / "pyinfra_inventory.py", HERE / "pyinfra_deploy.py"
    return [str(programs / "pyinfra"), "-y", *data, str(inventory), str(deploy)]


def _pyinfra_env(job: Job) -> dict[str, str]:
    return {"RIVALS_HOSTS": str(job.pyinfra)}

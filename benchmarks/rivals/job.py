"""One deploy of a payload to boards, as files that each of the rivals reads in its own way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rivals import payload as payloads
from benchmarks.rivals.payload import Payload
from benchmarks.rivals.reach import Reach
from piyard.board.emulator import LOOPBACK, USER
from piyard.core.files import sha256_of_value

ANSIBLE_CONFIG = """\
[defaults]
inventory = {inventory}
forks = {boards}
gathering = explicit
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
ssh_common_args = -F {ssh_config}
control_path_dir = {control}
"""
"""ControlPersist, compression and the way files travel are Ansible's own choice."""


@dataclass(frozen=True)
class Job:
    """What is deployed, where to, and the folder of the files that say so."""

    payload: Payload
    digests: dict[str, str]
    reach: Reach

    @property
    def sums_text(self) -> str:
        """The digests as ``sha256sum -c`` reads them."""
        return payloads.sums(self.digests)

    @property
    def release(self) -> str:
        """A name that follows from the content."""
        return sha256_of_value(self.digests)[:12]

    @property
    def sums(self) -> Path:
        """The file of digests for ``sha256sum -c``."""
        return self.reach.folder / "sums"

    @property
    def piyard(self) -> Path:
        """The file that piyard's program is given."""
        return self.reach.folder / "piyard.json"

    @property
    def inventory(self) -> Path:
        """Ansible's list of boards."""
        return self.reach.folder / "inventory.ini"

    @property
    def ansible(self) -> Path:
        """Ansible's configuration."""
        return self.reach.folder / "ansible.cfg"

    @property
    def control(self) -> Path:
        """Where Ansible leaves its open connections."""
        return self.reach.folder / "control"

    @property
    def pyinfra(self) -> Path:
        """pyinfra's list of boards."""
        return self.reach.folder / "pyinfra.json"


def prepare(payload: Payload, reach: Reach) -> Job:
    """The job for what the payload holds now; its files are written."""
    job = Job(payload=payload, digests=payload.digests(), reach=reach)
    job.control.mkdir(exist_ok=True)
    job.sums.write_text(job.sums_text)
    job.piyard.write_text(json.dumps(_for_piyard(job)))
    job.inventory.write_text(reach.names.read_text())
    job.ansible.write_text(_for_ansible(job))
    job.pyinfra.write_text(json.dumps(_for_pyinfra(job)))
    return job


def _for_piyard(job: Job) -> dict[str, object]:
    return {
        "boards": job.reach.ports,
        "key": str(job.reach.key),
        "known_hosts": str(job.reach.known_hosts),
        "folder": str(job.payload.folder),
        "files": {
            file.name: {"sha256": job.digests[file.name], "size": file.stat().st_size}
            for file in job.payload.files
        },
    }


def _for_ansible(job: Job) -> str:
    return ANSIBLE_CONFIG.format(
        inventory=job.inventory,
        boards=len(job.reach.ports),
        ssh_config=job.reach.ssh_config,
        control=job.control,
    )


def _for_pyinfra(job: Job) -> dict[str, object]:
    common = {
        "ssh_hostname": LOOPBACK,
        "ssh_user": USER,
        "ssh_key": str(job.reach.key),
        "ssh_known_hosts_file": str(job.reach.known_hosts),
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
    }
    return {name: common | {"ssh_port": port} for name, port in job.reach.ports.items()}

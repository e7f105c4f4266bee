"""The same job by piyard: a program of its own, timed from its start to its end.

    python piyard_deploy.py JOB [rehash]

JOB is a JSON file: name, port of each board; key, known_hosts; folder of the files; and for each
file its sha256 and size, as piyard's own artifacts have them in their manifests. Nothing is hashed
on this side, as in any deploy of piyard's. On the board only what is new is hashed, or with
``rehash`` everything. Prints, as JSON, SSH commands and bytes by board.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from piyard.board.lease import new_lease
from piyard.board.release import Release, ReleaseFile
from piyard.board.ssh.address import Address
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import open_session
from piyard.run.deploy import deploy_releases
from piyard.run.schedule import run_parallel

LOOPBACK, USER = "127.0.0.1", "pi"


def main() -> None:
    """Deploy to all boards of the job at once."""
    job = json.loads(Path(sys.argv[1]).read_text())
    release = Release(
        label="benchmark", files=[_file(job, *output) for output in job["files"].items()]
    )
    rehash = "rehash" in sys.argv[2:]
    result: dict[str, dict[str, int]] = {}

    def to(name: str) -> None:
        with open_session(_login(job, name)) as session:
            done = deploy_releases(session, [release], new_lease("benchmark"), rehash=rehash)
            result[name] = {"commands": session.commands, "sent": done.sent}

    run_parallel([(name, partial(to, name)) for name in job["boards"]])
    print(json.dumps(result))


def _file(job: dict[str, Any], name: str, facts: dict[str, Any]) -> ReleaseFile:
    path = Path(job["folder"]) / name
    return ReleaseFile(name=name, path=path, sha256=facts["sha256"], size=facts["size"])


def _login(job: dict[str, Any], name: str) -> Login:
    return Login(
        name=name,
        address=Address(host=LOOPBACK, user=USER, port=job["boards"][name]),
        key=Path(job["key"]),
        known_hosts=Path(job["known_hosts"]),
    )


if __name__ == "__main__":
    main()

"""The same job by pyinfra. Given: payload (folder of files), sums (file), release (a name).

pyinfra looks at what is there before it does anything, and writes into files as they are. So the
files are synchronized with a folder that stays, and each release is a copy of it.
"""

from __future__ import annotations

from pathlib import Path

from pyinfra import host  # type: ignore[import-not-found]
from pyinfra.operations import files, server  # type: ignore[import-not-found]

release = f"pyinfra/releases/{host.data.release}"
files.sync(
    name="synchronize the files",
    src=host.data.payload,
    dest="pyinfra/files",
    delete=True,
    add_deploy_dir=False,
)
server.shell(
    name="make a release, verify and switch to it",
    commands=[
        f"[ -d {release} ] || {{ mkdir -p {release} && cp -a pyinfra/files/. {release}; }}",
        f"cd {release} && sha256sum -c --quiet - <<'END'\n{Path(host.data.sums).read_text()}END",
        f"ln -sfn releases/{host.data.release} pyinfra/current",
    ],
)

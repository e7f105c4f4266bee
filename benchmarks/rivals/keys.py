"""Key pairs for one comparison: the one that may log in, and the boards' host key."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keys:
    """Two private keys, each with its public half beside it."""

    login: Path
    host: Path

    @staticmethod
    def public(private: Path) -> Path:
        """The public half of a key."""
        return private.with_name(f"{private.name}.pub")


def make(folder: Path) -> Keys:
    """Fresh keys in a folder that is made."""
    folder.mkdir(parents=True, mode=0o700)
    keys = Keys(login=folder / "login", host=folder / "host")
    for private in (keys.login, keys.host):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(private)]
        subprocess.run(argv, check=True)
    return keys

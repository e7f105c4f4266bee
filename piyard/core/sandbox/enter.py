"""Give up all rights that the policy does not grant, then execute another program.

Run by ``python -I enter.py POLICY PROGRAM …`` with a policy in JSON; see ``kernel.command``.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Never returns: it executes the program, or exits with code 1."""
    package = next(f for f in Path(__file__).resolve().parents if f.name == "piyard")
    sys.path.insert(0, str(package.parent))
    landlock = import_module("piyard.core.sandbox.kernel")
    seccomp = import_module("piyard.core.sandbox.kernel")
    policy, argv = json.loads(sys.argv[1]), sys.argv[2:]
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, policy["memory"])
    _limit(resource.RLIMIT_FSIZE, policy["file_size"])
    landlock.restrict_files(policy["read"], policy["write"])
    seccomp.restrict_calls()
    os.execv(argv[0], argv)


def _limit(resource_id: int, maximum: int) -> None:
    """Set a limit, unless a lower one is already set."""
    _, hard = resource.getrlimit(resource_id)
    value = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
    resource.setrlimit(resource_id, (value, value))


if __name__ == "__main__":
    main()

"""``piyard TASK`` and ``python -m piyard TASK``: the same as ``invoke TASK`` in the checkout.

An installed piyard that is called in a checkout becomes that checkout's own, as Invoke does.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

BY_YARD = not __package__
"""yard starts this file itself: ``-m`` would look for piyard in the user's folder first."""


if BY_YARD:
    sys.path[0] = __file__.rpartition("/piyard/")[0]


def main() -> None:
    """Do what the words say, and leave with the exit code."""
    from piyard.core import paths

    if paths.IS_INSTALLED and (checkout := paths.find_checkout()):
        _use_package_in(checkout)
        importlib.import_module("piyard.__main__").run()
    else:
        run()


def _use_package_in(folder: Path) -> None:
    """What is imported as piyard from now on is there."""
    sys.path.insert(0, str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "piyard"]:
        del sys.modules[name]


def run() -> None:
    """Do it with this package."""
    from piyard.cli.program import NAME, Program
    from piyard.core import paths
    from piyard.core.cancel import install_exit_hooks

    install_exit_hooks()
    name = "yard" if BY_YARD else NAME
    tasks = ["--search-root", str(paths.ROOT)]
    Program(name=NAME, binary=name, binary_names=[name]).run([name, *tasks, *sys.argv[1:]])


if __name__ == "__main__":
    main()

"""``python -m piyard TASK``: the same as ``invoke TASK`` in the checkout, from any folder."""

from __future__ import annotations

import sys

BY_YARD = not __package__
"""yard starts this file itself: ``-m`` would look for piyard in the user's folder first."""


if BY_YARD:
    sys.path[0] = __file__.rpartition("/piyard/")[0]


def main() -> None:
    """Do what the words say, and leave with the exit code."""
    from piyard.cli.program import NAME, Program
    from piyard.core import paths
    from piyard.core.cancel import install_exit_hooks

    install_exit_hooks()
    name = "yard" if BY_YARD else NAME
    tasks = ["--search-root", str(paths.ROOT)]
    Program(name=NAME, binary=name, binary_names=[name]).run([name, *tasks, *sys.argv[1:]])


if __name__ == "__main__":
    main()

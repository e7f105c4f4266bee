"""``python -m piyard TASK``: the same as ``invoke TASK`` in the checkout, from any folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from piyard import ending, paths
from piyard.tasks.program import NAME, Program


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the words say, and leave with the exit code."""
    ending.install()
    program, *words = sys.argv if argv is None else argv
    tasks = ["--search-root", str(paths.ROOT)]
    Program(name=NAME, binary=NAME, binary_names=[NAME]).run([program, *tasks, *words])


if __name__ == "__main__":
    main()

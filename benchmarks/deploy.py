r"""piyard's deploy beside rsync + ssh, Ansible and pyinfra: one board, in detail.

    .venv/bin/python -m benchmarks.deploy
    .venv/bin/python -m benchmarks.deploy --quick --tools "rsync + ssh" --format json

All do the same job on the same board in the same run: ten files (a model of 50 MB, a program of
some 6 MB, eight texts) get onto the board's disk, are verified there by sha256, and become visible
by a symlink ``current``. Only ``rsync only`` neither verifies nor switches. The board is a
container of this machine's own architecture with sshd; it is met as it is, and through a forwarder
that adds 20 ms to each round trip.

Each time is that of a whole process. piyard's knows the files' sha256 from a file, as its real
deploys know them from the manifests of artifacts; the rivals are given theirs in a file too. On the
board piyard hashes what is new there, and trusts a file that it hashed before while its inode, size
and time are the same; the rivals' scripts hash all ten each time, as ``piyard rehashing`` does.
Ansible starts each sample without open connections, except where it says ``warm``.
"""

from __future__ import annotations

import sys

from benchmarks.rivals.command_line import Rows, Usual, main
from benchmarks.rivals.figures import Figure, Figures
from benchmarks.rivals.ways import ALL

COLUMNS = [
    "Delay ms",
    "Boards",
    "Case",
    "Tool",
    "Median s",
    "Range s",
    "xpiyard",
    "CPU s",
    "kB to a board",
    "SSH commands",
]


def rows_of(figures: Figures) -> Rows:
    """A row for each tool in each case."""
    return COLUMNS, [_row(figures, figure) for figure in figures.all]


def _row(figures: Figures, figure: Figure) -> list[str]:
    delay_ms, boards, case, tool = figure.key
    shortest, longest = figure.range_s
    return [
        f"{delay_ms:g}",
        str(boards),
        case,
        tool,
        f"{figure.median_s:.3f}",
        f"{shortest:.3f}-{longest:.3f}",
        f"{figures.times_piyard(figure):.2f}",
        f"{figure.cpu_s:.2f}",
        f"{figure.received / 1000:.1f}",
        "" if figure.commands is None else str(figure.commands),
    ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", Usual([1], [1], [ALL]), rows_of))

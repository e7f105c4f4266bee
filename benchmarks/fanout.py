r"""piyard's deploy beside rsync + ssh, Ansible and pyinfra: to 1, 5 and 10 boards at once.

    .venv/bin/python -m benchmarks.fanout
    .venv/bin/python -m benchmarks.fanout --boards 1,10 --tools "rsync + ssh" --delays 20

The job is that of benchmarks/deploy.py, done to all boards by one command: piyard's threads, rsync
under ``xargs -P``, Ansible with as many forks as boards (in its quickest way, unless ``--tools``
names another), pyinfra as it does by itself. The last column but one says how many times as long
the most boards took as the fewest. All boards share this machine's processors, so it tells most
where the work is waiting rather than computing.
"""

from __future__ import annotations

import sys

from benchmarks.rivals.command_line import Rows, Usual, main
from benchmarks.rivals.figures import Figures
from benchmarks.rivals.ways import PYINFRA, RSYNC, RSYNC_ONLY, SYNCHRONIZE

USUAL = Usual([1, 5, 10], [1, 3], [RSYNC, RSYNC_ONLY, SYNCHRONIZE, PYINFRA])


def rows_of(figures: Figures) -> Rows:
    """A row for each tool in each case, a column for each number of boards."""
    fewest, most = figures.counts[0], figures.counts[-1]
    columns = ["Delay ms", "Case", "Tool"]
    for count in figures.counts:
        columns += [f"{count} s", f"xpiyard ({count})"]
    columns += [f"{most}/{fewest}", "SSH commands a board"]
    keys = dict.fromkeys((delay, case, tool) for delay, _, case, tool in _keys(figures))
    return columns, [_row(figures, *key) for key in keys]


def _keys(figures: Figures) -> list[tuple[float, int, str, str]]:
    return [figure.key for figure in figures.all]


def _row(figures: Figures, delay_ms: float, case: str, tool: str) -> list[str]:
    cells = [f"{delay_ms:g}", case, tool]
    for count in figures.counts:
        figure = figures.at(delay_ms, count, case, tool)
        cells += [f"{figure.median_s:.3f}", f"{figures.times_piyard(figure):.2f}"]
    commands = figures.at(delay_ms, figures.counts[-1], case, tool).commands
    growth = f"{figures.growth(delay_ms, case, tool):.2f}"
    return [*cells, growth, "" if commands is None else str(commands)]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", USUAL, rows_of))

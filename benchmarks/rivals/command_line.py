"""What both programs share on their command line and in what they print."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.rivals.comparison import Compared, Plan, compare
from benchmarks.rivals.figures import Figures
from piyard.core import console
from piyard.core.errors import PiyardError
from piyard.core.tables import render_table

FORMATS = ("plain", "json")
DELAYS_MS = [0.0, 20.0]
ROUNDS, QUICK_ROUNDS = 5, 1
TIMES = "Times are medians; xpiyard is how many times as long as piyard's in the same run."

Rows = tuple[list[str], list[list[str]]]
"""Columns, and the rows under them."""
RowsOf = Callable[[Figures], Rows]


@dataclass(frozen=True)
class Usual:
    """What a program compares unless it is told otherwise."""

    counts: list[int]
    quick_counts: list[int]
    tools: list[str]


def main(about: str, usual: Usual, rows_of: RowsOf) -> int:
    """Parse, compare, print; the exit code is 0 when every tool did the job every time."""
    request = arguments(about, usual)
    try:
        compared = compare(plan(request, usual))
    except PiyardError as error:
        console.info(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    print(shown(compared, rows_of, request.format))
    return 0


def plan(options: argparse.Namespace, usual: Usual) -> Plan:
    """What to compare, by the command line."""
    return Plan(
        counts=options.boards or (usual.quick_counts if options.quick else usual.counts),
        delays_ms=options.delays,
        rounds=options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS),
        names=options.tools,
    )


def shown(compared: Compared, rows_of: RowsOf, form: str) -> str:
    """The table and what belongs under it; as JSON with every sample."""
    figures = Figures(compared.samples)
    columns, rows = rows_of(figures)
    if form == "json":
        return json.dumps(
            {
                "versions": compared.versions,
                "rows": [dict(zip(columns, row, strict=True)) for row in rows],
                "samples": [asdict(sample) for sample in compared.samples],
            },
            indent=2,
        )
    return f"{render_table(columns, rows, form)}\n\n{_notes(compared, figures)}"


def _notes(compared: Compared, figures: Figures) -> str:
    worst = max(ratio for _, ratio in figures.change_sent())
    sent = max(sample.sent or 0 for sample, _ in figures.change_sent())
    change = (
        f"One changed file: piyard's stream to a board had at most {sent:,} bytes, "
        f"{worst:.4f} times that file alone compressed by zstd -3."
    )
    versions = (f"{name}: {version}" for name, version in compared.versions.items())
    return "\n".join([TIMES, change, *versions])


def arguments(about: str, usual: Usual, line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, by itself the program's own."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--boards", type=_numbers(int, 1), metavar="N,N…")
    parser.add_argument("--delays", type=_numbers(float, 0), default=DELAYS_MS, metavar="MS,MS…")
    parser.add_argument(
        "--rounds", type=_count, metavar="N", help=f"samples of each (default {ROUNDS})"
    )
    parser.add_argument("--tools", type=_names, default=usual.tools, metavar="NAME,…|all")
    parser.add_argument("--quick", action="store_true", help="few boards, one round")
    parser.add_argument("--format", choices=FORMATS, default="plain")
    return parser.parse_args(line)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of rounds")
    return count


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _numbers(kind: type[float], least: float) -> Callable[[str], list[float]]:
    """Numbers between commas, none below ``least``."""

    def numbers(text: str) -> list[float]:
        values = [kind(part) for part in text.split(",")]
        if not all(number >= least for number in values):
            raise argparse.ArgumentTypeError(f"{text}: none may be below {least:g}")
        return values

    return numbers

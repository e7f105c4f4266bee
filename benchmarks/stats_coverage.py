"""How often piyard's statistics are right, on made-up times whose truth is known.

    python -m benchmarks.stats_coverage
    python -m benchmarks.stats_coverage --trials 2000 --seed 7

How often the 95 % interval holds the true median, also when a run is stopped as soon as the
interval is within 1 %, as nnrun stops it; how often drift and two modes are found in series that
have them and in series that have not; how often ``compare`` and ``compare_runs`` call two builds
different that are equal, and that differ by 5 %. tests/unit/test_stats_*.py hold the same figures
to their bars.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from benchmarks import made_times
from benchmarks.made_times import COURSES, INDEPENDENT, NOISES, times, with_offsets
from piyard.results import summary
from piyard.results.significance import compare_runs, compare_samples
from piyard.results.summary import interval_ends
from piyard.results.trend import changes_slowly, find_drift, find_modes

if TYPE_CHECKING:
    from numpy.random import Generator

    from benchmarks.made_times import Times

COUNTS = (10, 30, 100, 300)
WITHIN = 0.01
"""The interval's half width that ends a run, as a fraction of the median."""
FIRST, MOST = 20, 2000
"""A run has so many samples at least, and at most."""
SPREAD = 0.005
"""Standard deviation of equal runs, as a fraction."""
SLOWER = 1.05


def coverage(name: str, count: int, rng: Generator, trials: int) -> float:
    """How often the interval of so many samples holds the true median."""
    ordered = np.sort(times(name, rng, trials, count))
    return _held(*interval_ends(ordered, summary.ranks(count)), made_times.true_median(name))


def stopped(name: str, noise: float, rng: Generator, trials: int) -> tuple[float, float]:
    """The same when nnrun stops the runs, and how many samples they had, in the middle."""
    series = times(name, rng, trials, MOST, noise=noise)
    counts, low, high = np.zeros(trials), np.zeros(trials), np.zeros(trials)
    for count in looks():
        going = np.flatnonzero(counts == 0)
        ordered = np.sort(series[going, :count])
        low[going], high[going] = interval_ends(ordered, summary.ranks(count))
        narrow = high[going] - low[going] <= 2 * WITHIN * np.median(ordered, axis=-1)
        counts[going[narrow | (count == MOST)]] = count
    return _held(low, high, made_times.true_median(name, noise)), float(np.median(counts))


def looks() -> Iterator[int]:
    """After how many samples nnrun computes the interval: runner/src/bench/sampling.cpp."""
    count = FIRST
    while count < MOST:
        yield count
        count += max(1, count // 16)
    yield MOST


def _held(low: Times, high: Times, truth: float) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


def rate(test: Callable[[Times], object], series: Times) -> float:
    """In which part of the series something is found."""
    return float(np.mean([test(run) not in {None, False} for run in series]))


def called(series_a: Times, series_b: Times) -> float:
    """In which part of the comparisons of two runs a change is called."""
    comparison = (compare_samples(a, b) for a, b in zip(series_a, series_b, strict=True))
    return float(np.mean([each.verdict != "not significant" for each in comparison]))


def called_by_runs(runs_a: Times, runs_b: Times) -> float:
    """The same for trials by runs by samples."""
    pairs = (list(zip(a, b, strict=True)) for a, b in zip(runs_a, runs_b, strict=True))
    comparison = (compare_runs(pair) for pair in pairs)
    return float(np.mean([each.verdict != "not significant" for each in comparison]))


def two_builds(
    name: str, spread: float, rng: Generator, *size: int, noise: float = made_times.NOISE
) -> tuple[Times, Times]:
    """Runs of two equal builds, each run with an offset of its own."""
    a, b = (with_offsets(times(name, rng, *size, noise=noise), spread, rng) for _ in "ab")
    return a, b


def intervals(rng: Generator, trials: int) -> str:
    """Coverage by distribution and number of samples."""
    rows: list[list[object]] = []
    for name in NOISES:
        row: list[object] = [name, *(percent(coverage(name, n, rng, 10 * trials)) for n in COUNTS)]
        for noise in (0.03, 0.05):
            held, count = stopped(name, noise, rng, trials)
            row.append(f"{percent(held)} (n = {count:.0f})")
        rows.append(row)
    when = ("stopped, noise 3 %", "stopped, noise 5 %")
    return table("interval holds the true median", [*map(_samples, COUNTS), *when], rows)


def drifts(rng: Generator, trials: int) -> str:
    """How often a drift is found, by what the run does."""
    counts = (20, 30, 50, 100, 300)

    def row(name: str, make: Callable[[int], Times]) -> list[object]:
        return [name, *(percent(rate(find_drift, make(n))) for n in counts)]

    rows = [row(f"none, {k}", partial(times, k, rng, trials)) for k in NOISES]
    for course in COURSES:
        for change in (0.015, 0.06, 0.10, 0.20):
            name = f"{course}, {100 * change:g} %"
            rows.append(row(name, partial(made_times.drifting, course, change, rng, trials)))
    return table("drift found", map(_samples, counts), rows)


def slow_changes(rng: Generator, trials: int) -> str:
    """How often independent samples are thought to change slowly: 0.5 % is what it is made for."""
    rows: list[list[object]] = [
        [k, *(percent(rate(changes_slowly, times(k, rng, 5 * trials, n))) for n in (20, 100))]
        for k in INDEPENDENT
    ]
    return table("thought to change slowly", map(_samples, (20, 100)), rows)


def two_modes(rng: Generator, trials: int) -> str:
    """How often two modes are found in single humps, and in two."""
    counts = (20, 30, 100, 300)

    def row(name: str, make: Callable[[int], Times]) -> list[object]:
        return [name, *(percent(rate(find_modes, make(n))) for n in counts)]

    single = [name for name in NOISES if name != "two modes"]
    rows = [row(f"none, {k}", partial(times, k, rng, trials)) for k in single]
    flat = (made_times.LEVEL_MS, 1.1 * made_times.LEVEL_MS)
    rows.append(row("none, flat, 10 % wide", lambda n: rng.uniform(*flat, (trials, n))))
    for distance, minor in ((5, 0.4), (6, 0.25), (10, 0.4), (10, 0.2)):
        name = f"{distance} deviations apart, {minor:.0%} in one"
        rows.append(row(name, partial(made_times.apart, distance, minor, rng, trials)))
    return table("two modes found", map(_samples, counts), rows)


def comparisons(rng: Generator, trials: int) -> str:
    """How often two runs are called different: with equal builds, and one slower by 5 %."""
    rows: list[list[object]] = []
    for noise, count in ((0.01, 20), (0.01, 100), (0.01, 300), (0.04, 100), (0.04, 300)):
        for name in NOISES:
            a, b = two_builds(name, SPREAD, rng, trials, count, noise=noise)
            figures = (called(a, b), called(a, SLOWER * b))
            rows.append([f"{name}, noise {noise:.0%}", count, *map(percent, figures)])
    return table("compare calls a change", ("samples", "equal", "5 % slower"), rows)


def turns(rng: Generator, trials: int) -> str:
    """The same of A-B-B-A and of twice as many runs, of samples that follow each other."""
    rows: list[list[object]] = []
    for name in ("normal", "a third kept", "0.7 kept"):
        for pairs in (2, 4):
            for spread in (0.002, SPREAD, 2 * SPREAD):
                a, b = two_builds(name, spread, rng, trials, pairs, 100)
                figures = (called_by_runs(a, b), called_by_runs(a, SLOWER * b))
                rows.append([name, f"{spread:.1%}", pairs, *map(percent, figures)])
    heads = ("runs differ by", "runs a side", "equal", "5 % slower")
    return table("compare_runs calls a change", heads, rows)


def percent(part: float) -> str:
    """A rate for the table."""
    return f"{100 * part:.1f}"


def table(title: str, heads: Iterable[str], rows: list[list[object]]) -> str:
    """Rates in percent under their heads."""
    return tabulate(rows, [f"{title} (%)", *heads], tablefmt="github", disable_numparse=True)


def _samples(count: int) -> str:
    return f"n = {count}"


def main(arguments: Sequence[str]) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    rng = np.random.default_rng(args.seed)
    for table in (intervals, slow_changes, drifts, two_modes, comparisons, turns):
        print(table(rng, args.trials), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

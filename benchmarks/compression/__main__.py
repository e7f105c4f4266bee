"""Whether each method beats a network of the same size that was trained without it.

    python -m benchmarks.compression [--data FOLDER] [--pictures 1000] [--judged 1000] [--seeds 3]
        [--epochs 6] [--trials 10] [--only distill,lowrank,search,qat]

On Fashion-MNIST (Debian's dataset-fashion-mnist): so many pictures of its training split, evenly
spread, are learnt from, and so many of its test split judge; no choice is made by these. Each row
is a method beside its baseline: the mean over the seeds ± their standard deviation, and how many of
the seeds it wins.

distill   the small network learns the answers of a large one, which has learnt from three times as
          many pictures, beside the same network trained by the labels of the same pictures
features  and what the large one sees on the way; beside labels, and beside the answers alone
lowrank   a network of plain convolutions whose layers became two, tuned by its answers, beside the
          same layers trained from nothing: by as many steps as the tuning took; by as many as the
          network and the tuning took; and by all steps where the network has seen three times as
          many pictures, as who compresses one from elsewhere has it
search    the best on held out pictures of the candidates that are not dearer than the baseline in
          multiply-accumulates, beside the family's default of that cost
qat       int8 by training, beside int8 by calibration, both computed by stock ncnn; and floats
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev

from benchmarks.compression.bench import Bench, Run
from benchmarks.compression.methods import METHODS, note
from piyard.core.tables import render_table

DATA = Path("/usr/share/datasets/fashion-mnist")
COLUMNS = ("Method", "Beside", "MMAC", "Weights", "With", "Without", "Difference", "Won")


def rows(bench: Bench, names: Sequence[str]) -> Iterator[list[str]]:
    """A row a method."""
    for name in names:
        runs = []
        for seed in range(1, bench.arguments.seeds + 1):
            runs.append(METHODS[name].run(bench, seed))
            note(f"{name}, seed {seed}: {runs[-1]}")
        yield [name, METHODS[name].beside, *summarise(runs)]


def summarise(runs: Sequence[Run]) -> list[str]:
    """The other cells of a row."""
    differences = [run.with_it - run.without for run in runs]
    return [
        f"{mean(run.macs for run in runs) / 1e6:.2f}",
        f"{mean(run.weights for run in runs):.0f}",
        spread([run.with_it for run in runs]),
        spread([run.without for run in runs]),
        spread(differences, sign="+"),
        f"{sum(each > 0 for each in differences)} of {len(runs)}",
    ]


def spread(figures: Sequence[float], sign: str = "") -> str:
    """Mean ± standard deviation; of a single figure that alone."""
    if len(figures) < 2:
        return f"{figures[0]:{sign}.2f}"
    return f"{mean(figures):{sign}.2f} ± {stdev(figures):.2f}"


def choose_names(text: str) -> list[str]:
    """The rows whose first word is named; all of them without any."""
    names = text.split(",") if text else []
    return [name for name in METHODS if not names or name.split(",")[0].split()[0] in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--judged", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    print(render_table(COLUMNS, list(rows(bench, choose_names(arguments.only))), "plain"))


if __name__ == "__main__":
    main()

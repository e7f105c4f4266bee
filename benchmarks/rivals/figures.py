"""What the samples come to: medians, and ratios between tools of the same run only."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.rivals.samples import CHANGED, Sample
from benchmarks.rivals.ways import PIYARD


@dataclass(frozen=True)
class Figure:
    """One tool in one case, on so many boards, so far away."""

    samples: list[Sample]

    @property
    def key(self) -> tuple[float, int, str, str]:
        """Delay in ms, boards, case, tool."""
        return key_of(self.samples[0])

    @property
    def median_s(self) -> float:
        """Of the seconds of all samples."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def range_s(self) -> tuple[float, float]:
        """The shortest and the longest."""
        seconds = [sample.seconds for sample in self.samples]
        return min(seconds), max(seconds)

    @property
    def cpu_s(self) -> float:
        """The median of what this machine's processors spent."""
        return statistics.median(sample.cpu_s for sample in self.samples)

    @property
    def received(self) -> float:
        """The median of the bytes that arrived at one board."""
        return statistics.median(s.received / s.boards for s in self.samples)

    @property
    def commands(self) -> int | None:
        """Commands over SSH, at most, where they are known."""
        return max((s.commands for s in self.samples if s.commands is not None), default=None)


class Figures:
    """The figures of one run, by delay, boards, case and tool, in the order they were taken."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        keys = dict.fromkeys(key_of(sample) for sample in samples)
        self._figures = {
            key: Figure([sample for sample in samples if key_of(sample) == key]) for key in keys
        }

    @property
    def all(self) -> list[Figure]:
        """Every one, piyard's first in each case."""
        return sorted(self._figures.values(), key=self._place)

    @property
    def counts(self) -> list[int]:
        """The numbers of boards there are figures for."""
        return sorted({boards for _, boards, _, _ in self._figures})

    def at(self, delay_ms: float, boards: int, case: str, tool: str) -> Figure:
        """That figure."""
        return self._figures[delay_ms, boards, case, tool]

    def times_piyard(self, figure: Figure) -> float:
        """How many times as long as piyard it took, in the same run."""
        delay_ms, boards, case, _ = figure.key
        return figure.median_s / self.at(delay_ms, boards, case, PIYARD).median_s

    def growth(self, delay_ms: float, case: str, tool: str) -> float:
        """How many times as long the most boards took as the fewest."""
        fewest, most = (
            self.at(delay_ms, boards, case, tool) for boards in (self.counts[0], self.counts[-1])
        )
        return most.median_s / fewest.median_s

    def change_sent(self) -> list[tuple[Sample, float]]:
        """piyard's samples of one changed file; how many times that file alone its stream was."""
        changed = (s for f in self._figures.values() for s in f.samples if s.case == CHANGED)
        return [(s, s.sent / s.alone) for s in changed if s.sent is not None]

    def _place(self, figure: Figure) -> tuple[float, int, int, bool, int]:
        delay_ms, boards, case, tool = figure.key
        order = list(self._figures)
        cases = list(dict.fromkeys(key[2] for key in order))
        return delay_ms, boards, cases.index(case), tool != PIYARD, order.index(figure.key)


def key_of(sample: Sample) -> tuple[float, int, str, str]:
    """What the sample is one of."""
    return sample.delay_ms, sample.boards, sample.case, sample.tool

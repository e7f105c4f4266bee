"""Answers and truth → figures in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from piyard.evaluate import coco, sequences
from piyard.evaluate.bootstrap import Interval, wilson
from piyard.evaluate.dataset import Dataset, Kind
from piyard.look.lines import Frame

NAMES: Mapping[Kind, tuple[str, ...]] = {
    "imagenet": ("top-1", "top-5"),
    "coco": ("mAP", "mAP50"),
    "mot": ("HOTA", "MOTA", "IDF1"),
    "otb": ("AUC", "precision"),
}
"""Metrics of each kind of data; the first one goes into the Accuracy column."""
TOP = 5


class Judged(NamedTuple):
    """Figures in percent, None where nothing could be judged, and 95 % intervals of some."""

    figures: dict[str, float | None]
    intervals: dict[str, Interval]


def of(data: Dataset, answers: Sequence[Sequence[Frame]]) -> dict[str, float | None]:
    """The figures of the answers, film by film, each film's in the order of its pictures."""
    return judge(data, answers).figures


def judge(data: Dataset, answers: Sequence[Sequence[Frame]]) -> Judged:
    """The same with their intervals; frames of a clip are too much alike for one."""
    films = list(zip(data.films, answers, strict=True))
    match data.kind:
        case "imagenet":
            ((film, frames),) = films
            return _top(film.truth, dict(zip(film.pictures, frames, strict=True)))
        case "coco":
            ((film, frames),) = films
            objects = dict(zip(film.pictures, (frame.objects for frame in frames), strict=True))
            return Judged(*coco.with_intervals(film.truth, objects))
        case "mot":
            tracks = [(film.truth, frames) for film, frames in films]
            return Judged(sequences.mot_figures(tracks), {})
        case "otb":
            ((film, frames),) = films
            return Judged({**sequences.otb_figures(film.truth, frames)}, {})


def _top(truth: Mapping[Path, int], answers: Mapping[Path, Frame]) -> Judged:
    shares, count = top(truth, answers), len(truth)
    hits = {name: round(share * count / 100) for name, share in shares.items()}
    return Judged({**shares}, {name: wilson(right, count) for name, right in hits.items()})


def top(truth: Mapping[Path, int], answers: Mapping[Path, Frame]) -> dict[str, float]:
    """How often the right class is the best one, and among the five best."""
    ranks = {path: [hit.index for hit in frame.top] for path, frame in answers.items()}
    first = sum(ranks[path][:1] == [index] for path, index in truth.items())
    five = sum(index in ranks[path][:TOP] for path, index in truth.items())
    return {"top-1": 100 * first / len(truth), "top-5": 100 * five / len(truth)}

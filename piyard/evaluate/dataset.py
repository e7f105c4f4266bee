"""Pictures whose truth is known: recognised, read for a model, and compared with answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from piyard.core.errors import BoardCommandFailed, WrongInput, unknown_name
from piyard.core.files import sha256_of_file, sha256_of_value
from piyard.evaluate.coco import is_coco, read_coco
from piyard.evaluate.imagenet import is_imagenet, read_imagenet
from piyard.evaluate.metrics import (
    Interval,
    coco_figures_with_intervals,
    mot_figures,
    otb_figures,
    wilson_interval,
)
from piyard.evaluate.tracks import TruthClips, is_mot, is_otb, read_mot, read_otb
from piyard.models.definition import Model
from piyard.predict import command
from piyard.vision.pictures import printable_path
from piyard.vision.predictions import Frame
from piyard.vision.tasks.base import PictureSet


class Film(PictureSet, frozen=True, kw_only=True):
    """Pictures that belong together, with their truth."""

    truth: Any
    """What the kind's own module reads and compares."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is evaluated on."""

    kind: str
    name: str
    films: Sequence[Film]
    truth_files: Sequence[Path]
    detail: str = ""
    """What else decides the figures: classes, pictures and frames that are not judged."""
    left_out: Sequence[Path] = ()
    """Pictures that lie there and are not judged."""

    @property
    def pictures(self) -> list[Path]:
        """All of them, in order."""
        return [path for film in self.films for path in film.pictures]

    @property
    def title(self) -> str:
        """``COCO val2017, 79 pictures``."""
        count, noun = len(self.pictures), DATA_FORMATS[self.kind].noun
        more = f", {len(self.left_out)} left out" if self.left_out else ""
        return f"{self.name}, {count} {noun if count == 1 else noun + 's'}{self.detail}{more}"

    @property
    def digest(self) -> str:
        """The same pictures and the same truth give the same."""
        files = [sha256_of_file(path) for path in (*self.truth_files, *self.pictures)]
        classes = [list(film.truth.values()) for film in self.films if self.kind == "imagenet"]
        content = {"kind": self.kind, "detail": self.detail, "files": files, "classes": classes}
        return sha256_of_value(content)


def recognise_data(path: Path) -> str:
    """The kind of data in a folder; raises ``WrongInput`` for an unknown one."""
    if not path.exists():
        raise WrongInput(f"{path} does not exist", remedy="check --data")
    for kind, form in reversed(DATA_FORMATS.items()):
        if form.recognise(path):
            return kind
    raise WrongInput(
        f"{path} is not a data set of a known kind",
        evidence="\n".join(f"{kind}: {form.layout}" for kind, form in DATA_FORMATS.items()),
        remedy="name its kind with --kind",
    )


def read_dataset(
    path: Path, model: Model, labels: Sequence[str], kind: str, limit: int | None
) -> Dataset:
    """The data for that model, ``limit`` pictures of it. Raises ``WrongInput``."""
    data_kind = _choose_kind(path, kind)
    _require_fitting(data_kind, model)
    return DATA_FORMATS[data_kind].read(path, model, labels, limit)


def _choose_kind(path: Path, forced: str) -> str:
    if forced and forced not in DATA_KINDS:
        raise unknown_name("kind of data", forced, DATA_KINDS)
    return forced or recognise_data(path)


def _read_imagenet(path: Path, _model: Model, labels: Sequence[str], limit: int | None) -> Dataset:
    data = read_imagenet(path, labels)
    chosen = spread_pictures(data.pictures, limit)
    film = Film(pictures=chosen, truth={path: data.truth[path] for path in chosen})
    return _make_dataset("imagenet", data.name, [film], data.files, data.detail, data.left_out)


def _read_coco(path: Path, model: Model, labels: Sequence[str], limit: int | None) -> Dataset:
    data = read_coco(path, model.spec, labels)
    film = Film(pictures=spread_pictures(data.pictures, limit), truth=data)
    return _make_dataset("coco", data.name, [film], [data.file], data.detail, data.left_out)


def _read_mot(path: Path, _model: Model, _labels: Sequence[str], limit: int | None) -> Dataset:
    return _from_clips("mot", read_mot(path, limit))


def _read_otb(path: Path, _model: Model, _labels: Sequence[str], limit: int | None) -> Dataset:
    return _from_clips("otb", read_otb(path, limit))


def _from_clips(kind: str, clips: TruthClips) -> Dataset:
    return _make_dataset(
        kind,
        clips.name,
        [
            Film(
                pictures=clip.pictures,
                truth=clip.truth,
                init=clip.init,
                fps=clip.fps,
                ordered=True,
            )
            for clip in clips.clips
        ],
        clips.files,
        clips.detail,
    )


def spread_pictures(pictures: Sequence[Path], limit: int | None) -> list[Path]:
    """``limit`` of them, evenly spread over all."""
    if not limit or limit >= len(pictures):
        return list(pictures)
    return [pictures[i * len(pictures) // limit] for i in range(limit)]


def _make_dataset(
    kind: str,
    name: str,
    films: Sequence[Film],
    files: Sequence[Path],
    detail: str = "",
    left_out: Sequence[Path] = (),
) -> Dataset:
    title = printable_path(Path(name))
    return Dataset(
        kind=kind, name=title, films=films, truth_files=files, detail=detail, left_out=left_out
    )


def _require_fitting(kind: str, model: Model) -> None:
    needed = model.spec.data_kind(model.tracker)
    if not needed:
        raise WrongInput(f"{model.title} is for task {model.task}, which no kind of data judges")
    if kind != needed:
        raise WrongInput(
            f"{model.title} is for task {model.task}, which is judged by data of kind {needed}",
            evidence=f"the data is of kind {kind}",
            remedy="name other data, or another model; --kind forces a kind",
        )


TOP_FIVE = 5


FilmFrames = tuple[Film, Sequence[Frame]]
"""A film, and the answers for its pictures, in their order."""


class Metrics(NamedTuple):
    """Figures in percent, None where nothing could be judged, and 95 % intervals of some."""

    figures: dict[str, float | None]
    intervals: dict[str, Interval]


def compute_metrics(data: Dataset, answers: Sequence[Sequence[Frame]]) -> Metrics:
    """The figures of the answers and their intervals, film by film in the order of its pictures.

    Frames of a clip are too much alike for an interval.
    """
    return DATA_FORMATS[data.kind].judge(list(zip(data.films, answers, strict=True)))


def _judge_imagenet(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    truth, answers = film.truth, dict(zip(film.pictures, frames, strict=True))
    shares, count = classification_figures(truth, answers), len(truth)
    hits = {name: round(share * count / 100) for name, share in shares.items()}
    return Metrics(
        {**shares}, {name: wilson_interval(right, count) for name, right in hits.items()}
    )


def _judge_coco(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    objects = dict(zip(film.pictures, (frame.objects for frame in frames), strict=True))
    return Metrics(*coco_figures_with_intervals(film.truth, objects))


def _judge_mot(films: Sequence[FilmFrames]) -> Metrics:
    return Metrics(mot_figures([(film.truth, frames) for film, frames in films]), {})


def _judge_otb(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    return Metrics({**otb_figures(film.truth, frames)}, {})


def classification_figures(
    truth: Mapping[Path, int], answers: Mapping[Path, Frame]
) -> dict[str, float]:
    """How often the right class is the best one, and among the five best."""
    ranks = {path: [hit.index for hit in frame.top] for path, frame in answers.items()}
    first = sum(ranks[path][:1] == [index] for path, index in truth.items())
    five = sum(index in ranks[path][:TOP_FIVE] for path, index in truth.items())
    return {"top-1": 100 * first / len(truth), "top-5": 100 * five / len(truth)}


class DataFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of data: how it is recognised, read for a model, and compared with answers."""

    layout: str
    """What lies in such a folder, for people."""
    noun: str = "picture"
    metrics: tuple[str, ...]
    """The first one goes into the Accuracy column."""
    has_intervals: bool = False
    recognise: Callable[[Path], bool]
    read: Callable[[Path, Model, Sequence[str], int | None], Dataset]
    judge: Callable[[Sequence[FilmFrames]], Metrics]


DATA_FORMATS: dict[str, DataFormat] = {
    "imagenet": DataFormat(
        layout="a folder a class, or labels.csv with file,index",
        metrics=("top-1", "top-5"),
        has_intervals=True,
        recognise=is_imagenet,
        read=_read_imagenet,
        judge=_judge_imagenet,
    ),
    "coco": DataFormat(
        layout="instances or person_keypoints as JSON, and the pictures",
        metrics=("mAP", "mAP50"),
        has_intervals=True,
        recognise=is_coco,
        read=_read_coco,
        judge=_judge_coco,
    ),
    "mot": DataFormat(
        layout="img1/ and gt/gt.txt, or a folder of such sequences",
        noun="frame",
        metrics=("HOTA", "MOTA", "IDF1"),
        recognise=is_mot,
        read=_read_mot,
        judge=_judge_mot,
    ),
    "otb": DataFormat(
        layout="img/ and groundtruth_rect.txt",
        noun="frame",
        metrics=("AUC", "precision"),
        recognise=is_otb,
        read=_read_otb,
        judge=_judge_otb,
    ),
}
"""By kind; a folder is tried from the last one on, as a sequence holds a folder of pictures too."""
DATA_KINDS = tuple(DATA_FORMATS)

BATCH_PICTURES = 500
"""Pictures of a run; a clip whose frames belong together is one run."""


def split_batches(film: PictureSet) -> list[Sequence[Path]]:
    """Parts of a film that are not too long for one run; raises for a clip that is."""
    pictures = film.pictures
    if not film.ordered:
        return [
            pictures[at : at + BATCH_PICTURES] for at in range(0, len(pictures), BATCH_PICTURES)
        ]
    if len(pictures) > command.MOST_PICTURES:
        raise BoardCommandFailed(
            f"a clip of {len(pictures)} frames is longer than "
            f"the {command.MOST_PICTURES} of one run",
            remedy=f"--limit {command.MOST_PICTURES} takes the first ones",
        )
    return [pictures]

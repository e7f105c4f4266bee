"""Data as a model is judged by it: with the model's classes, and compared with its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from piyard.core import labels as core_labels
from piyard.core.errors import BoardCommandFailed, WrongInput
from piyard.core.files import sha256_of_file, sha256_of_value
from piyard.data.dataset import DataSet, Film, LeftOut
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.evaluate.intervals import Interval, wilson_interval
from piyard.evaluate.matching import (
    match_objects_classes,
    match_picture_classes,
    name_some,
    unknown_classes,
)
from piyard.evaluate.metrics import coco_figures, coco_intervals, run_cocoeval
from piyard.evaluate.rotated import RotatedScene, rotated_figures_with_intervals
from piyard.evaluate.scene import make_scene
from piyard.evaluate.semantic import require_same_classes, segmentation_figures
from piyard.evaluate.track_metrics import mot_figures, otb_figures
from piyard.models.definition import Model, label_list_path
from piyard.predict import command
from piyard.vision.pictures import unreadable_pictures
from piyard.vision.predictions import Frame
from piyard.vision.tasks.base import PictureSet, TruthKind


class RegionTruth(NamedTuple):
    """The class of each pixel of pictures, and how many classes the model knows."""

    maps: Mapping[Path, Any]
    files: Mapping[Path, Path]
    classes: int


class JudgedData(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is evaluated on."""

    data: DataSet
    films: Sequence[Film]
    """With the truth as the kind's judge takes it."""
    detail: str = ""
    """What else decides the figures: classes, pictures and frames that are not judged."""
    unknown: Sequence[str] = ()
    """Classes of the data that the model does not know."""

    @property
    def pictures(self) -> list[Path]:
        """All of them, in order."""
        return [path for film in self.films for path in film.pictures]

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What lies there and is not judged."""
        return self.data.left_out

    @property
    def title(self) -> str:
        """``COCO val2017, 79 pictures``."""
        count, noun = len(self.pictures), JUDGES[self.data.kind].noun
        unused = sum(len(group.paths) for group in self.left_out)
        more = f", {unused} left out" if unused else ""
        counted = f"{count} {noun if count == 1 else noun + 's'}"
        return f"{self.data.title}, {counted}{self.detail}{more}"

    @property
    def unjudged_files(self) -> list[str]:
        """What is left out and why, a line each."""
        return [f"left out: {group.text(self.data.root)}" for group in self.left_out]

    @property
    def unjudged_classes(self) -> list[str]:
        """One line where there are any."""
        line = f"classes the model does not know: {name_some(self.unknown)}"
        return [line] if self.unknown else []

    @property
    def digest(self) -> str:
        """The same pictures and the same truth give the same."""
        own = [
            self.data.label_files[path] for path in self.pictures if path in self.data.label_files
        ]
        files = [sha256_of_file(path) for path in (*self.data.files, *own, *self.pictures)]
        classes = [list(film.truth.values()) for film in self.films if self.data.kind == "class"]
        content = {
            "kind": self.data.format,
            "detail": self.detail,
            "files": files,
            "classes": classes,
        }
        return sha256_of_value(content)


def read_dataset(
    path: Path,
    model: Model,
    labels: Sequence[str],
    form: str = "",
    limit: int | None = None,
    split: str = "",
    choose: Callable[[DataSet], DataSet] | None = None,
) -> JudgedData:
    """The data for that model, ``limit`` pictures of it, or a part of these.

    Raises ``WrongInput``.
    """
    kind = model.spec.data_kind(model.tracker)
    if not kind:
        raise WrongInput(f"{model.title} is for task {model.task}, which no kind of data judges")
    request = DataRequest(path=path, kind=kind, split=split, limit=limit)
    data = open_data(request, form).take(limit)
    data = choose(data) if choose else data
    _require_readable(data)
    return JUDGES[data.kind].prepare(data, model, labels)


def _require_readable(data: DataSet) -> None:
    """Before anything is computed: figures over different pictures cannot be compared."""
    damaged = unreadable_pictures(data.pictures)
    if damaged:
        raise WrongInput(
            f"{len(damaged)} of the {len(data.pictures)} pictures of {data.title} cannot be read",
            evidence="\n".join(error.what for error in damaged.values()),
            remedy="repair them, or take them out",
        )


def _prepare_classes(data: DataSet, _model: Model, labels: Sequence[str]) -> JudgedData:
    index = match_picture_classes(data, labels)
    films = [_with_model_classes(film, index) for film in data.films]
    used = {number for film in films for number in film.truth.values()}
    known_count = len(labels) if not data.numbers else 0
    detail = f", {len(used)} of {known_count} classes" if len(used) < known_count else ""
    return JudgedData(data=data, films=films, detail=data.detail + detail)


def _with_model_classes(film: Film, index: Sequence[int]) -> Film:
    truth = {path: index[film.truth[path]] for path in film.pictures}
    return Film(pictures=film.pictures, truth=truth)


def _prepare_objects(data: DataSet, model: Model, labels: Sequence[str]) -> JudgedData:
    (film,) = data.films
    category = match_objects_classes(data, model.spec.coco_classes(labels))
    scene = make_scene(data, film.pictures, model.spec, category)
    _require_keypoints(data, model, scene.keypoints)
    return _judged_objects(data, Film(pictures=film.pictures, truth=scene), category)


def _prepare_corners(data: DataSet, model: Model, labels: Sequence[str]) -> JudgedData:
    (film,) = data.films
    category = match_objects_classes(data, model.spec.coco_classes(labels))
    truth = {path: film.truth[path] for path in film.pictures}
    scene = RotatedScene(truth=truth, category=category)
    return _judged_objects(data, Film(pictures=film.pictures, truth=scene), category)


def _judged_objects(data: DataSet, film: Film, category: Mapping[int, int]) -> JudgedData:
    """``category`` is class of the model → class of the data; the truth was read before."""
    unknown = unknown_classes(data, category)
    known_count, count = len(data.classes) - len(unknown), len(data.classes)
    classes = f", {known_count} of {count} classes" if unknown else ""
    return JudgedData(
        data=data, films=[film], detail=data.detail + data.label_detail + classes, unknown=unknown
    )


def _require_keypoints(data: DataSet, model: Model, count: int) -> None:
    if not (count and model.keypoints):
        return
    known_count = len(core_labels.read_labels(label_list_path(model.keypoints)))
    if count != known_count:
        raise WrongInput(
            f"{data.title} has {count} keypoints an object, and {model.title} finds {known_count}",
            remedy="name data with the model's keypoints",
        )


def _prepare_regions(data: DataSet, _model: Model, labels: Sequence[str]) -> JudgedData:
    require_same_classes(data, labels)
    films = [
        Film(pictures=film.pictures, truth=RegionTruth(film.truth, data.label_files, len(labels)))
        for film in data.films
    ]
    return JudgedData(data=data, films=films, detail=data.detail)


def _prepare_clips(data: DataSet, _model: Model, _labels: Sequence[str]) -> JudgedData:
    return JudgedData(data=data, films=data.films, detail=data.detail)


TOP_FIVE = 5


FilmFrames = tuple[Film, Sequence[Frame]]
"""A film, and the answers for its pictures, in their order."""


class Metrics(NamedTuple):
    """Figures in percent, None where nothing could be judged, and 95 % intervals of some."""

    figures: dict[str, float | None]
    intervals: dict[str, Interval]


def compute_metrics(data: JudgedData, answers: Sequence[Sequence[Frame]]) -> Metrics:
    """The figures of the answers and their intervals, film by film in the order of its pictures.

    Frames of a clip are too much alike for an interval.
    """
    return JUDGES[data.data.kind].judge(list(zip(data.films, answers, strict=True)))


def _judge_classes(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    truth, answers = film.truth, dict(zip(film.pictures, frames, strict=True))
    shares, count = classification_figures(truth, answers), len(truth)
    hits = {name: round(share * count / 100) for name, share in shares.items()}
    return Metrics(
        {**shares}, {name: wilson_interval(right, count) for name, right in hits.items()}
    )


def _judge_objects(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    objects = dict(zip(film.pictures, (frame.objects for frame in frames), strict=True))
    judged = run_cocoeval(film.truth, objects)
    return Metrics(coco_figures(judged), coco_intervals(judged))


def _judge_corners(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    objects = dict(zip(film.pictures, (frame.objects for frame in frames), strict=True))
    return Metrics(*rotated_figures_with_intervals(film.truth, objects))


def _judge_regions(films: Sequence[FilmFrames]) -> Metrics:
    ((film, frames),) = films
    answers = dict(zip(film.pictures, frames, strict=True))
    truth: RegionTruth = film.truth
    figures = segmentation_figures(truth.maps, truth.files, answers, truth.classes)
    return Metrics(figures, {})


def _judge_tracks(films: Sequence[FilmFrames]) -> Metrics:
    return Metrics(mot_figures([(film.truth, frames) for film, frames in films]), {})


def _judge_track(films: Sequence[FilmFrames]) -> Metrics:
    return Metrics({**otb_figures([(film.truth, frames) for film, frames in films])}, {})


def classification_figures(
    truth: Mapping[Path, int], answers: Mapping[Path, Frame]
) -> dict[str, float]:
    """How often the right class is the best one, and among the five best."""
    ranks = {path: [hit.index for hit in frame.top] for path, frame in answers.items()}
    first = sum(ranks[path][:1] == [index] for path, index in truth.items())
    five = sum(index in ranks[path][:TOP_FIVE] for path, index in truth.items())
    return {"top-1": 100 * first / len(truth), "top-5": 100 * five / len(truth)}


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """How a kind of truth is prepared for a model, and compared with its answers."""

    noun: str = "picture"
    metrics: tuple[str, ...]
    """The first one goes into the Accuracy column."""
    has_intervals: bool = False
    prepare: Callable[[DataSet, Model, Sequence[str]], JudgedData]
    judge: Callable[[Sequence[FilmFrames]], Metrics]


_JUDGE_OBJECTS = Judge(
    metrics=("mAP", "mAP50"), has_intervals=True, prepare=_prepare_objects, judge=_judge_objects
)
JUDGES: dict[TruthKind, Judge] = {
    "class": Judge(
        metrics=("top-1", "top-5"),
        has_intervals=True,
        prepare=_prepare_classes,
        judge=_judge_classes,
    ),
    "box": _JUDGE_OBJECTS,
    "outline": _JUDGE_OBJECTS,
    "keypoints": _JUDGE_OBJECTS,
    "corners": Judge(
        metrics=("mAP", "mAP50"),
        has_intervals=True,
        prepare=_prepare_corners,
        judge=_judge_corners,
    ),
    "tracks": Judge(
        noun="frame", metrics=("HOTA", "MOTA", "IDF1"), prepare=_prepare_clips, judge=_judge_tracks
    ),
    "regions": Judge(
        metrics=("mIoU", "pixel accuracy"), prepare=_prepare_regions, judge=_judge_regions
    ),
    "track": Judge(
        noun="frame", metrics=("AUC", "precision"), prepare=_prepare_clips, judge=_judge_track
    ),
}

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

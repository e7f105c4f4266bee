"""Pictures whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from piyard import digest
from piyard.errors import WrongInput, unknown
from piyard.evaluate import coco, imagenet, sequences
from piyard.evaluate.coco import Scene
from piyard.evaluate.imagenet import Classes
from piyard.evaluate.sequences import Clips
from piyard.model import Model
from piyard.model.tracker import Nanotrack
from piyard.pictures import text_of
from piyard.proof.desktop import Footage

Kind = Literal["imagenet", "coco", "mot", "otb"]
KINDS: tuple[str, ...] = get_args(Kind)
FORMS = """
imagenet: a folder a class, or labels.csv with file,index
coco: instances or person_keypoints as JSON, and the pictures
mot: img1/ and gt/gt.txt, or a folder of such sequences
otb: img/ and groundtruth_rect.txt
"""
NOUNS = {"imagenet": "picture", "coco": "picture", "mot": "frame", "otb": "frame"}


class Film(Footage, frozen=True, kw_only=True):
    """Pictures that belong together, with their truth."""

    truth: Any
    """What the kind's own module reads and compares."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is evaluated on."""

    kind: Kind
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
        count, noun = len(self.pictures), NOUNS[self.kind]
        more = f", {len(self.left_out)} left out" if self.left_out else ""
        return f"{self.name}, {count} {noun if count == 1 else noun + 's'}{self.detail}{more}"

    @property
    def digest(self) -> str:
        """The same pictures and the same truth give the same."""
        files = [digest.of_file(path) for path in (*self.truth_files, *self.pictures)]
        classes = [list(film.truth.values()) for film in self.films if self.kind == "imagenet"]
        content = {"kind": self.kind, "detail": self.detail, "files": files, "classes": classes}
        return digest.of_value(content)


def recognise(path: Path) -> Kind:
    """The kind of data in a folder; raises ``WrongInput`` for an unknown one."""
    if not path.exists():
        raise WrongInput(f"{path} does not exist", remedy="check --data")
    tests: Mapping[Kind, Callable[[Path], bool]] = {
        "otb": sequences.is_otb,
        "mot": sequences.is_mot,
        "coco": coco.is_coco,
        "imagenet": imagenet.is_imagenet,
    }
    for kind, fits in tests.items():
        if fits(path):
            return kind
    raise WrongInput(
        f"{path} is not a data set of a known kind",
        evidence=FORMS,
        remedy="name its kind with --kind",
    )


def read(path: Path, model: Model, labels: Sequence[str], kind: str, limit: int | None) -> Dataset:
    """The data for that model, ``limit`` pictures of it. Raises ``WrongInput``."""
    data_kind = _kind(path, kind)
    _require_fitting(data_kind, model)
    match data_kind:
        case "imagenet":
            return _classes(imagenet.read(path, labels), limit)
        case "coco":
            return _scene(coco.read(path, model.task, labels), limit)
        case "mot":
            return _clips(data_kind, sequences.read_mot(path, limit))
        case "otb":
            return _clips(data_kind, sequences.read_otb(path, limit))


def _kind(path: Path, forced: str) -> Kind:
    if forced and forced not in KINDS:
        raise unknown("kind of data", forced, KINDS)
    chosen: Kind = msgspec.convert(forced, Kind) if forced else recognise(path)
    return chosen


def _classes(data: Classes, limit: int | None) -> Dataset:
    chosen = spread(data.pictures, limit)
    film = Film(pictures=chosen, truth={path: data.truth[path] for path in chosen})
    return _of("imagenet", data.name, [film], data.files, data.detail, data.left_out)


def _scene(data: Scene, limit: int | None) -> Dataset:
    film = Film(pictures=spread(data.pictures, limit), truth=data)
    return _of("coco", data.name, [film], [data.file], data.detail, data.left_out)


def _clips(kind: Kind, clips: Clips) -> Dataset:
    return _of(
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


def spread(pictures: Sequence[Path], limit: int | None) -> list[Path]:
    """``limit`` of them, evenly spread over all."""
    if not limit or limit >= len(pictures):
        return list(pictures)
    return [pictures[i * len(pictures) // limit] for i in range(limit)]


def _of(
    kind: Kind,
    name: str,
    films: Sequence[Film],
    files: Sequence[Path],
    detail: str = "",
    left_out: Sequence[Path] = (),
) -> Dataset:
    title = text_of(Path(name))
    return Dataset(
        kind=kind, name=title, films=films, truth_files=files, detail=detail, left_out=left_out
    )


def _require_fitting(kind: Kind, model: Model) -> None:
    follows_one = isinstance(model.tracker, Nanotrack)
    needed = {
        "classify": "imagenet",
        "track": "otb" if follows_one else "mot",
    }.get(model.task, "coco")
    if kind != needed:
        raise WrongInput(
            f"{model.title} is for task {model.task}, which is judged by data of kind {needed}",
            evidence=f"the data is of kind {kind}",
            remedy="name other data, or another model; --kind forces a kind",
        )

"""The pictures that a method looks at: a data set with its truth, or a folder without any."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.files import sha256_of_file, sha256_of_value
from piyard.core.text import format_count
from piyard.data.dataset import DataSet, folder_name, spread_pictures
from piyard.data.formats import DATA_FORMATS
from piyard.data.splits import TRAIN, match_splits
from piyard.evaluate.dataset import JudgedData, read_dataset
from piyard.models.definition import Model, read_labels
from piyard.vision.pictures import has_pictures, list_pictures, unreadable_pictures

PLAIN_FORMAT = "pictures"
"""A folder of pictures of which nothing is known."""


class DataIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures and which truth."""

    format: str
    split: str
    count: int
    sha256: str
    """Over names, bytes and truth."""


Part = Literal["", "learn", "judge"]
"""Of a data set that is in one piece: the half that is learnt from, or the other one."""
LEARN_SHARE = 0.5


class DataPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where they are, and which of them."""

    path: str
    format: str = ""
    split: str = ""
    limit: int | None = None
    part: Part = ""
    seed: int = 0
    """By which the parts are drawn."""


class CompressionData(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures for a model, with their truth where it is known."""

    place: DataPlace
    judged: JudgedData | None
    """As evaluation takes them; None where nothing is known of them."""
    pictures: list[Path]
    title: str
    identity: DataIdentity

    @property
    def has_classes(self) -> bool:
        """Whether the class of each picture is known."""
        return self.judged is not None and self.judged.data.kind == "class"

    def require_truth(self) -> JudgedData:
        """What judges a model by them. Raises ``WrongInput`` where nothing is known of them."""
        if self.judged is None:
            raise WrongInput(
                f"nothing is known of what is in {self.title}",
                remedy="name pictures whose truth is known: --data DIR",
            )
        return self.judged


class PicturesApart(NamedTuple):
    """What a method looks at, and what its variants are judged by."""

    learnt: CompressionData
    judged: CompressionData

    @property
    def is_shared(self) -> bool:
        """Whether a method has looked at pictures that judge what it made."""
        return self.learnt.identity == self.judged.identity


def read_apart(place: DataPlace, model: Model, *, learns: bool, seed: int) -> PicturesApart:
    """The pictures at that place; where a method ``learns`` from them it is judged by others.

    A data set with a split for training is learnt from by that one, and judged by the one that
    ``evaluate`` takes; any other is divided in two by the seed. Raises ``WrongInput``.
    """
    whole = read_compression_data(place, model)
    if not learns or not whole.judged:
        return PicturesApart(whole, whole)
    if match_splits(TRAIN, whole.judged.data.splits) and not place.split:
        train = msgspec.structs.replace(place, split=TRAIN)
        return PicturesApart(read_compression_data(train, model), whole)
    parts = [msgspec.structs.replace(place, part=part, seed=seed) for part in ("learn", "judge")]
    return PicturesApart(*(read_compression_data(part, model) for part in parts))


def read_compression_data(place: DataPlace, model: Model) -> CompressionData:
    """The pictures at that place for that model.

    Raises ``WrongInput`` for what is not a data set, no pictures, or cannot be read.
    """
    path = Path(place.path).expanduser()
    if not path.exists():
        raise WrongInput(f"{path} does not exist", remedy="check --data")
    if _is_plain(path, model) and not place.format:
        return _read_plain(place, path)
    labels = read_labels(model) if model.labels else []
    judged = read_dataset(
        path,
        model,
        labels,
        place.format,
        limit=place.limit,
        split=place.split,
        choose=partial(_choose_part, place=place),
    )
    identity = DataIdentity(
        format=judged.data.format,
        split=judged.data.split,
        count=len(judged.pictures),
        sha256=judged.digest,
    )
    return CompressionData(
        place=place,
        judged=judged,
        pictures=judged.pictures,
        title=judged.title,
        identity=identity,
    )


def _choose_part(data: DataSet, place: DataPlace) -> DataSet:
    """The half that is meant, or all."""
    if not place.part:
        return data
    count = len(data.pictures)
    order = random.Random(place.seed).sample(range(count), count)  # noqa: S311  # no secret
    learnt = {data.pictures[at] for at in order[: round(LEARN_SHARE * count)]}
    if place.part == "judge":
        learnt = {*data.pictures} - learnt
    films = [
        film
        if film.ordered
        else msgspec.structs.replace(
            film, pictures=[path for path in film.pictures if path in learnt]
        )
        for film in data.films
    ]
    return msgspec.structs.replace(data, films=films)


def _is_plain(path: Path, model: Model) -> bool:
    """Whether it is a folder of pictures, or no truth can judge that model."""
    if not path.is_dir() or not has_pictures(path):
        return False
    if model.spec.data_kind(model.tracker) is None:
        return True
    return not any(form.recognise(path) for form in DATA_FORMATS.values())


def _read_plain(place: DataPlace, path: Path) -> CompressionData:
    pictures = spread_pictures(list_pictures(path, deep=True).pictures, place.limit)
    if damaged := unreadable_pictures(pictures):
        raise WrongInput(
            f"{len(damaged)} of the {len(pictures)} pictures of {path} cannot be read",
            evidence="\n".join(error.what for error in damaged.values()),
            remedy="repair them, or take them out",
        )
    digests = {
        picture.relative_to(path).as_posix(): sha256_of_file(picture) for picture in pictures
    }
    identity = DataIdentity(
        format=PLAIN_FORMAT, split="", count=len(pictures), sha256=sha256_of_value(digests)
    )
    return CompressionData(
        place=place,
        judged=None,
        pictures=pictures,
        title=f"{folder_name(path)}, {format_count(len(pictures), 'picture')} without labels",
        identity=identity,
    )

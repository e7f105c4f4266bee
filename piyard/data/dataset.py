"""What every loader gives: pictures in a stable order, the truth of each, and what was left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from piyard.core.text import format_count, sanitize_line
from piyard.vision.pictures import printable_path, summarise_suffixes
from piyard.vision.schema import Corners
from piyard.vision.tasks.base import PictureSet, TruthKind

OBJECT_KINDS = frozenset({"box", "outline", "keypoints", "corners"})
"""Those that are known of each object in a picture."""

KIND_TEXTS: dict[TruthKind, str] = {
    "class": "the class of each picture",
    "box": "boxes of objects",
    "outline": "outlines of objects",
    "keypoints": "keypoints of objects",
    "corners": "rotated boxes of objects",
    "tracks": "tracks of objects in clips",
    "track": "the track of one object in a clip",
    "regions": "the class of each pixel",
}

Outline = Any
"""Polygons as lists of x, y, x, y …, or run lengths, as COCO's ``segmentation`` has them."""
Quadrilateral = tuple[float, float, float, float, float, float, float, float]
"""x, y of four corners, one after the other."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is in a picture; in pixels of the upright picture, edges at whole numbers."""

    class_: int
    """Index into the data set's classes."""
    box: Corners
    """x0, y0, x1, y1; the box around an outline or a rotated box."""
    size: tuple[float, float]
    """Width, height of the box, as stated: a difference of edges may round otherwise."""
    area: float
    """Square pixels, by which errors of keypoints are scaled."""
    outline: Outline = None
    keypoints: Sequence[tuple[float, float, float]] | None = None
    """x, y and COCO's visibility: 0 not labelled, 1 hidden, 2 seen."""
    corners: Quadrilateral | None = None
    """Of a rotated box."""
    crowd: bool = False
    """Whether it stands for many objects that are not told apart (COCO's iscrowd)."""
    difficult: bool = False
    """Whether it is neither a hit nor a miss (VOC's and DOTA's difficult)."""


class TruthFiles(Mapping[Path, list[Annotation]]):
    """The objects of each picture, read from a file of its own when they are asked for."""

    repeated = 0
    """Objects that stand in their file twice and count once, of the files that were read."""


class Film(PictureSet, frozen=True, kw_only=True):
    """Pictures that belong together, with their truth."""

    truth: Any
    """By picture: its class, or its ``Annotation`` list. Of a clip with many tracks by the frame's
    place from 1, of one with a single track in the order of the pictures."""


class LeftOut(NamedTuple):
    """Files that lie there and are not used."""

    paths: Sequence[Path]
    reason: str

    def text(self, root: Path) -> str:
        """``2 files in no class's folder (2 .jpg, for example a/b.jpg)``, seen from ``root``."""
        count = format_count(len(self.paths), "file")
        seen = [
            path.relative_to(root) if path.is_relative_to(root) else path for path in self.paths
        ]
        return f"{count} {self.reason} ({summarise_suffixes(seen)})"


def group_left_out(paths_by_reason: Mapping[str, Sequence[Path]]) -> list[LeftOut]:
    """A group for each reason that leaves out anything."""
    return [LeftOut(paths, reason) for reason, paths in paths_by_reason.items() if paths]


class DataSet(msgspec.Struct, frozen=True, kw_only=True):
    """A data set, or one split of it."""

    format: str
    """A name of ``piyard.data.formats``."""
    kind: TruthKind
    name: str
    root: Path
    split: str = ""
    """Empty where there is only one."""
    splits: Sequence[str] = ()
    """All there are."""
    classes: Sequence[str] = ()
    """Their names; an empty one where only a number is known."""
    numbers: Sequence[int] = ()
    """Of a list without a file of names, the classes' numbers, which are some model's."""
    is_whole: bool = False
    """Whether such a list is never a part of a larger one: it has all classes there are."""
    first_places: Sequence[str] = ()
    """Where such a list has each class first, as ``labels.csv:3``."""
    films: Sequence[Film]
    files: Sequence[Path] = ()
    """What the truth of all pictures was read from."""
    label_files: Mapping[Path, Path] = {}
    """Picture → the file with its truth alone, where there is one."""
    detail: str = ""
    """For people: what of the truth is not used."""
    left_out: Sequence[LeftOut] = ()

    @property
    def pictures(self) -> list[Path]:
        """All of them, in order."""
        return [path for film in self.films for path in film.pictures]

    @property
    def title(self) -> str:
        """The name with the split, printable whatever the files say."""
        named = not self.split or self.split in self.name.split()
        return sanitize_line(self.name if named else f"{self.name} {self.split}")

    @property
    def label_detail(self) -> str:
        """For people: pictures without a label file, and labels that stood twice in those read."""
        truths = [film.truth for film in self.films if isinstance(film.truth, TruthFiles)]
        without = sum(path not in self.label_files for path in self.pictures) if truths else 0
        repeated = sum(truth.repeated for truth in truths)
        return (f", {without} without a file of labels" if without else "") + (
            f", {format_count(repeated, 'repeated line')}" if repeated else ""
        )

    def __iter__(self) -> Iterator[tuple[Path, Any]]:
        """Each picture with its truth, which is read now where a file holds no other's."""
        return self.without(())

    def without(self, pictures: Collection[Path]) -> Iterator[tuple[Path, Any]]:
        """The same but for those pictures, whose truth is not read."""
        for film in self.films:
            for place, path in enumerate(film.pictures):
                if path not in pictures:
                    yield path, _truth_of(film, path, place)

    def take(self, limit: int | None) -> DataSet:
        """The same with ``limit`` pictures, evenly spread; clips stay as they are."""
        films = [
            film
            if film.ordered
            else msgspec.structs.replace(film, pictures=spread_pictures(film.pictures, limit))
            for film in self.films
        ]
        return msgspec.structs.replace(self, films=films)


def _truth_of(film: Film, path: Path, place: int) -> Any:
    if not film.ordered:
        return film.truth[path]
    return film.truth.get(place + 1, []) if isinstance(film.truth, Mapping) else film.truth[place]


def spread_pictures(pictures: Sequence[Path], limit: int | None) -> list[Path]:
    """``limit`` of them, evenly spread over all."""
    if not limit or limit >= len(pictures):
        return list(pictures)
    return [pictures[i * len(pictures) // limit] for i in range(limit)]


def box_around(points: Sequence[float]) -> Corners:
    """The upright box around x, y, x, y …."""
    across, down = points[::2], points[1::2]
    return min(across), min(down), max(across), max(down)


def folder_name(path: Path) -> str:
    """What a data set in that folder is called."""
    return printable_path(Path(path.resolve().name))

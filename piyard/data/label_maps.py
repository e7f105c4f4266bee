"""Label maps: a PNG a picture whose values are the class of each pixel.

As Pascal VOC's SegmentationClass (a palette's indices) and Cityscapes' or ADE20K's (levels of grey)
have them. 255 is of no class: neither right nor wrong. The classes' numbers are the model's, unless
classes.txt names them, one a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.labels import read_labels
from piyard.data.dataset import DataSet, Film, folder_name, group_left_out
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split, is_split
from piyard.vision.pictures import list_pictures, list_subfolders

if TYPE_CHECKING:
    from piyard.vision.schema import Indices

MAP_FOLDERS = ("SegmentationClass", "masks", "annotations", "labels")
PICTURE_FOLDERS = ("JPEGImages", "images", "img")
LISTS = Path("ImageSets", "Segmentation")
CLASS_NAMES = "classes.txt"
IGNORED = 255
"""Of no class."""
MAP_MODES = frozenset({"1", "L", "P", "I;16", "I"})


class LabelMaps(Mapping[Path, "Indices"]):
    """Picture → (rows, columns) of classes, read when they are asked for."""

    def __init__(self, files: Mapping[Path, Path]) -> None:
        self.files = files

    def __getitem__(self, picture: Path) -> Indices:
        """The picture's map. Raises ``WrongInput``."""
        return read_label_map(self.files[picture])

    def __iter__(self) -> Iterator[Path]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


class MapFolders(msgspec.Struct, frozen=True):
    """Where the pictures and their maps are."""

    pictures: Path
    maps: Path


def is_label_maps(path: Path) -> bool:
    """Whether it has a folder of pictures and one of PNG files beside it."""
    return path.is_dir() and _find_folders(path) is not None


def read_label_maps(request: DataRequest) -> DataSet:
    """The pictures of one split with their maps. Raises ``WrongInput``."""
    path = request.path
    folders = _find_folders(path)
    if folders is None:
        raise WrongInput(f"{path} has no pictures with label maps", remedy="images/ and masks/")
    subfolders = {each.name: each for each in list_subfolders(folders.maps) if is_split(each.name)}
    lists = {} if subfolders else _split_lists(path)
    split = choose_split(request.split, list(subfolders or lists), path)
    if subfolders:
        folders = MapFolders(folders.pictures / split, subfolders[split])
    used, left_out = _pair_files(folders, lists.get(split))
    return DataSet(
        format="masks",
        kind="regions",
        name=folder_name(path),
        root=path,
        split=split,
        splits=list(subfolders or lists),
        classes=_class_names(path),
        films=[Film(pictures=list(used), truth=LabelMaps(used))],
        label_files=used,
        left_out=group_left_out({"without a label map": left_out}),
    )


def read_label_map(file: Path) -> Indices:
    """The classes of a PNG's pixels. Raises ``WrongInput`` for one with colours."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file) as picture:
            if picture.mode not in MAP_MODES:
                raise WrongInput(
                    f"{file} has colours ({picture.mode}), and not the number of a class a pixel",
                    remedy="save the classes' numbers as grey levels, or as a palette's indices",
                )
            values: Indices = np.asarray(picture, np.int64)
    except (OSError, SyntaxError, ValueError) as error:
        raise WrongInput(f"{file} cannot be read: {error}", remedy="save it again") from None
    return values


def _find_folders(path: Path) -> MapFolders | None:
    maps = next((path / name for name in MAP_FOLDERS if _has_maps(path / name)), None)
    pictures = next((path / name for name in PICTURE_FOLDERS if (path / name).is_dir()), None)
    return MapFolders(pictures, maps) if maps and pictures else None


def _has_maps(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    places = [folder, *(each for each in list_subfolders(folder) if is_split(each.name))]
    return any(next(place.glob("*.png"), None) is not None for place in places)


def _split_lists(path: Path) -> dict[str, Path]:
    files = sorted((path / LISTS).glob("*.txt"))
    return {file.stem: file for file in files if is_split(file.stem)}


def _pair_files(
    folders: MapFolders, list_file: Path | None
) -> tuple[dict[Path, Path], Sequence[Path]]:
    """Picture → its map, by their names without the ending; pictures that have none."""
    maps = {file.stem: file for file in sorted(folders.maps.glob("*.png"))}
    pictures = list_pictures(folders.pictures).pictures if folders.pictures.is_dir() else []
    if list_file:
        stems = set(list_file.read_text(encoding="utf-8", errors="replace").split())
        pictures = [picture for picture in pictures if picture.stem in stems]
    used = {picture: maps[picture.stem] for picture in pictures if picture.stem in maps}
    if not used:
        raise WrongInput(
            f"no picture of {folders.pictures} has a label map of its name in {folders.maps}",
            remedy="name each map as its picture, with .png",
        )
    return used, [picture for picture in pictures if picture not in used]


def _class_names(path: Path) -> list[str]:
    file = path / CLASS_NAMES
    return read_labels(file) if file.is_file() else []

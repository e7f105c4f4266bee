"""The pictures that one of COCO's JSON files lists: their numbers, and where they lie."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonValues
from piyard.vision.pictures import list_pictures

PICTURE_PLACES = ("", "val2017", "images", "../val2017", "../images", "..")
"""Where pictures lie, seen from the folder that was named and from the JSON file's."""


class CocoPictures(NamedTuple):
    """Those listed, and those that are there."""

    names: Mapping[str, int]
    """All that are listed, with their numbers."""
    ids: Mapping[Path, int]
    """The number of each one that is there, in the order of their names."""

    @property
    def missing(self) -> int:
        """How many are not there."""
        return len(self.names) - len(self.ids)

    @property
    def missing_share(self) -> float:
        """The same of all."""
        return self.missing / len(self.names)


def find_pictures(path: Path, file: Path, content: JsonValues) -> CocoPictures:
    """Where the pictures are: in one of the usual places, or anywhere below by their names.

    Raises ``WrongInput`` where none is there.
    """
    names = _image_numbers(file, content)
    # What leads elsewhere is looked for by its last part alone: a name in a file is not a path.
    inside = [name for name in sorted(names) if not _leads_out(name)]
    folder = _best_place(path, file, inside)
    ids = {folder / name: names[name] for name in inside if (folder / name).is_file()}
    ids = ids or _find_below(path if path.is_dir() else file.parent, names)
    if not ids:
        raise WrongInput(
            f"none of the {len(names)} pictures of {file.name} is there",
            evidence=f"for example {next(iter(names), 'none')}",
            remedy="put them together in one folder: beside annotations/, in val2017/ or in "
            "images/",
        )
    return CocoPictures(names, ids)


def _leads_out(name: str) -> bool:
    return Path(name).is_absolute() or ".." in PurePosixPath(name.replace("\\", "/")).parts


def _image_numbers(file: Path, content: JsonValues) -> dict[str, int]:
    """Name → number. Raises ``WrongInput`` for a name or a number that two pictures have."""
    try:
        pairs = [(str(image["file_name"]), int(image["id"])) for image in content["images"]]
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} does not list images", remedy="is it COCO's format?") from None
    if not pairs:
        raise WrongInput(f"{file} lists no images", remedy="is it whole?")
    for what, values in zip(("name", "number"), zip(*pairs, strict=True), strict=False):
        (value, times), *_ = Counter(values).most_common(1)
        if times > 1:
            raise WrongInput(
                f"{file}: {times} images have the {what} {value}",
                remedy="their annotations cannot be told apart: number the images anew",
            )
    return dict(pairs)


def _best_place(path: Path, file: Path, names: Sequence[str]) -> Path:
    """Of the usual places the one that has most of the pictures."""
    bases = [path if path.is_dir() else path.parent, file.parent]
    split = file.stem.rpartition("_")[2]
    of_split = (split, f"images/{split}", f"../{split}", f"../images/{split}")
    places = [base / place for base in bases for place in (*PICTURE_PLACES, *of_split)]
    places = [place for place in dict.fromkeys(places) if place.is_dir()]
    counts = {place: sum((place / name).is_file() for name in names) for place in places}
    return max(places, key=lambda place: counts[place])


def _find_below(folder: Path, names: Mapping[str, int]) -> dict[Path, int]:
    """By their last part, where no two pictures have the same."""
    by_name = defaultdict(list)
    for picture in list_pictures(folder, deep=True).pictures:
        by_name[picture.name].append(picture)
    last_parts = {name: PurePosixPath(name.replace("\\", "/")).name for name in sorted(names)}
    times = Counter(last_parts.values())
    return {
        by_name[last][0]: names[name]
        for name, last in last_parts.items()
        if times[last] == 1 and len(by_name.get(last, ())) == 1
    }

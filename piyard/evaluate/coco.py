"""COCO's annotations as pycocotools takes them, and the model's classes that they are of."""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.labels import ClassNames, normalize_name
from piyard.vision.pictures import list_pictures
from piyard.vision.tasks.base import TaskSpec

CocoKeys = dict[str, Any]
"""An object of COCO's JSON: of its keys, those are checked that are read."""


def match_categories(
    content: CocoKeys, task: TaskSpec, labels: Sequence[str], file: Path
) -> tuple[dict[int, int], str]:
    """Class → category, and for people how many of the categories the model knows, if not all.

    Raises ``WrongInput`` for a name that several categories in use have, and where none is known.
    """
    numbers = _category_numbers(content, file)
    names = ClassNames(list(numbers))
    ids = list(numbers.values())
    class_names = task.coco_classes(labels)
    category = {
        i: ids[at] for i, name in enumerate(class_names) if (at := names.find(name)) is not None
    }
    if not category:
        raise WrongInput(
            f"the model knows none of the {len(numbers)} categories of {file.name}",
            evidence=f"model: {', '.join(class_names[:5])} …\n"
            f"data: {', '.join(list(numbers)[:5])} …",
            remedy="name data of the model's classes",
        )
    count = len(set(category.values()))
    return category, f", {count} of {len(numbers)} classes" if count < len(numbers) else ""


def _category_numbers(content: CocoKeys, file: Path) -> dict[str, int]:
    """Name → number; of several categories with one name the one that annotations are of."""
    try:
        pairs = [
            (normalize_name(str(entry["name"])), int(entry["id"]))
            for entry in content["categories"]
        ]
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} names no categories", remedy="is it COCO's format?") from None
    _require_different(pairs, file)
    used = Counter(entry.get("category_id") for entry in content["annotations"])
    by_name = defaultdict(list)
    for name, number in pairs:
        by_name[name].append(number)
    return {name: _used_number(name, numbers, used, file) for name, numbers in by_name.items()}


def _require_different(pairs: Sequence[tuple[str, int]], file: Path) -> None:
    names: dict[int, str] = {}
    for name, number in pairs:
        if names.setdefault(number, name) != name:
            raise WrongInput(
                f"{file}: category {number} is both '{names[number]}' and '{name}'",
                remedy="a number is of one category",
            )


def _used_number(name: str, numbers: Sequence[int], used: Mapping[Any, int], file: Path) -> int:
    """Exporters write some categories twice, the first time as a mere group."""
    distinct = sorted(set(numbers))
    annotated = [number for number in distinct if used.get(number)]
    if len(annotated) > 1:
        counts = ", ".join(f"{number} ({used[number]} annotations)" for number in annotated)
        raise WrongInput(
            f"{file}: the category '{name}' is there {len(distinct)} times, as {counts}",
            remedy="give them different names, or all annotations the same category_id",
        )
    return (annotated or distinct)[0]


def prepare_annotations(content: CocoKeys, task: TaskSpec, file: Path) -> CocoKeys:
    """The JSON's content with annotations numbered from 1, and what may be left out filled in.

    pycocotools takes an annotation with the number 0 for none, and of two with the same number
    sees one. Raises ``WrongInput`` for an annotation that cannot be judged.
    """
    annotations = []
    for number, each in enumerate(content["annotations"], 1):
        try:
            annotations.append(_prepare_annotation(each, number, task))
        except (KeyError, TypeError, ValueError) as error:
            raise WrongInput(
                f"{file}: annotation {number} (in the file's order) cannot be judged",
                evidence=_reason(error),
                remedy="is it COCO's format?",
            ) from None
    images = [{**each, "id": int(each["id"])} for each in content["images"]]
    return {**content, "images": images, "annotations": annotations}


def _prepare_annotation(annotation: Any, number: int, task: TaskSpec) -> CocoKeys:
    box = [float(side) for side in annotation["bbox"]]
    if len(box) != 4 or not all(map(isfinite, box)):
        raise ValueError(f"its bbox is not x,y,width,height: {box}")
    numbers = {key: int(annotation[key]) for key in ("image_id", "category_id")}
    return {
        "iscrowd": 0,
        "area": box[2] * box[3],
        **annotation,
        **numbers,
        **task.coco_annotation(annotation),
        "bbox": box,
        "id": number,
    }


def _reason(error: Exception) -> str:
    return f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)


PICTURE_PLACES = ("", "val2017", "images", "../val2017", "../images", "..")
"""Where pictures lie, seen from the folder that was named and from the JSON file's."""


class CocoData(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the pictures, and which class of the model each category is."""

    name: str
    file: Path
    content: CocoKeys
    """The JSON file's, with annotations that pycocotools can count on."""
    pictures: Sequence[Path]
    ids: Mapping[Path, int]
    """The picture's number in the JSON."""
    category: Mapping[int, int]
    """Class of the model → category of the data."""
    task: TaskSpec
    detail: str = ""
    """Pictures and classes of the JSON that are not judged."""
    left_out: Sequence[Path] = ()
    """Pictures that lie there and are not in the JSON."""


def is_coco(path: Path) -> bool:
    """Whether a JSON file of annotations is there, or in annotations/."""
    within = [file for file in _json_files(path) if file.parent.name == "annotations"]
    return (
        path in _json_files(path)
        or bool(within)
        or any(map(_mentions_annotations, _json_files(path)))
    )


def read_coco(path: Path, task: TaskSpec, labels: Sequence[str]) -> CocoData:
    """The annotations that suit the task, and the pictures they are of. Raises ``WrongInput``."""
    file, annotations, images, folder = _find_annotations(path, task)
    content = prepare_annotations(annotations, task, file)
    category, classes = match_categories(content, task, labels, file)
    ids = {folder / name: images[name] for name in sorted(images) if (folder / name).is_file()}
    return CocoData(
        name=_data_name(file),
        file=file,
        content=content,
        pictures=list(ids),
        ids=ids,
        category=category,
        task=task,
        detail=_missing_detail(ids, images, file) + classes,
        left_out=_unlisted_pictures(ids),
    )


def _json_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" else []
    return sorted([*path.glob("annotations/*.json"), *path.glob("*.json")])


class AnnotationFile(NamedTuple):
    """A JSON file, and where its pictures are."""

    file: Path
    content: CocoKeys
    images: dict[str, int]
    folder: Path

    @property
    def missing(self) -> int:
        """How many of its pictures are not there."""
        return sum(not (self.folder / name).is_file() for name in self.images)


def _find_annotations(path: Path, task: TaskSpec) -> AnnotationFile:
    """Of the files that suit the task the first whose pictures are all there, else most of them."""
    candidates: list[AnnotationFile] = []
    empty: list[WrongInput] = []
    for file in sorted(_json_files(path), key=lambda candidate: _search_order(path, candidate)):
        content = _read_content(file)
        if not _suits_task(content, task):
            continue
        images = _image_numbers(file, content)
        try:
            candidates.append(
                AnnotationFile(file, content, images, _picture_folder(path, file, images))
            )
        except WrongInput as error:
            empty.append(error)
            continue
        if not candidates[-1].missing:
            return candidates[-1]
    if candidates:
        return min(candidates, key=lambda candidate: candidate.missing / len(candidate.images))
    raise (empty or [_unsuitable_error(path, task)])[0]


def _mentions_annotations(file: Path) -> bool:
    """Whether it may be COCO's: many a folder holds another JSON file."""
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as text:
            return text.find(b'"annotations"') >= 0
    except (OSError, ValueError):
        return False


def _search_order(path: Path, file: Path) -> tuple[bool, bool, str]:
    """Those come first whose pictures seem to be there: others may be large, and in vain."""
    return not (path / _split_name(file)).is_dir(), "instances" not in file.name, file.name


def _suits_task(content: CocoKeys, task: TaskSpec) -> bool:
    annotations = content.get("annotations")
    return isinstance(annotations, list) and any(
        isinstance(annotation, dict) and task.coco_key in annotation for annotation in annotations
    )


def _unsuitable_error(path: Path, task: TaskSpec) -> WrongInput:
    return WrongInput(
        f"{path} holds no COCO annotations with {task.coco_key}",
        remedy="name the folder that has annotations/, or the JSON file",
    )


def _split_name(file: Path) -> str:
    """``instances_val2017.json`` → ``val2017``, which is what its pictures' folder is called."""
    return file.stem.rpartition("_")[2]


def _read_content(file: Path) -> CocoKeys:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, RecursionError, ValueError) as error:
        raise WrongInput(f"{file} cannot be read: {error}", remedy="check --data") from None
    return content if isinstance(content, dict) else {}


def _image_numbers(file: Path, content: CocoKeys) -> dict[str, int]:
    """Name → number. Raises ``WrongInput`` for a name or a number that two pictures have."""
    try:
        pairs = [(str(image["file_name"]), int(image["id"])) for image in content["images"]]
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} does not list images", remedy="is it COCO's format?") from None
    for what, values in zip(("name", "number"), zip(*pairs, strict=True), strict=False):
        (value, times), *_ = Counter(values).most_common(1)
        if times > 1:
            raise WrongInput(
                f"{file}: {times} images have the {what} {value}",
                remedy="their annotations cannot be told apart: number the images anew",
            )
    return dict(pairs)


def _picture_folder(path: Path, file: Path, images: Mapping[str, int]) -> Path:
    """Of the usual places the one that has most of the pictures."""
    bases = [path if path.is_dir() else path.parent, file.parent]
    split = _split_name(file)
    places = [base / place for base in bases for place in (*PICTURE_PLACES, split, f"../{split}")]
    counts = {place: sum((place / name).is_file() for name in images) for place in places}
    best = max(places, key=lambda place: counts[place])
    if counts[best]:
        return best
    raise WrongInput(
        f"none of the {len(images)} pictures of {file.name} is there",
        evidence=f"for example {next(iter(images), 'none')}",
        remedy="put them together in one folder: beside annotations/, in val2017/ or in images/",
    )


def _missing_detail(ids: Mapping[Path, int], images: Mapping[str, int], file: Path) -> str:
    whole = len(ids) == len(images)
    return "" if whole else f" of the {len(images)} in {file.name}"


def _unlisted_pictures(ids: Mapping[Path, int]) -> list[Path]:
    """Pictures beside those of the JSON."""
    beside = [list_pictures(folder) for folder in sorted({path.parent for path in ids})]
    paths = [path for content in beside for path in (*content.pictures, *content.left_out)]
    return [path for path in paths if path not in ids]


def _data_name(file: Path) -> str:
    """``instances_val2017.json`` → ``COCO val2017``; another file by its own name."""
    match = re.fullmatch(r"(?:instances|person_keypoints)_(\w+)", file.stem)
    return f"COCO {match[1]}" if match else file.stem

"""COCO's annotations: JSON files in annotations/ or beside the pictures of a split."""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from piyard.core.errors import WrongInput
from piyard.core.labels import normalize_name
from piyard.core.parsing import JsonObject
from piyard.core.text import format_count
from piyard.data.coco_pictures import CocoPictures, find_pictures
from piyard.data.dataset import Annotation, DataSet, Film, LeftOut, group_left_out
from piyard.data.request import DataRequest
from piyard.data.splits import TEST, VAL, is_split, match_splits, plain_split
from piyard.vision.pictures import list_pictures, list_subfolders, printable_path
from piyard.vision.tasks.base import TruthKind

KIND_KEYS: dict[TruthKind, str] = {
    "box": "bbox",
    "outline": "segmentation",
    "keypoints": "keypoints",
}
"""What an annotation must have for that kind of truth."""


class CocoFile(NamedTuple):
    """A JSON file, and where its pictures are."""

    file: Path
    content: JsonObject
    pictures: CocoPictures


def is_coco(path: Path) -> bool:
    """Whether a JSON file of annotations is there, or in annotations/."""
    within = [file for file in _json_files(path) if file.parent.name == "annotations"]
    return (
        path in _json_files(path)
        or bool(within)
        or any(map(_mentions_annotations, _json_files(path)))
    )


def read_coco(request: DataRequest) -> DataSet:
    """The annotations of that kind, and the pictures they are of. Raises ``WrongInput``."""
    kind = request.kind or "box"
    file, content, pictures = _find_annotations(request, KIND_KEYS[kind])
    numbers = _category_numbers(content, file)
    truth = _read_truth(content, file, list(numbers.values()), kind)
    ids = pictures.ids
    return DataSet(
        format="coco",
        kind=kind,
        name=_data_name(file),
        root=request.path,
        split=_split_name(file),
        splits=sorted({_split_name(other) for other in _json_files(request.path)} - {""}),
        classes=list(numbers),
        films=[Film(pictures=list(ids), truth={path: truth.get(ids[path], []) for path in ids})],
        files=[file],
        detail=_missing_detail(pictures, file) + _stray_detail(pictures, truth),
        left_out=_unlisted_pictures(ids),
    )


def _json_files(path: Path) -> list[Path]:
    """Those in annotations/ first, then the folder's own, then those of folders named as splits."""
    if path.is_file():
        return [path] if path.suffix == ".json" else []
    if not path.is_dir():
        return []
    splits = [folder for folder in list_subfolders(path) if is_split(folder.name)]
    return [
        *sorted([*path.glob("annotations/*.json"), *path.glob("*.json")]),
        *(file for folder in splits for file in sorted(folder.glob("*.json"))),
    ]


def _split_name(file: Path) -> str:
    """``instances_val2017.json`` → ``val2017``; else the folder's name where it is a split's."""
    tail = file.stem.rpartition("_")[2]
    if file.parent.name == "annotations" or is_split(tail):
        return tail
    return file.parent.name if is_split(file.parent.name) else ""


def _find_annotations(request: DataRequest, key: str) -> CocoFile:
    """Of the files with that key, and of the split, the first whose pictures are all there.

    Else the one that most of them are there of. Raises ``WrongInput`` where two would do.
    """
    path = request.path
    candidates: list[CocoFile] = []
    empty: list[WrongInput] = []
    for file in _chosen_files(request):
        content = _read_content(file)
        if not _has_key(content, key):
            continue
        try:
            pictures = find_pictures(path, file, content)
        except WrongInput as error:
            empty.append(error)
            continue
        candidates.append(CocoFile(file, content, pictures))
        if not pictures.missing and (request.split or _is_evaluated(file)):
            return candidates[-1]
    if candidates:
        return _most_complete(path, candidates)
    raise (empty or [_unsuitable_error(path, key)])[0]


def _chosen_files(request: DataRequest) -> list[Path]:
    files = _json_files(request.path)
    by_split = defaultdict(list)
    for file in files:
        by_split[_split_name(file)].append(file)
    if request.split:
        names = match_splits(request.split, list(by_split))
        files = [file for name in names for file in by_split[name]]
        if not files:
            there = ", ".join(sorted(name for name in by_split if name))
            raise WrongInput(
                f"{request.path} has no split {request.split}",
                remedy=f"--split: {there}" if there else "leave --split out: it is not divided",
            )
    return sorted(files, key=lambda file: _search_order(request.path, file))


def _search_order(path: Path, file: Path) -> tuple[bool, bool, bool, str]:
    """Those come first whose pictures seem to be there: others may be large, and in vain."""
    split = _split_name(file)
    there = (path / split).is_dir() or (path / "images" / split).is_dir()
    return not there, not _is_evaluated(file), "instances" not in file.name, str(file)


def _is_evaluated(file: Path) -> bool:
    return plain_split(_split_name(file)) in {VAL, TEST}


def _most_complete(path: Path, candidates: Sequence[CocoFile]) -> CocoFile:
    whole = [each for each in candidates if not each.pictures.missing]
    splits = {_split_name(each.file) for each in whole}
    if len(splits) > 1:
        raise WrongInput(
            f"{path} has {len(splits)} splits whose pictures are all there",
            remedy=f"--split: {', '.join(sorted(splits))}",
        )
    return (whole or sorted(candidates, key=lambda each: each.pictures.missing_share))[0]


def _mentions_annotations(file: Path) -> bool:
    """Whether it may be COCO's: many a folder holds another JSON file."""
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as text:
            return text.find(b'"annotations"') >= 0
    except (OSError, ValueError):
        return False


def _has_key(content: JsonObject, key: str) -> bool:
    annotations = content.get("annotations")
    return isinstance(annotations, list) and any(
        isinstance(annotation, dict) and key in annotation for annotation in annotations
    )


def _unsuitable_error(path: Path, key: str) -> WrongInput:
    return WrongInput(
        f"{path} holds no COCO annotations with {key}",
        remedy="name the folder that has annotations/, or the JSON file",
    )


def _read_content(file: Path) -> JsonObject:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, RecursionError, ValueError) as error:
        raise WrongInput(f"{file} cannot be read: {error}", remedy="check --data") from None
    return content if isinstance(content, dict) else {}


def _category_numbers(content: JsonObject, file: Path) -> dict[str, int]:
    """Name → number; of several categories with one name the one that annotations are of."""
    try:
        pairs = [
            (normalize_name(str(entry["name"])), int(entry["id"]))
            for entry in content["categories"]
        ]
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} names no categories", remedy="is it COCO's format?") from None
    _require_different(pairs, file)
    used = Counter(
        entry.get("category_id") for entry in content["annotations"] if isinstance(entry, dict)
    )
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


def _read_truth(
    content: JsonObject, file: Path, categories: Sequence[int], kind: TruthKind
) -> Mapping[int, list[Annotation]]:
    """The annotations of each picture by its number, in the file's order."""
    index = {number: at for at, number in enumerate(categories)}
    truth: dict[int, list[Annotation]] = defaultdict(list)
    for number, entry in enumerate(content["annotations"], 1):
        try:
            truth[int(entry["image_id"])].append(_read_annotation(entry, index, kind))
        except (KeyError, TypeError, ValueError) as error:
            raise WrongInput(
                f"{file}: annotation {number} (in the file's order) cannot be judged",
                evidence=f"it has no {error.args[0]}"
                if isinstance(error, KeyError)
                else str(error),
                remedy="is it COCO's format?",
            ) from None
    return truth


def _read_annotation(entry: Any, index: Mapping[int, int], kind: TruthKind) -> Annotation:
    left, top, width, height = _read_box(entry["bbox"])
    category = int(entry["category_id"])
    if category not in index:
        raise ValueError(f"no category has its category_id {category}")
    if not entry[KIND_KEYS[kind]]:
        raise ValueError(f"its {KIND_KEYS[kind]} is empty")
    return Annotation(
        class_=index[category],
        box=(left, top, left + width, top + height),
        size=(width, height),
        area=float(entry.get("area", width * height)),
        outline=entry.get("segmentation"),
        keypoints=list(_read_keypoints(entry["keypoints"])) if "keypoints" in entry else None,
        crowd=bool(entry.get("iscrowd", 0)),
    )


def _read_box(stated: Any) -> list[float]:
    box = [float(side) for side in stated]
    if len(box) != 4 or not all(map(isfinite, box)):
        raise ValueError(f"its bbox is not x,y,width,height: {box}")
    if min(box[2:]) < 0:
        raise ValueError(f"its bbox has a negative side: {box}")
    return box


def _read_keypoints(stated: Any) -> Iterator[tuple[float, float, float]]:
    values = [float(value) for value in stated]
    if len(values) % 3:
        raise ValueError(f"its keypoints are {len(values)} numbers, and not three a point")
    return zip(values[::3], values[1::3], values[2::3], strict=True)


def _missing_detail(pictures: CocoPictures, file: Path) -> str:
    return f" of the {len(pictures.names)} in {file.name}" if pictures.missing else ""


def _stray_detail(pictures: CocoPictures, truth: Mapping[int, list[Annotation]]) -> str:
    listed = set(pictures.names.values())
    count = sum(len(each) for number, each in truth.items() if number not in listed)
    return f", {format_count(count, 'annotation')} of no listed picture" if count else ""


def _unlisted_pictures(ids: Mapping[Path, int]) -> Sequence[LeftOut]:
    """Pictures beside those of the JSON."""
    beside = [list_pictures(folder) for folder in sorted({path.parent for path in ids})]
    paths = [path for content in beside for path in (*content.pictures, *content.left_out)]
    unlisted = [path for path in paths if path not in ids]
    return group_left_out({"not in the JSON": unlisted})


def _data_name(file: Path) -> str:
    """``instances_val2017.json`` → ``COCO val2017``; another file by its own name."""
    match = re.fullmatch(r"(?:instances|person_keypoints)_(\w+)", file.stem)
    return f"COCO {match[1]}" if match else printable_path(Path(file.stem))

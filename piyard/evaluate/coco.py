"""COCO's annotations, and its figures by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard.errors import WrongInput
from piyard.look.lines import Object

KINDS = {"detect": "bbox", "segment": "segm", "pose": "keypoints"}
"""pycocotools' names of what is compared, by task."""
PLACES = ("", "val2017", "images", "../val2017", "../images", "..")
"""Where pictures lie, seen from the folder that was named and from the JSON file's."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the pictures, and which class of the model each category is."""

    name: str
    file: Path
    content: dict[str, Any]
    """The JSON file's."""
    pictures: Sequence[Path]
    ids: Mapping[Path, int]
    """The picture's number in the JSON."""
    category: Mapping[int, int]
    """Class of the model → category of the data."""
    task: str
    detail: str = ""


def is_coco(path: Path) -> bool:
    """Whether a JSON file of annotations is there, or in annotations/."""
    return bool(_candidates(path))


def read(path: Path, task: str, labels: Sequence[str]) -> Scene:
    """The annotations that suit the task, and the pictures they are of. Raises ``WrongInput``."""
    file, content = _annotations(path, task)
    ids = _located(path, file, content)
    category, detail = _categories(content, task, labels, file)
    return Scene(
        name=_name(file),
        file=file,
        content=content,
        pictures=list(ids),
        ids=ids,
        category=category,
        task=task,
        detail=detail,
    )


def figures(scene: Scene, answers: Mapping[Path, Sequence[Object]]) -> dict[str, float]:
    """mAP and mAP50 in percent, over the pictures that were answered for."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    found = [one for path, objects in answers.items() for one in _results(scene, path, objects)]
    with _quiet():
        truth = COCO()
        truth.dataset = scene.content
        truth.createIndex()
        if not found:
            return {"mAP": 0.0, "mAP50": 0.0}
        judged = COCOeval(truth, _loaded(truth, found), KINDS[scene.task])
        judged.params.imgIds = sorted(scene.ids[path] for path in answers)
        judged.params.catIds = sorted(set(scene.category.values()))
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return {"mAP": 100 * float(judged.stats[0]), "mAP50": 100 * float(judged.stats[1])}


def _loaded(truth: Any, found: list[dict[str, Any]]) -> Any:
    return truth.loadRes(found)


def _results(scene: Scene, path: Path, objects: Sequence[Object]) -> Iterator[dict[str, Any]]:
    for one in objects:
        if one.class_ not in scene.category:
            continue
        x0, y0, x1, y1 = one.box
        told: dict[str, Any] = {
            "image_id": scene.ids[path],
            "category_id": scene.category[one.class_],
            "score": one.score,
        }
        if scene.task == "segment" and one.mask:
            told["segmentation"] = {"size": list(one.mask.size), "counts": one.mask.counts}
        elif scene.task == "pose":
            # COCO scores a pose by its person's score; visibility is not judged.
            told["keypoints"] = [v for x, y, _ in one.keypoints or () for v in (x, y, 1)]
        else:
            told["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        yield told


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" else []
    return sorted([*path.glob("annotations/*.json"), *path.glob("*.json")])


def _annotations(path: Path, task: str) -> tuple[Path, dict[str, Any]]:
    wanted = "keypoints" if task == "pose" else "bbox"
    for file in sorted(_candidates(path), key=lambda one: ("instances" not in one.name, one.name)):
        content = _content(file)
        annotations = content.get("annotations")
        if isinstance(annotations, list) and any(wanted in one for one in annotations):
            return file, content
    raise WrongInput(
        f"{path} holds no COCO annotations with {wanted}",
        remedy="name the folder that has annotations/, or the JSON file",
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise WrongInput(f"{file} cannot be read: {error}", remedy="check --data") from None
    return content if isinstance(content, dict) else {}


def _located(path: Path, file: Path, content: Mapping[str, Any]) -> dict[Path, int]:
    """The pictures that are there; all must be in one of the usual places."""
    try:
        named = {str(one["file_name"]): int(one["id"]) for one in content["images"]}
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} does not list images", remedy="is it COCO's format?") from None
    bases = [path if path.is_dir() else path.parent, file.parent]
    for folder in (base / place for base in bases for place in PLACES):
        if all((folder / name).is_file() for name in named):
            return {folder / name: named[name] for name in sorted(named)}
    raise WrongInput(
        f"the {len(named)} pictures of {file.name} are not together in one folder",
        evidence=f"for example {next(iter(named), 'none')}",
        remedy="put them beside annotations/, in val2017/ or in images/",
    )


def _categories(
    content: Mapping[str, Any], task: str, labels: Sequence[str], file: Path
) -> tuple[dict[int, int], str]:
    """By name, as COCO's numbers have gaps; a pose model's only class is the person."""
    try:
        numbers = {_plain(str(one["name"])): int(one["id"]) for one in content["categories"]}
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} names no categories", remedy="is it COCO's format?") from None
    names = ["person"] if task == "pose" else labels
    met = {i: numbers[_plain(name)] for i, name in enumerate(names) if _plain(name) in numbers}
    if not met:
        raise WrongInput(
            f"the model knows none of the {len(numbers)} categories of {file.name}",
            evidence=f"model: {', '.join(names[:5])} …\ndata: {', '.join(list(numbers)[:5])} …",
            remedy="name data of the model's classes",
        )
    missing = len(numbers) - len(met)
    return met, f", {len(met)} of {len(numbers)} classes" if missing else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").strip()


def _name(file: Path) -> str:
    """``instances_val2017.json`` → ``COCO val2017``; another file by its own name."""
    found = re.fullmatch(r"(?:instances|person_keypoints)_(\w+)", file.stem)
    return f"COCO {found[1]}" if found else file.stem


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pycocotools prints on stdout, and hands numpy 2 an array in the way of numpy 1."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="__array__", category=DeprecationWarning)
        yield

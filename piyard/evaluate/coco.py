"""COCO's annotations, and its figures by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from piyard import pictures
from piyard.errors import WrongInput
from piyard.evaluate import bootstrap, categories, objects
from piyard.evaluate.bootstrap import Interval
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
    """The JSON file's, with annotations that pycocotools can count on."""
    pictures: Sequence[Path]
    ids: Mapping[Path, int]
    """The picture's number in the JSON."""
    category: Mapping[int, int]
    """Class of the model → category of the data."""
    task: str
    detail: str = ""
    """Pictures and classes of the JSON that are not judged."""
    left_out: Sequence[Path] = ()
    """Pictures that lie there and are not in the JSON."""


def is_coco(path: Path) -> bool:
    """Whether a JSON file of annotations is there, or in annotations/."""
    within = [file for file in _candidates(path) if file.parent.name == "annotations"]
    return path in _candidates(path) or bool(within) or any(map(_mentions, _candidates(path)))


def read(path: Path, task: str, labels: Sequence[str]) -> Scene:
    """The annotations that suit the task, and the pictures they are of. Raises ``WrongInput``."""
    file, annotations, images, folder = _annotations(path, task)
    content = objects.prepared(annotations, task, file)
    category, classes = categories.matched(content, task, labels, file)
    ids = {folder / name: images[name] for name in sorted(images) if (folder / name).is_file()}
    return Scene(
        name=_name(file),
        file=file,
        content=content,
        pictures=list(ids),
        ids=ids,
        category=category,
        task=task,
        detail=_partial(ids, images, file) + classes,
        left_out=_unlisted(ids),
    )


def figures(scene: Scene, answers: Mapping[Path, Sequence[Object]]) -> dict[str, float | None]:
    """mAP and mAP50 in percent over the pictures that were answered for.

    None where nothing in these pictures can be judged.
    """
    return _figures(_judged(scene, answers))


def with_intervals(
    scene: Scene, answers: Mapping[Path, Sequence[Object]]
) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """The same, with 95 % intervals where there are figures, of few pictures."""
    judged = _judged(scene, answers)
    percentages = _figures(judged)
    return percentages, {} if None in percentages.values() else bootstrap.intervals(judged)


def _figures(judged: Any) -> dict[str, float | None]:
    """pycocotools says -1 for the mean of nothing."""
    values = zip(("mAP", "mAP50"), judged.stats, strict=False)
    return {name: 100 * float(value) if value >= 0 else None for name, value in values}


def _judged(scene: Scene, answers: Mapping[Path, Sequence[Object]]) -> Any:
    from pycocotools.cocoeval import COCOeval

    results = [
        result for path, objects in answers.items() for result in _results(scene, path, objects)
    ]
    with _quiet(), _judgeable(scene.file):
        truth = _indexed(scene.content)
        # loadRes does not take an empty list.
        answered = (
            truth.loadRes(results) if results else _indexed(scene.content | {"annotations": []})
        )
        judged = COCOeval(truth, answered, KINDS[scene.task])
        judged.params.imgIds = sorted(scene.ids[path] for path in answers)
        judged.params.catIds = sorted(set(scene.category.values()))
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged


def _indexed(content: dict[str, Any]) -> Any:
    from pycocotools.coco import COCO

    index = COCO()
    index.dataset = content
    index.createIndex()
    return index


@contextlib.contextmanager
def _judgeable(file: Path) -> Iterator[None]:
    """What in the annotations pycocotools stumbles over is the file's fault."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise WrongInput(
            f"{file}: pycocotools cannot judge these annotations",
            evidence=f"{type(error).__name__}: {error}",
            remedy="is it COCO's format?",
        ) from None


def _results(scene: Scene, path: Path, objects: Sequence[Object]) -> Iterator[dict[str, Any]]:
    for each in objects:
        if each.class_ not in scene.category:
            continue
        x0, y0, x1, y1 = each.box
        result: dict[str, Any] = {
            "image_id": scene.ids[path],
            "category_id": scene.category[each.class_],
            "score": each.score,
        }
        if scene.task == "segment" and each.mask:
            result["segmentation"] = {"size": list(each.mask.size), "counts": each.mask.counts}
        elif scene.task == "pose":
            # COCO scores a pose by its person's score; visibility is not judged.
            result["keypoints"] = [v for x, y, _ in each.keypoints or () for v in (x, y, 1)]
        else:
            result["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        yield result


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" else []
    return sorted([*path.glob("annotations/*.json"), *path.glob("*.json")])


class Annotated(NamedTuple):
    """A JSON file, and where its pictures are."""

    file: Path
    content: dict[str, Any]
    images: dict[str, int]
    folder: Path

    @property
    def missing(self) -> int:
        """How many of its pictures are not there."""
        return sum(not (self.folder / name).is_file() for name in self.images)


def _annotations(path: Path, task: str) -> Annotated:
    """Of the files that suit the task the first whose pictures are all there, else most of them."""
    candidates: list[Annotated] = []
    empty: list[WrongInput] = []
    for file in sorted(_candidates(path), key=lambda candidate: _order(path, candidate)):
        content = _content(file)
        if not _suits(content, task):
            continue
        images = _images(file, content)
        try:
            candidates.append(Annotated(file, content, images, _folder(path, file, images)))
        except WrongInput as error:
            empty.append(error)
            continue
        if not candidates[-1].missing:
            return candidates[-1]
    if candidates:
        return min(candidates, key=lambda candidate: candidate.missing / len(candidate.images))
    raise (empty or [_unsuitable(path, task)])[0]


def _mentions(file: Path) -> bool:
    """Whether it may be COCO's: many a folder holds another JSON file."""
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as text:
            return text.find(b'"annotations"') >= 0
    except (OSError, ValueError):
        return False


def _order(path: Path, file: Path) -> tuple[bool, bool, str]:
    """Those come first whose pictures seem to be there: others may be large, and in vain."""
    return not (path / _split(file)).is_dir(), "instances" not in file.name, file.name


def _suits(content: Mapping[str, Any], task: str) -> bool:
    annotations, needed = content.get("annotations"), objects.NEEDED[task]
    return isinstance(annotations, list) and any(
        isinstance(annotation, dict) and needed in annotation for annotation in annotations
    )


def _unsuitable(path: Path, task: str) -> WrongInput:
    return WrongInput(
        f"{path} holds no COCO annotations with {objects.NEEDED[task]}",
        remedy="name the folder that has annotations/, or the JSON file",
    )


def _split(file: Path) -> str:
    """``instances_val2017.json`` → ``val2017``, which is what its pictures' folder is called."""
    return file.stem.rpartition("_")[2]


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, RecursionError, ValueError) as error:
        raise WrongInput(f"{file} cannot be read: {error}", remedy="check --data") from None
    return content if isinstance(content, dict) else {}


def _images(file: Path, content: Mapping[str, Any]) -> dict[str, int]:
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


def _folder(path: Path, file: Path, images: Mapping[str, int]) -> Path:
    """Of the usual places the one that has most of the pictures."""
    bases = [path if path.is_dir() else path.parent, file.parent]
    split = _split(file)
    places = [base / place for base in bases for place in (*PLACES, split, f"../{split}")]
    counts = {place: sum((place / name).is_file() for name in images) for place in places}
    best = max(places, key=lambda place: counts[place])
    if counts[best]:
        return best
    raise WrongInput(
        f"none of the {len(images)} pictures of {file.name} is there",
        evidence=f"for example {next(iter(images), 'none')}",
        remedy="put them together in one folder: beside annotations/, in val2017/ or in images/",
    )


def _partial(ids: Mapping[Path, int], images: Mapping[str, int], file: Path) -> str:
    whole = len(ids) == len(images)
    return "" if whole else f" of the {len(images)} in {file.name}"


def _unlisted(ids: Mapping[Path, int]) -> list[Path]:
    """Pictures beside those of the JSON."""
    beside = [pictures.of(folder) for folder in sorted({path.parent for path in ids})]
    paths = [path for content in beside for path in (*content.pictures, *content.left_out)]
    return [path for path in paths if path not in ids]


def _name(file: Path) -> str:
    """``instances_val2017.json`` → ``COCO val2017``; another file by its own name."""
    match = re.fullmatch(r"(?:instances|person_keypoints)_(\w+)", file.stem)
    return f"COCO {match[1]}" if match else file.stem


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pycocotools prints on stdout, and hands numpy 2 an array in the way of numpy 1."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="__array__", category=DeprecationWarning)
        yield

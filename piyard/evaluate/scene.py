"""Objects in pictures as pycocotools takes them, whatever format they were read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject
from piyard.data.dataset import Annotation, DataSet
from piyard.vision.pictures import read_picture_size
from piyard.vision.tasks.base import TaskSpec

IGNORED_AREA = -1.0
"""Below every range of areas: pycocotools takes such an object for neither a hit nor a miss."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the pictures, and which class of the model each category is."""

    where: Path
    """What the truth was read from, for errors."""
    content: JsonObject
    """As COCO's JSON, of the pictures that are judged."""
    ids: Mapping[Path, int]
    """The picture's number in it."""
    category: Mapping[int, int]
    """Class of the model → category of the data."""
    task: TaskSpec
    keypoints: int = 0
    """Of each object."""


def make_scene(
    data: DataSet, pictures: Sequence[Path], task: TaskSpec, category: Mapping[int, int]
) -> Scene:
    """The objects in those pictures; their truth is read here. Raises ``WrongInput``."""
    (film,) = data.films
    where = data.files[0] if data.files else data.root
    ids = {path: number for number, path in enumerate(pictures, 1)}
    truth = ((number, each) for path, number in ids.items() for each in film.truth[path])
    annotations = [
        _coco_annotation(each, number, picture) for number, (picture, each) in enumerate(truth, 1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(data.classes)]
    images = [
        _coco_image(path, number, sized=data.kind == "outline") for path, number in ids.items()
    ]
    content = {"images": images, "categories": categories, "annotations": annotations}
    return Scene(
        where=where,
        content=content,
        ids=ids,
        category=category,
        task=task,
        keypoints=_count_keypoints(annotations, where) if data.kind == "keypoints" else 0,
    )


def _count_keypoints(annotations: Sequence[JsonObject], where: Path) -> int:
    """Raises ``WrongInput`` where objects have different numbers of them."""
    counts = sorted({len(each["keypoints"]) // 3 for each in annotations if "keypoints" in each})
    if len(counts) > 1:
        raise WrongInput(
            f"{where}: some objects have {counts[0]} keypoints and others {counts[-1]}",
            remedy="give all the same number, those that are not labelled as 0, 0, 0",
        )
    return counts[0] if counts else 0


def _coco_image(path: Path, number: int, *, sized: bool) -> JsonObject:
    """Masks are as large as their picture."""
    if not sized:
        return {"id": number}
    width, height = read_picture_size(path)
    return {"id": number, "width": width, "height": height}


def _coco_annotation(each: Annotation, number: int, picture: int) -> JsonObject:
    """Numbers begin with 1: pycocotools takes an annotation with the number 0 for none."""
    return {
        "id": number,
        "image_id": picture,
        "category_id": each.class_,
        "bbox": [*each.box[:2], *each.size],
        "area": IGNORED_AREA if each.difficult else each.area,
        "iscrowd": int(each.crowd),
        **({} if each.outline is None else {"segmentation": each.outline}),
        **_keypoint_keys(each),
    }


def _keypoint_keys(each: Annotation) -> JsonObject:
    if each.keypoints is None:
        return {}
    return {
        "keypoints": [value for point in each.keypoints for value in point],
        "num_keypoints": sum(seen > 0 for _, _, seen in each.keypoints),
    }

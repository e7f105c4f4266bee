"""COCO's annotations as pycocotools takes them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from piyard.errors import WrongInput

NEEDED = {"detect": "bbox", "segment": "segmentation", "pose": "keypoints"}
"""What an annotation must have beside its box, by task."""
KEYPOINTS = 17
"""A person's: pycocotools has tolerances for these."""


def prepared(content: Mapping[str, Any], task: str, file: Path) -> dict[str, Any]:
    """The JSON's content with annotations numbered from 1, and what may be left out filled in.

    pycocotools takes an annotation with the number 0 for none, and of two with the same number
    sees one. Raises ``WrongInput`` for an annotation that cannot be judged.
    """
    annotations = []
    for number, each in enumerate(content["annotations"], 1):
        try:
            annotations.append(_prepared(each, number, task))
        except (KeyError, TypeError, ValueError) as error:
            raise WrongInput(
                f"{file}: annotation {number} (in the file's order) cannot be judged",
                evidence=_reason(error),
                remedy="is it COCO's format?",
            ) from None
    images = [{**each, "id": int(each["id"])} for each in content["images"]]
    return {**content, "images": images, "annotations": annotations}


def _prepared(annotation: Any, number: int, task: str) -> dict[str, Any]:
    box = [float(side) for side in annotation["bbox"]]
    if len(box) != 4 or not all(map(isfinite, box)):
        raise ValueError(f"its bbox is not x,y,width,height: {box}")
    numbers = {key: int(annotation[key]) for key in ("image_id", "category_id")}
    filled = {
        "iscrowd": 0,
        "area": box[2] * box[3],
        **annotation,
        **numbers,
        "bbox": box,
        "id": number,
    }
    if task != "detect":
        filled[NEEDED[task]] = annotation[NEEDED[task]]
    return filled | (_points(annotation) if task == "pose" else {})


def _points(annotation: Mapping[str, Any]) -> dict[str, Any]:
    points = [float(value) for value in annotation["keypoints"]]
    if len(points) != 3 * KEYPOINTS:
        raise ValueError(f"it has {len(points) / 3:g} keypoints, and COCO's are {KEYPOINTS}")
    return {"keypoints": points, "num_keypoints": sum(seen > 0 for seen in points[2::3])}


def _reason(error: Exception) -> str:
    return f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)

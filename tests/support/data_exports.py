"""The same pictures and objects in every format, as other programs would write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from piyard.data.dataset import Annotation, DataSet
from piyard.vision.pictures import read_picture_size
from tests.support.data_sets import voc_object

POSE_AREA = 0.53


def to_coco(data: DataSet, folder: Path, *, part: str = "val2017", pose: bool = False) -> Path:
    """One JSON in annotations/ and the pictures in a folder called as the part."""
    link_pictures(data, folder / part)
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    annotations = [
        _coco_annotation(each, picture, pose=pose)
        for picture, (_, truth) in enumerate(data, 1)
        for each in truth
    ]
    content = {
        "images": [
            {"id": number, "file_name": path.name, "width": width, "height": height}
            for number, path in enumerate(data.pictures, 1)
            for width, height in [read_picture_size(path)]
        ],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(data.classes)],
        "annotations": [{"id": i, **each} for i, each in enumerate(annotations, 1)],
    }
    kind = "person_keypoints" if pose else "instances"
    (folder / "annotations" / f"{kind}_{part}.json").write_text(json.dumps(content))
    return folder


def _coco_annotation(each: Annotation, picture: int, *, pose: bool) -> dict[str, Any]:
    width, height = each.size
    points = [value for point in each.keypoints or () for value in point]
    area = POSE_AREA * width * height if pose else each.area
    return {
        "image_id": picture,
        "category_id": each.class_ + 1,
        "bbox": [*each.box[:2], width, height],
        "area": area,
        "iscrowd": int(each.crowd),
        **({"segmentation": each.outline} if each.outline else {}),
        **({"keypoints": points, "num_keypoints": sum(map(bool, points[2::3]))} if pose else {}),
    }


def to_yolo(data: DataSet, folder: Path, *, more: str = "") -> Path:
    """data.yaml, images/val, and labels/val of that kind of truth."""
    link_pictures(data, folder / "images" / "val")
    (folder / "labels" / "val").mkdir(parents=True)
    for path, truth in data:
        size = read_picture_size(path)
        lines = [_yolo_line(each, size, data.kind) for each in truth]
        if lines:  # as exporters do: a picture without objects has no file
            (folder / "labels" / "val" / f"{path.stem}.txt").write_text("\n".join(lines) + "\n")
    names = json.dumps(list(data.classes))
    (folder / "data.yaml").write_text(f"path: .\nval: images/val\nnames: {names}\n{more}")
    return folder


def _yolo_line(each: Annotation, size: tuple[int, int], kind: str) -> str:
    (x0, y0, *_), (width, height) = each.box, each.size
    values = [x0 + width / 2, y0 + height / 2, width, height]
    if kind == "outline":
        (values,) = each.outline
    shares = [value / size[at % 2] for at, value in enumerate(values)]
    if kind == "keypoints":
        for x, y, seen in each.keypoints or ():
            shares += [x / size[0], y / size[1], seen]
    return " ".join([str(each.class_), *(repr(share) for share in shares)])


def to_voc(data: DataSet, folder: Path) -> Path:
    """Whole pixels, counted from 1; crowds are difficult."""
    link_pictures(data, folder / "JPEGImages")
    for place in ("Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    for path, truth in data:
        elements = [_voc_element(each, data.classes) for each in truth]
        text = f"<annotation>{''.join(elements)}</annotation>"
        (folder / "Annotations" / f"{path.stem}.xml").write_text(text)
    stems = "".join(f"{path.stem}\n" for path in data.pictures)
    (folder / "ImageSets" / "Main" / "val.txt").write_text(stems)
    return folder


def _voc_element(each: Annotation, classes: Sequence[str]) -> str:
    x0, y0, x1, y1 = map(round, each.box)
    difficult = int(each.crowd or each.difficult)
    return voc_object(classes[each.class_], x0 + 1, y0 + 1, x1, y1, difficult=difficult)


def to_class_folders(data: DataSet, folder: Path, labels: Sequence[str], *, split: str) -> Path:
    """A folder a class below the split's, as Ultralytics has them."""
    for path, class_ in data:
        _link(path, folder / split / labels[data.numbers[class_]] / path.name)
    return folder


def link_pictures(data: DataSet, folder: Path) -> None:
    for path in data.pictures:
        _link(path, folder / path.name)


def _link(path: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(path.resolve())


EXPORTS: dict[str, Callable[[DataSet, Path], Path]] = {
    "coco": to_coco,
    "yolo": to_yolo,
    "voc": to_voc,
}

"""Small data sets of every format, made on the spot."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def pictures(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (20 + number, 10)).save(folder / name)
    return [folder / name for name in names]


def listed(folder: Path, *rows: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text("\n".join(["file,index,wnid", *rows]) + "\n")
    return folder


def scene(folder: Path, names: Sequence[str], annotations: Sequence[dict[str, Any]]) -> Path:
    """A COCO folder with cat = 17 and dog = 18."""
    pictures(folder / "val2017", *names)
    content = {
        "images": [
            {"id": 100 + i, "file_name": name, "width": 20 + i, "height": 10}
            for i, name in enumerate(names)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": list(annotations),
    }
    (folder / "annotations").mkdir()
    file = folder / "annotations" / "instances_val2017.json"
    file.write_text(json.dumps(content))
    return folder


def edit(folder: Path, **lists: Sequence[tuple[int, str]]) -> Path:
    """The scene with other images or categories: number and name each."""
    file = folder / "annotations" / "instances_val2017.json"
    keys = {"images": "file_name", "categories": "name"}
    content = json.loads(file.read_bytes())
    for key, pairs in lists.items():
        content[key] = [{"id": number, keys[key]: name} for number, name in pairs]
    file.write_text(json.dumps(content), encoding="utf-8-sig")
    return folder


def box(number: int, picture: int, category: int, *sides: float) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": picture,
        "category_id": category,
        "bbox": list(sides),
        "area": sides[2] * sides[3],
        "iscrowd": 0,
    }


def mot(folder: Path, lines: Sequence[str], *, frames: int = 3, name: str = "Street") -> Path:
    pictures(folder / "img1", *(f"{i:06d}.jpg" for i in range(1, frames + 1)))
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    about = f"name={name}\nframeRate=25\nseqLength={frames}\nimWidth=20\nimHeight=10\n"
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nimDir=img1\n{about}")
    return folder


def otb(folder: Path, *rows: str, frames: int = 3) -> Path:
    pictures(folder / "img", *(f"{i:04d}.jpg" for i in range(1, frames + 1)))
    (folder / "groundtruth_rect.txt").write_text("\n".join(rows) + "\n")
    return folder


def yolo(folder: Path, labels: dict[str, str | None], *, names: str = "[cat, dog]") -> Path:
    """Pictures of 200 x 100 in images/val with these lines; None: no file of labels."""
    write_pictures(folder / "images" / "val", labels)
    (folder / "labels" / "val").mkdir(parents=True, exist_ok=True)
    for name, lines in labels.items():
        if lines is not None:
            (folder / "labels" / "val" / name).with_suffix(".txt").write_text(lines)
    (folder / "data.yaml").write_text(f"val: images/val\nnames: {names}\n")
    return folder


def voc(folder: Path, objects: dict[str, Sequence[str]], *, lists: dict[str, str]) -> Path:
    """Pictures of 200 x 100 with these objects (``voc_object``), and lists of splits."""
    write_pictures(folder / "JPEGImages", objects)
    for place in ("Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    for name, elements in objects.items():
        text = f"<annotation>\n<filename>{name}</filename>\n{''.join(elements)}</annotation>\n"
        (folder / "Annotations" / name).with_suffix(".xml").write_text(text)
    for name, stems in lists.items():
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text(stems)
    return folder


def voc_object(name: str, *corners: float, difficult: int = 0) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value:g}</{side}>" for side, value in sides)
    return (
        f"<object><name>{name}</name><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
        f"<difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>\n"
    )


def write_pictures(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (200, 100), (number, 0, 0)).save(folder / name)


def idx(folder: Path, classes: Sequence[int], *, split: str = "t10k", packed: bool = True) -> Path:
    """MNIST's format: picture n has 4 x 8 pixels, of level 10 n and the number of the column."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(classes).to_bytes(4, "big")
    levels = bytes(
        (10 * n + column) % 256
        for n in range(len(classes))
        for _ in range(4)
        for column in range(8)
    )
    sides = count + (4).to_bytes(4, "big") + (8).to_bytes(4, "big")
    for name, content in {
        "images-idx3": b"\x00\x00\x08\x03" + sides + levels,
        "labels-idx1": b"\x00\x00\x08\x01" + count + bytes(classes),
    }.items():
        ending = ".gz" if packed else ""
        file = folder / f"{split}-{name}-ubyte{ending}"
        file.write_bytes(gzip.compress(content) if packed else content)
    return folder

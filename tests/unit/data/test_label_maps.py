"""PNG label maps: which are a picture's, how their classes are read, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from piyard.core.errors import WrongInput
from piyard.data.formats import open_data, recognise_data
from piyard.data.label_maps import read_label_map
from piyard.data.request import DataRequest
from piyard.data.summary import summarise_data


def picture(file: Path, size: tuple[int, int] = (6, 4)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 9, 9)).save(file)
    return file


def label_map(file: Path, values: np.ndarray | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    classes = np.zeros((4, 6), np.uint8) if values is None else values
    Image.fromarray(classes.astype(np.uint8)).save(file)
    return file


def opened(path: Path, split: str = ""):
    return open_data(DataRequest(path=path, kind="regions", split=split))


def test_maps_go_by_their_pictures_names(tmp_path):
    values = np.arange(24).reshape(4, 6)
    for name in ("a", "b"):
        picture(tmp_path / "images" / f"{name}.jpg")
    label_map(tmp_path / "masks" / "a.png", values)
    assert recognise_data(tmp_path, "regions") == "masks"
    data = opened(tmp_path)
    ((path, truth),) = list(data)
    assert (path.name, data.format, data.kind) == ("a.jpg", "masks", "regions")
    assert np.array_equal(truth, values)
    (left,) = data.left_out
    assert [each.name for each in left.paths] == ["b.jpg"]


def test_vocs_palette_holds_the_classes(tmp_path):
    """Colours are for people; the index is the class, 255 the border."""
    indices = np.array([[0, 15], [255, 7]], np.uint8)
    coloured = Image.fromarray(indices, "P")
    coloured.putpalette([each for i in range(256) for each in (i, 255 - i, (7 * i) % 256)])
    (tmp_path / "SegmentationClass").mkdir()
    coloured.save(tmp_path / "SegmentationClass" / "1.png")
    assert read_label_map(tmp_path / "SegmentationClass" / "1.png").tolist() == indices.tolist()


def test_vocs_lists_are_splits(tmp_path):
    for name in ("1", "2", "3"):
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
        label_map(tmp_path / "SegmentationClass" / f"{name}.png")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("1\n2\n")
    (lists / "val.txt").write_text("3\n")
    assert [path.name for path in opened(tmp_path).pictures] == ["3.jpg"]
    assert len(opened(tmp_path, "train").pictures) == 2


def test_folders_are_splits(tmp_path):
    for split in ("train", "val"):
        picture(tmp_path / "images" / split / f"{split}.jpg")
        label_map(tmp_path / "masks" / split / f"{split}.png")
    data = opened(tmp_path)
    assert (data.split, [path.name for path in data.pictures]) == ("val", ["val.jpg"])


def test_a_summary_counts_pictures_a_class(tmp_path):
    for name, value in (("a", 1), ("b", 1), ("c", 0)):
        picture(tmp_path / "images" / f"{name}.jpg")
        values = np.full((4, 6), value)
        values[0, 0] = 255
        label_map(tmp_path / "masks" / f"{name}.png", values)
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    assert summarise_data(opened(tmp_path)).objects == {"road": 2, "sky": 1}


def test_colours_are_no_classes(tmp_path):
    picture(tmp_path / "masks" / "a.png")
    with pytest.raises(WrongInput, match="has colours"):
        read_label_map(tmp_path / "masks" / "a.png")
    (tmp_path / "masks" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(WrongInput, match="cannot be read"):
        read_label_map(tmp_path / "masks" / "a.png")


def test_maps_of_other_names_are_refused(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    label_map(tmp_path / "masks" / "b.png")
    with pytest.raises(WrongInput, match="no picture of"):
        opened(tmp_path)

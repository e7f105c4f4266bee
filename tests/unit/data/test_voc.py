"""Pascal VOC's data sets: pixels from 1, difficult objects, splits, and files that are none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet
from piyard.data.request import DataRequest
from piyard.data.voc import is_voc, read_voc
from tests.support.data_sets import voc, voc_object, write_pictures

CAT, DOG = voc_object("cat", 1, 1, 20, 10), voc_object("dog", 11, 21, 200, 100, difficult=1)


def read(path: Path, **more: Any) -> DataSet:
    return read_voc(DataRequest(path=path, **more))


def broken(folder: Path, text: str) -> Path:
    voc(folder, {"a.jpg": [CAT]}, lists={})
    (folder / "Annotations" / "a.xml").write_text(text)
    return folder


def test_pixels_are_counted_from_1_and_the_last_ones_belong_to_a_box(tmp_path: Path) -> None:
    data = read(voc(tmp_path, {"a.jpg": [CAT, DOG], "b.jpg": []}, lists={}))
    ((_, (cat, dog)), (_, nothing)) = list(data)
    assert data.classes == ["cat", "dog"]
    assert (cat.box, cat.area, cat.difficult) == ((0, 0, 20, 10), 200, False)
    assert (dog.box, dog.size, dog.difficult) == ((10, 20, 200, 100), (190, 80), True)
    assert nothing == []


def test_a_split_has_the_pictures_of_its_list_and_the_classes_of_all(tmp_path: Path) -> None:
    lists = {"train": "b\n", "val": "a\na\n\n", "cat_val": "a 1\nb -1\n"}
    folder = voc(tmp_path, {"a.jpg": [CAT], "b.jpg": [DOG]}, lists=lists)
    val, train = read(folder), read(folder, split="train")
    assert [path.name for path in val.pictures] == ["a.jpg"]
    assert [path.name for path in train.pictures] == ["b.jpg"]
    assert (val.split, list(val.splits)) == ("val", ["train", "val"])
    assert val.classes == train.classes == ["cat", "dog"]


def test_what_a_list_names_and_is_not_there_is_left_out(tmp_path: Path) -> None:
    lists = {"val": "a\nb\nc\nd\n"}
    folder = voc(tmp_path, {"a.jpg": [CAT], "b.jpg": [CAT]}, lists=lists)
    (folder / "JPEGImages" / "b.jpg").unlink()
    write_pictures(folder / "JPEGImages", ["c.jpg", "unlisted.jpg"])
    data = read(folder)
    assert [path.name for path in data.pictures] == ["a.jpg"]
    reasons = {group.reason: [path.stem for path in group.paths] for group in data.left_out}
    assert reasons == {
        "of annotations without a picture": ["b"],
        "without an XML file": ["c"],
        "in the list and not there": ["d"],
    }


def test_files_beside_the_pictures_of_a_split(tmp_path: Path) -> None:
    for split, element in (("train", DOG), ("valid", CAT)):
        write_pictures(tmp_path / split, ["a.jpg"])
        (tmp_path / split / "a.xml").write_text(f"<annotation>{element}</annotation>")
    assert is_voc(tmp_path)
    data = read(tmp_path)
    assert (data.split, data.classes) == ("valid", ["cat", "dog"])
    assert data.pictures == [tmp_path / "valid" / "a.jpg"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.xml:1: "),
        ("<annotation>\n<object>\n", "a.xml:3: "),
        ("<svg/>", "holds <svg>, not <annotation>"),
        ("<annotation><object><name> </name></object></annotation>", "object 1 has no name"),
        ("<annotation><object><name>cat</name></object></annotation>", "object 1 has no bndbox"),
        (f"<annotation>{CAT}{voc_object('cat', 9, 1, 2, 3)}</annotation>", "object 2 has a box"),
        (f"<annotation>{voc_object('cat', 9, 1, float('inf'), 3)}</annotation>", "has a box"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>', "declares types"),
    ],
)
def test_what_is_no_annotation(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(WrongInput, match=re.escape(words)) as error:
        read(broken(tmp_path, text))
    assert "a.xml" in error.value.what


def test_pictures_that_cannot_be_told_apart_or_are_not_there(tmp_path: Path) -> None:
    folder = voc(tmp_path / "two", {"a.jpg": [CAT]}, lists={})
    write_pictures(folder / "JPEGImages", ["a.png"])
    with pytest.raises(WrongInput, match=r"would both be the picture of a\.xml"):
        read(folder)
    folder = voc(tmp_path / "other", {"a.jpg": [CAT]}, lists={})
    (folder / "JPEGImages" / "a.jpg").rename(folder / "JPEGImages" / "b.jpg")
    with pytest.raises(WrongInput, match="no picture has an XML file of its name"):
        read(folder)
    (folder / "JPEGImages" / "b.jpg").unlink()
    with pytest.raises(WrongInput, match="holds no pictures"):
        read(folder)


def test_folders_in_the_place_of_files(tmp_path: Path) -> None:
    folder = voc(tmp_path, {"a.jpg": [CAT]}, lists={})
    (folder / "ImageSets" / "Main" / "val.txt").mkdir()
    with pytest.raises(WrongInput, match=r"val\.txt cannot be read"):
        read(folder)
    (folder / "ImageSets" / "Main" / "val.txt").rmdir()
    (folder / "Annotations" / "Z.xml").mkdir()
    with pytest.raises(WrongInput, match=r"Z\.xml cannot be read"):
        read(folder)
    (tmp_path / "other" / "a.xml").mkdir(parents=True)
    assert not is_voc(tmp_path / "other")

"""Which format a folder has, which of its splits is taken, and what a summary says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from piyard.cli.data_sets import show_data
from piyard.cli.desk_requests import DataQuery
from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet
from piyard.data.formats import open_data, recognise_data
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split
from piyard.data.summary import summarise_data
from piyard.vision.tasks.base import TruthKind
from tests.support.data_sets import (
    box,
    idx,
    listed,
    mot,
    otb,
    pictures,
    scene,
    voc,
    voc_object,
    write_pictures,
    yolo,
)

BOX = "0 0.5 0.5 0.2 0.4\n"
MAKERS: dict[str, Callable[[Path], Path]] = {
    "imagenet": lambda folder: pictures(folder / "cat", "a.jpg")[0].parent.parent,
    "yolo": lambda folder: yolo(folder, {"a.jpg": BOX}),
    "coco": lambda folder: scene(folder, ["a.jpg"], [box(1, 100, 17, 0, 0, 5, 5)]),
    "voc": lambda folder: voc(folder, {"a.jpg": [voc_object("cat", 1, 1, 9, 9)]}, lists={}),
    "idx": lambda folder: idx(folder, [0, 1]),
    "mot": lambda folder: mot(folder, ["1,1,1,1,5,5,1,1,1.0"]),
    "otb": lambda folder: otb(folder, "1,1,2,2", "1,1,2,2", "1,1,2,2"),
}


def opened(path: Path, form: str = "", **more: Any) -> DataSet:
    return open_data(DataRequest(path=path, **more), form)


@pytest.mark.parametrize("form", MAKERS)
def test_each_format_is_recognised_and_yields_pictures_with_their_truth(
    tmp_path: Path, form: str
) -> None:
    path = MAKERS[form](tmp_path / "data")
    assert recognise_data(path) == form
    data = opened(path)
    assert [picture for picture, _ in data] == data.pictures
    assert data.pictures
    assert sum(summarise_data(data).objects.values()) > 0


def test_where_two_would_do_it_is_asked(tmp_path: Path) -> None:
    path = MAKERS["coco"](MAKERS["yolo"](tmp_path / "data"))
    with pytest.raises(WrongInput, match="may be a data set of 2 formats: yolo, coco") as error:
        opened(path)
    assert error.value.remedy == "say which: --data-format yolo"
    assert opened(path, "coco").format == "coco"
    assert opened(path, "yolo").format == "yolo"


def test_of_two_the_one_with_the_truth_that_is_needed(tmp_path: Path) -> None:
    path = MAKERS["mot"](MAKERS["yolo"](tmp_path / "data"))
    kinds: dict[TruthKind, str] = {"box": "yolo", "tracks": "mot"}
    assert {kind: recognise_data(path, kind) for kind in kinds} == kinds


def test_the_folder_above_one_names_it(tmp_path: Path) -> None:
    MAKERS["voc"](tmp_path / "VOCdevkit" / "VOC2012")
    with pytest.raises(WrongInput, match=r"not a data set, but VOC2012 in it is one \(voc\)"):
        opened(tmp_path / "VOCdevkit")


def test_truth_that_a_format_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="format voc, which has boxes of objects; what is needed"):
        opened(MAKERS["voc"](tmp_path / "data"), kind="keypoints")


@pytest.mark.parametrize(
    ("split", "names", "chosen"),
    [
        ("", ["train", "val", "test"], "val"),
        ("", ["train", "test"], "test"),
        ("", ["train"], "train"),
        ("", ["train2017", "val2017"], "val2017"),
        ("", [], ""),
        ("val", ["train", "valid"], "valid"),
        ("validation", ["train", "val"], "val"),
        ("trainval", ["train", "trainval", "val"], "trainval"),
        ("train", ["train2017", "val2017"], "train2017"),
    ],
)
def test_the_split_that_is_taken(split: str, names: list[str], chosen: str) -> None:
    assert choose_split(split, names, Path("x")) == chosen


@pytest.mark.parametrize(
    ("split", "names", "words"),
    [
        ("val", [], "x has no split val"),
        ("val", ["train"], "x has no split val"),
        ("", ["a", "b"], "x has 2 splits"),
        ("", ["val2014", "val2017"], "x has 2 splits val"),
    ],
)
def test_a_split_that_cannot_be_told(split: str, names: list[str], words: str) -> None:
    with pytest.raises(WrongInput, match=words):
        choose_split(split, names, Path("x"))


class TestClassFolders:
    def test_of_splits_val_and_the_classes_of_all(self, tmp_path: Path) -> None:
        write_pictures(tmp_path / "train" / "ant", ["a.jpg"])
        write_pictures(tmp_path / "train" / "cat", ["b.jpg"])
        write_pictures(tmp_path / "val" / "cat", ["c.jpg"])
        val, train = opened(tmp_path), opened(tmp_path, split="train")
        assert (val.split, val.classes, list(val)) == (
            "val",
            ["ant", "cat"],
            [(tmp_path / "val" / "cat" / "c.jpg", 1)],
        )
        assert [class_ for _, class_ in train] == [0, 1]

    def test_a_class_that_is_called_as_a_split(self, tmp_path: Path) -> None:
        for name in ("test", "cat"):
            write_pictures(tmp_path / name, ["a.jpg"])
        assert opened(tmp_path).classes == ["cat", "test"]

    def test_a_list_is_not_divided(self, tmp_path: Path) -> None:
        pictures(tmp_path, "a.jpg")
        with pytest.raises(WrongInput, match="has no split val"):
            opened(listed(tmp_path, "a.jpg,0,n"), split="val")


class TestCocoSplits:
    def divided(self, folder: Path, *names: str) -> Path:
        for name in names:
            result = scene(folder / "made", [f"{name}.jpg"], [box(1, 100, 17, 0, 0, 5, 5)])
            file = folder / "annotations" / f"instances_{name}.json"
            file.parent.mkdir(exist_ok=True)
            shutil.move(result / "annotations" / "instances_val2017.json", file)
            shutil.move(result / "val2017", folder / name)
            shutil.rmtree(result)
        return folder

    def test_val_comes_before_train(self, tmp_path: Path) -> None:
        path = self.divided(tmp_path, "train2017", "val2017")
        assert [opened(path).split, opened(path, split="train").split] == ["val2017", "train2017"]
        assert opened(path).splits == ["train2017", "val2017"]

    def test_parts_are_asked_for(self, tmp_path: Path) -> None:
        path = self.divided(tmp_path, "part1", "part2")
        with pytest.raises(WrongInput, match="2 splits whose pictures are all there") as error:
            opened(path)
        assert error.value.remedy == "--split: part1, part2"
        data = opened(path, split="part2")
        assert [picture.name for picture in data.pictures] == ["part2.jpg"]
        with pytest.raises(WrongInput, match="has no split part3"):
            opened(path, split="part3")

    def test_a_json_in_the_folder_of_a_split(self, tmp_path: Path) -> None:
        for split in ("train", "valid"):
            result = scene(tmp_path / "made", [f"{split}.jpg"], [box(1, 100, 17, 0, 0, 5, 5)])
            shutil.move(result / "val2017", tmp_path / split)
            file = result / "annotations" / "instances_val2017.json"
            shutil.move(file, tmp_path / split / "_annotations.coco.json")
            shutil.rmtree(result)
        assert recognise_data(tmp_path) == "coco"
        assert opened(tmp_path).pictures == [tmp_path / "valid" / "valid.jpg"]
        assert opened(tmp_path, split="train").split == "train"

    def test_names_that_lead_elsewhere_are_looked_for_within(self, tmp_path: Path) -> None:
        path = scene(tmp_path, ["a.jpg", "b.jpg"], [box(1, 100, 17, 0, 0, 5, 5)])
        file = path / "annotations" / "instances_val2017.json"
        content = json.loads(file.read_text())
        content["images"][0]["file_name"] = "/home/somebody/a.jpg"
        content["images"][1]["file_name"] = "..\\..\\pictures\\b.jpg"
        file.write_text(json.dumps(content))
        assert opened(path).pictures == [path / "val2017" / name for name in ("b.jpg", "a.jpg")]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"category_id": 7}, "no category has its category_id 7"),
            ({"bbox": [0, 0, -5, 5]}, "negative side"),
        ],
    )
    def test_annotations_that_cannot_be_judged(
        self, tmp_path: Path, change: dict[str, Any], words: str
    ) -> None:
        path = scene(tmp_path, ["a.jpg"], [box(1, 100, 17, 0, 0, 5, 5) | change])
        with pytest.raises(WrongInput, match="annotation 1 ") as error:
            opened(path)
        assert words in error.value.evidence

    def test_annotations_of_no_picture_are_counted(self, tmp_path: Path) -> None:
        rows = [box(1, 100, 17, 0, 0, 5, 5), box(2, 7, 17, 0, 0, 5, 5)]
        assert opened(scene(tmp_path, ["a.jpg"], rows)).detail == (
            ", 1 annotation of no listed picture"
        )


class TestClips:
    def test_sequences_of_a_split(self, tmp_path: Path) -> None:
        mot(tmp_path / "train" / "a", ["1,1,1,1,5,5,1,1,1.0"])
        (tmp_path / "test" / "b" / "img1").mkdir(parents=True)
        data = opened(tmp_path)
        assert (data.format, data.split, list(data.splits)) == ("mot", "train", ["train"])
        assert [len(truth) for _, truth in data] == [1, 0, 0]

    def test_several_sequences_of_one_object(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            otb(tmp_path / name, "1,1,2,2", "2,1,2,2", frames=2)
        data = opened(tmp_path)
        assert [len(film.pictures) for film in data.films] == [2, 2]
        assert [truth[0] for _, truth in data] == [0, 1, 0, 1]


class TestSummary:
    def show(self, capsys: pytest.CaptureFixture[str], path: Path, **more: Any) -> str:
        show_data(DataQuery.parse({"data": str(path), **more}))
        return capsys.readouterr().out

    def data(self, folder: Path) -> Path:
        objects = [voc_object("cat", 1, 1, 9, 9), voc_object("dog", 1, 1, 9, 9, difficult=1)]
        voc(folder, {"a.jpg": objects, "b.jpg": [], "c.jpg": objects[:1]}, lists={})
        (folder / "JPEGImages" / "c.jpg").write_bytes(b"\xff\xd8\xff")
        write_pictures(folder / "JPEGImages", ["d.jpg"])
        return folder

    def test_for_people(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = self.show(capsys, self.data(tmp_path / "mine"), format="plain").splitlines()
        assert dict(line.split("  ", 1) for line in lines if not line.startswith("-")) == {
            "Data set": "mine",
            "Format": "  voc",
            "Split": "   all",
            "Truth": "   boxes of objects",
            "Pictures": "3",
            "Objects": " 2",
            "Classes": " 2 (cat 1, dog 1)",
            "Notes": "   1 without an object; 1 that do not count",
            "Left out": (
                "1 file without an XML file (1 .jpg, for example JPEGImages/d.jpg); "
                "1 file damaged (1 .jpg, for example JPEGImages/c.jpg)"
            ),
        }

    def test_for_programs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (row,) = json.loads(self.show(capsys, self.data(tmp_path / "mine"), format="json"))
        assert row["classes"] == [["cat", 1], ["dog", 1]]
        assert (row["format"], row["pictures"], row["objects"], row["ignored"]) == ("voc", 3, 2, 1)
        assert len(row["left_out"]) == 2

    def test_a_limit_and_lines_that_stand_twice(self, tmp_path: Path) -> None:
        path = yolo(tmp_path, {f"{i}.jpg": BOX * 2 for i in range(4)})
        summary = summarise_data(opened(path).take(2))
        assert sum(summary.objects.values()) == 2
        assert summary.notes == ["2 repeated lines"]

"""YOLO's data sets: what a data.yaml and a line may say, and each refusal by file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from piyard.core.errors import WrongInput
from piyard.data.dataset import Annotation, DataSet
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.data.yolo import label_file, read_yolo
from tests.support.data_sets import write_pictures, yolo

BOX = "1 0.5 0.5 0.2 0.4\n"


def read(path: Path, **more: Any) -> DataSet:
    return read_yolo(DataRequest(path=path, **more))


def objects(path: Path, **more: Any) -> list[Annotation]:
    return [each for _, truth in read(path, **more) for each in truth]


def data_yaml(folder: Path, text: str) -> Path:
    (folder / "data.yaml").write_text(text)
    return folder


class TestLines:
    def test_a_box_is_shares_of_the_picture(self, tmp_path: Path) -> None:
        (single,) = objects(yolo(tmp_path, {"a.jpg": BOX}))
        assert single.box == pytest.approx((80, 30, 120, 70))
        assert single.area == pytest.approx(1600)
        assert single.class_ == 1

    def test_a_picture_that_lies_on_its_side(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path, {"a.jpg": BOX})
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (200, 100)).save(folder / "images" / "val" / "a.jpg", exif=exif)
        (single,) = objects(folder)
        assert single.box == pytest.approx((40, 60, 60, 140))

    def test_an_outline_is_a_box_too(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path, {"a.jpg": "0 0.1 0.2 0.3 0.2 0.3 0.6"})
        (around,), (outlined,) = (objects(folder, kind=kind) for kind in ("box", "outline"))
        assert around.box == outlined.box == pytest.approx((20, 20, 60, 60))
        assert outlined.outline == [pytest.approx([20, 20, 60, 20, 60, 60])]
        assert outlined.area == pytest.approx(800)

    def test_four_corners(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path, {"a.jpg": "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5"})
        (turned,) = objects(folder)
        assert turned.corners == pytest.approx((100, 10, 180, 50, 100, 90, 20, 50))
        assert turned.area == pytest.approx(160 * 80 / 2)

    @pytest.mark.parametrize(
        ("shape", "points", "seen"),
        [
            ("[2, 3]", "0.1 0.2 2 0 0 0", [2, 0]),
            ("[3, 2]", "0.1 0.2 0 0 0.5 -1", [2, 0, 0]),
        ],
    )
    def test_keypoints_of_two_or_three_numbers(
        self, tmp_path: Path, shape: str, points: str, seen: list[float]
    ) -> None:
        folder = yolo(tmp_path, {"a.jpg": f"{BOX.strip()} {points}"})
        data_yaml(folder, f"val: images/val\nnames: [cat, dog]\nkpt_shape: {shape}\n")
        (single,) = objects(folder)
        assert single.keypoints
        assert single.keypoints[0][:2] == pytest.approx((20, 20))
        assert [visible for *_, visible in single.keypoints] == seen
        assert single.area == pytest.approx(0.53 * 1600)

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("1 0.5 0.5 0.2", "3 numbers after the class"),
            ("1", "0 numbers after the class"),
            ("2 0.5 0.5 0.2 0.4", "class 2, and the classes are 0 to 1"),
            ("-1 0.5 0.5 0.2 0.4", "class -1, and"),
            ("0.5 0.5 0.5 0.2 0.4", "class 0.5, and"),
            ("nan 0.5 0.5 0.2 0.4", "class nan, and"),
            ("cat 0.5 0.5 0.2 0.4", "not a number"),
            ("1 0.5 0.5 0.2 inf", "not a number"),
            ("1 120 50 40 40", "not a share of the picture"),
            ("1 0.5 0.5 -0.2 0.4", "negative"),
        ],
    )
    def test_what_is_no_label_is_refused_by_its_line(
        self, tmp_path: Path, line: str, words: str
    ) -> None:
        data = read(yolo(tmp_path, {"a.jpg": f"{BOX}\n{line}\n"}), kind="box")
        with pytest.raises(WrongInput, match=re.escape(words)) as error:
            list(data)
        assert "labels/val/a.txt:3: " in error.value.what

    def test_a_box_where_an_outline_is_needed(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="the labels are boxes, and outlines are needed"):
            read(yolo(tmp_path, {"a.jpg": BOX}), kind="outline")
        mixed = yolo(tmp_path, {"a.jpg": f"0 0.1 0.1 0.2 0.2 0.3 0.1\n{BOX}"})
        with pytest.raises(WrongInput, match=r"a\.txt:2: a box, where an outline is needed"):
            list(read(mixed, kind="outline"))

    def test_corners_in_pixels(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match=r"a\.txt:1: a number is not a share"):
            objects(yolo(tmp_path, {"a.jpg": "0 10 10 90 10 90 50 10 50"}))

    def test_poses_without_kpt_shape(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="how many keypoints an object has is not known"):
            read(yolo(tmp_path, {"a.jpg": BOX}), kind="keypoints")

    def test_a_line_that_stands_twice_counts_once_and_is_counted(self, tmp_path: Path) -> None:
        data = read(yolo(tmp_path, {"a.jpg": f"{BOX}0 0.5 0.5 0.2 0.4\n{BOX}"}))
        ((_, truth),) = list(data)
        assert [each.class_ for each in truth] == [1, 0]
        assert data.films[0].truth.repeated == 1

    def test_labels_are_read_when_they_are_asked_for(self, tmp_path: Path) -> None:
        data = read(yolo(tmp_path, {"a.jpg": BOX, "b.jpg": "broken"}))
        _, truth = next(iter(data))
        assert len(truth) == 1


class TestYaml:
    @pytest.mark.parametrize(
        "names", ["[cat, dog]", "{0: cat, 1: dog}", '{"1": dog, "0": cat}', "\n- cat\n- dog"]
    )
    def test_names_in_a_list_or_by_number(self, tmp_path: Path, names: str) -> None:
        assert read(yolo(tmp_path, {"a.jpg": BOX}, names=names)).classes == ["cat", "dog"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("val: images/val\nnames: {0: cat, 2: dog}\n", "from 0 to 1"),
            ("val: images/val\nnames: [cat, no]\n", "class 1 reads as False"),
            ("val: images/val\nnames: cat\n", "not a list of classes"),
            ("val: images/val\nnames: []\n", "not a list of classes"),
            ("val: images/val\nnames: [cat, dog]\nnc: 3\n", "`nc` is 3, and `names` has 2"),
            ("val: images/val\nnc: 2\n", "has no `names`"),
            ("names: [cat, dog]\n", "names no pictures"),
            ("- val\n", "is not a data.yaml"),
            ("val: 7\nnames: [cat, dog]\n", "`val` is not a path"),
            ("val: []\nnames: [cat, dog]\n", "`val` is not a path"),
            ("val: images/other\nnames: [cat, dog]\n", "is not there"),
            ("val: ../elsewhere\nnames: [cat, dog]\n", "leads out of"),
            ("path: ..\nval: images/val\nnames: [cat, dog]\n", "not a folder within"),
            ("path: /no/such\nval: images/val\nnames: [cat, dog]\n", "not on this machine"),
            ("path: [a]\nval: images/val\nnames: [cat, dog]\n", "`path` is not a folder"),
            ("path: 5\nval: images/val\nnames: [cat, dog]\n", "`path` is not a folder"),
            ("val: images/val\nnames: [cat, dog]\nkpt_shape: [17]\n", "`kpt_shape` is [17]"),
            ("val: !!python/object:os.system x\nnames: [a]\n", "a tag (!)"),
            ("val: images/val\nnames: [cat, dog\n", "data.yaml:3"),
        ],
    )
    def test_what_it_may_not_say(self, tmp_path: Path, text: str, words: str) -> None:
        folder = data_yaml(yolo(tmp_path, {"a.jpg": BOX}), text)
        with pytest.raises(WrongInput, match=re.escape(words)) as error:
            read(folder)
        assert "data.yaml" in error.value.what

    @pytest.mark.parametrize(
        "value", ["images/val", "../images/val", r"images\val", "[images/val]", "val.txt"]
    )
    def test_pictures_are_in_folders_or_lists(self, tmp_path: Path, value: str) -> None:
        folder = yolo(tmp_path, {"a.jpg": BOX})
        (folder / "val.txt").write_text("./images/val/a.jpg\n\n./images/val/gone.jpg\n")
        data = read(data_yaml(folder, f"val: {value}\nnames: [cat, dog]\n"))
        assert [path.name for path in data.pictures] == ["a.jpg"]
        assert [group.text(folder) for group in data.left_out] == (
            ["1 file in the list and not there (1 .jpg, for example images/val/gone.jpg)"]
            if value == "val.txt"
            else []
        )

    def test_a_list_that_leads_out(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path / "in", {"a.jpg": BOX})
        (folder / "val.txt").write_text("./images/val/a.jpg\n../../etc/passwd\n")
        with pytest.raises(WrongInput, match=r"val\.txt:2: \.\./\.\./etc/passwd leads out of"):
            read(data_yaml(folder, "val: val.txt\nnames: [cat, dog]\n"))

    def test_an_absolute_path_that_is_there(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path / "pictures", {"a.jpg": BOX})
        text = f"path: {folder}\nval: images/val\nnames: [cat, dog]\n"
        (tmp_path / "mine.yaml").write_text(text)
        assert len(objects(tmp_path / "mine.yaml")) == 1

    def test_a_path_that_is_its_own_folders_name(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path / "coco8", {"a.jpg": BOX})
        data_yaml(folder, "path: coco8\nval: images/val\nnames: [cat, dog]\ndownload: rm -rf /\n")
        assert len(objects(folder)) == 1

    def test_several_files_are_not_chosen_among(self, tmp_path: Path) -> None:
        folder = yolo(tmp_path, {"a.jpg": BOX})
        (folder / "data.yaml").rename(folder / "one.yaml")
        assert len(objects(folder)) == 1
        (folder / "two.yaml").write_text((folder / "one.yaml").read_text())
        with pytest.raises(WrongInput, match="has 2 YAML files of data"):
            read(folder)
        for name in ("one.yaml", "two.yaml"):
            (folder / name).unlink()
        with pytest.raises(WrongInput, match=r"no data\.yaml, so what the classes are called"):
            read(folder)


class TestNamesWithoutYaml:
    """As LabelImg, Label Studio and CVAT write them."""

    @pytest.mark.parametrize("name", ["classes.txt", "obj.names", "labels/classes.txt"])
    @pytest.mark.parametrize("split", ["", "val"])
    def test_images_and_labels(self, tmp_path: Path, name: str, split: str) -> None:
        write_pictures(tmp_path / "images" / split, ["a.jpg"])
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / "a.txt").write_text(BOX)
        (tmp_path / name).write_text("cat\ndog\n")
        data = open_data(DataRequest(path=tmp_path))
        ((_, (dog,)),) = list(data)
        assert (data.format, data.split, data.classes[dog.class_]) == ("yolo", split, "dog")
        assert data.left_out == []

    @pytest.mark.parametrize(("name", "folder"), [("classes.txt", "."), ("obj.names", "data")])
    def test_labels_beside_the_pictures(self, tmp_path: Path, name: str, folder: str) -> None:
        write_pictures(tmp_path / folder, ["a.jpg"])
        (tmp_path / folder / "a.txt").write_text(BOX)
        (tmp_path / name).write_text("cat\ndog\n")
        data = open_data(DataRequest(path=tmp_path))
        assert [len(truth) for _, truth in data] == [1]
        with pytest.raises(WrongInput, match="has no split val"):
            open_data(DataRequest(path=tmp_path, split="val"))

    def test_a_list_of_names_beside_class_folders_is_no_yolo(self, tmp_path: Path) -> None:
        write_pictures(tmp_path / "cat", ["a.jpg"])
        (tmp_path / "classes.txt").write_text("cat\ndog\n")
        assert open_data(DataRequest(path=tmp_path)).format == "imagenet"


class TestSplits:
    def two(self, folder: Path) -> Path:
        yolo(folder, {"a.jpg": BOX})
        write_pictures(folder / "images" / "test", ["b.jpg"])
        (folder / "labels" / "test").mkdir()
        (folder / "labels" / "test" / "b.txt").write_text(BOX * 2)
        return data_yaml(
            folder, "train: images/none\nval: images/val\ntest: images/test\nnames: [cat, dog]\n"
        )

    def test_val_unless_another_is_asked_for(self, tmp_path: Path) -> None:
        folder = self.two(tmp_path)
        assert [path.name for path in read(folder).pictures] == ["a.jpg"]
        other = read(folder, split="test")
        assert ([path.name for path in other.pictures], other.split) == (["b.jpg"], "test")
        assert read(folder, split="valid").split == "val"

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="has no split fold1") as error:
            read(self.two(tmp_path), split="fold1")
        assert "test, train, val" in error.value.remedy
        with pytest.raises(WrongInput, match="what `download` says is not run"):
            read(self.two(tmp_path / "x"), split="train")


def test_pictures_without_labels_are_counted(tmp_path: Path) -> None:
    data = read(yolo(tmp_path, {"a.jpg": BOX, "b.jpg": None, "c.jpg": ""}))
    assert data.label_detail == ", 1 without a file of labels"
    assert data.take(1).label_detail == ""
    assert [len(truth) for _, truth in data] == [1, 0, 0]
    with pytest.raises(WrongInput, match="none of the 1 pictures has a file of labels"):
        read(yolo(tmp_path / "none", {"a.jpg": None}))


def test_labels_without_pictures_are_left_out(tmp_path: Path) -> None:
    folder = yolo(tmp_path, {"a.jpg": BOX})
    for name in ("gone.txt", "classes.txt"):
        (folder / "labels" / "val" / name).write_text(BOX)
    (folder / "images" / "val" / "x.heic").write_bytes(b"x")
    texts = [group.text(folder).partition(" (")[0] for group in read(folder).left_out]
    assert texts == ["1 file of a format that is not read", "1 file of labels without a picture"]


@pytest.mark.parametrize(
    ("picture", "labels"),
    [
        ("/d/images/val/a.jpg", "/d/labels/val/a.txt"),
        ("/d/val/images/a.b.jpg", "/d/val/labels/a.b.txt"),
        ("/d/images/x/images/a.png", "/d/images/x/labels/a.txt"),
        ("/d/val/a.jpg", "/d/val/a.txt"),
        ("/images/d/a.jpg", "/images/d/a.txt"),
    ],
)
def test_where_labels_are(picture: str, labels: str) -> None:
    root = Path("/images/d" if picture.startswith("/images") else "/d")
    assert label_file(Path(picture), root) == Path(labels)

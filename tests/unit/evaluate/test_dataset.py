"""Data whose truth is known: recognised, read, refused in one line, and named by size."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.core.labels import normalize_name
from piyard.data.dataset import spread_pictures
from piyard.data.formats import DATA_FORMAT_NAMES, open_data, recognise_data
from piyard.data.mot import read_mot
from piyard.data.request import DataRequest
from piyard.evaluate.dataset import JudgedData, read_dataset
from piyard.models.definition import load_model
from tests.support.data_sets import box, edit, listed, mot, otb, pictures, scene, yolo

LABELS = ["tench", "goldfish", "great_white_shark"]


def read(path: Path, name: str, form: str = "", **more: Any) -> JudgedData:
    rules = load_model(name)
    labels = ["cat", "dog", "person"] if rules.task in {"detect", "segment"} else LABELS
    return read_dataset(path, rules, labels, form, **more)


def read_classes(path: Path, labels: Sequence[str]) -> JudgedData:
    return read_dataset(path, load_model("squeezenet1_1"), labels)


def read_objects(path: Path, labels: Sequence[str], model: str = "yolov8_n") -> JudgedData:
    return read_dataset(path, load_model(model), labels)


def names_left_out(data: JudgedData) -> set[str]:
    return {path.name for group in data.left_out for path in group.paths}


class TestImagenet:
    def test_a_list_beside_or_above_the_pictures(self, tmp_path: Path) -> None:
        a, b = pictures(tmp_path / "images", "a.jpg", "b.jpg")
        (c,) = pictures(tmp_path, "c.jpg")
        classes = read_classes(listed(tmp_path, "a.jpg,2,n1", "c.jpg,0,n2", "b.jpg,1,n3"), LABELS)
        assert classes.films[0].truth == {a: 2, c: 0, b: 1}

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("b.jpg,3,n1", "class 3 of a model that knows 3"),
            ("a.jpg,-1,n1", "is not file,index"),
            ("a.jpg,one,n1", "is not file,index"),
            (",1,n1", "is not file,index"),
            ("z.jpg,1,n1", "no such picture: z.jpg"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path: Path, row: str, words: str) -> None:
        pictures(tmp_path, "a.jpg", "b.jpg")
        with pytest.raises(WrongInput) as error:
            read_classes(listed(tmp_path, "a.jpg,0,n0", row), LABELS)
        assert words in error.value.what
        assert "labels.csv:3" in error.value.what

    def test_an_empty_list(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="lists no picture"):
            read_classes(listed(tmp_path), LABELS)

    @pytest.mark.parametrize(
        ("names", "truth"),
        [
            (["Great White Shark", "tench"], {"Great White Shark": 2, "tench": 0}),
            (["2", "0"], {"2": 2, "0": 0}),
            (["n03", "n01", "n02"], {"n01": 0, "n02": 1, "n03": 2}),
            (["00000002", "0"], {"00000002": 2, "0": 0}),
        ],
    )
    def test_folders(self, tmp_path: Path, names: list[str], truth: dict[str, int]) -> None:
        for name in names:
            pictures(tmp_path / name, "a.jpg")
        classes = read_classes(tmp_path, LABELS)
        assert {path.parent.name: index for path, index in classes.films[0].truth.items()} == truth

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["n01"], "'n01' is the first of the 1 folders of"),
            # As many folders as classes: they were taken in the order of the alphabet once.
            (["tench", "goldfish", "shark"], "'shark' is the first of the 3 folders"),
            (["goldfsh", "great white shark", "tench"], "did you mean 'goldfish'"),
            (["1", "2", "3"], "'1' is the first of the 3 folders"),
            (["0", "1", "tench"], "'0' is the first of the 3 folders"),
            (["a", "b", "c"], "'a' is the first of the 3 folders"),
            (["Tench", "TENCH"], "'TENCH' and 'Tench' are both of class 0"),
        ],
    )
    def test_folders_that_are_no_classes_are_refused_by_the_first(
        self, tmp_path: Path, names: list[str], words: str
    ) -> None:
        for name in names:
            pictures(tmp_path / name, "a.jpg")
        with pytest.raises(WrongInput, match=words):
            read_classes(tmp_path, LABELS)

    def test_numbers_never_mean_other_classes_than_names_do(self, tmp_path: Path) -> None:
        for name in ("0", "1"):
            pictures(tmp_path / name, "a.jpg")
        with pytest.raises(WrongInput, match="'0' is the first"):
            read_classes(tmp_path, ["1", "2", "3"])

    def test_composed_and_taken_apart_names_are_the_same(self, tmp_path: Path) -> None:
        names = ["Größe", "été"]
        for name in names:
            pictures(tmp_path / unicodedata.normalize("NFD", name), "a.jpg")
        classes = read_classes(tmp_path, names)
        assert {
            normalize_name(path.parent.name): i for path, i in classes.films[0].truth.items()
        } == {
            "Größe": 0,
            "été": 1,
        }

    def test_a_list_with_numbers_names_folders_by_either(self, tmp_path: Path) -> None:
        reference = ["n01440764 tench, Tinca tinca", "n01443537 goldfish, Carassius auratus"]
        for folder, names in (("a", ("n01443537",)), ("b", ("tench", "goldfish"))):
            for name in names:
                pictures(tmp_path / folder / name, "a.jpg")
        by_number, by_name = (read_classes(tmp_path / each, reference) for each in "ab")
        assert list(by_number.films[0].truth.values()) == [1]
        assert {path.parent.name: i for path, i in by_name.films[0].truth.items()} == {
            "tench": 0,
            "goldfish": 1,
        }

    def test_classes_and_pictures_that_are_not_judged_are_counted(self, tmp_path: Path) -> None:
        pictures(tmp_path / "tench", "a.jpg", "B.PNG", "c.bmp", "d.webp", "e.TIF", "f.gif")
        pictures(tmp_path / "tench" / "more", "g.jpg")
        (tmp_path / "tench" / "h.heic").write_bytes(b"x")
        (tmp_path / "goldfish").mkdir()
        (tmp_path / "goldfish" / "i.heic").write_bytes(b"x")
        pictures(tmp_path, "of no class.jpg")
        result = read(tmp_path, "squeezenet1_1")
        title = f"{tmp_path.name}, 7 pictures, 1 of 3 classes, 3 left out"
        assert result.title == title
        assert names_left_out(result) == {
            "h.heic",
            "i.heic",
            "of no class.jpg",
        }

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_lists_of_spreadsheets(self, tmp_path: Path, encoding: str, separator: str) -> None:
        (a,) = pictures(tmp_path, "a b.jpg")
        rows = [["File", " Index "], ['"a b.jpg"', " 2 "], ["", ""]]
        text = "\r\n".join(separator.join(row) for row in rows) + "\r\n\r\n"
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        assert read_classes(tmp_path, LABELS).films[0].truth == {a: 2}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a.jpg,0\n", "labels.csv:1: the heading"),
            ("file,index\na.jpg,0\na.jpg,1\n", "labels.csv:3: a.jpg is of class 1, and of class 0"),
            ("file,index,name\na.jpg,1,tench\n", "labels.csv:2: class 1 is 'goldfish' in the"),
        ],
    )
    def test_lists_that_do_not_fit(self, tmp_path: Path, text: str, words: str) -> None:
        pictures(tmp_path, "a.jpg")
        (tmp_path / "labels.csv").write_text(text)
        with pytest.raises(WrongInput, match=re.escape(words)):
            read_classes(tmp_path, LABELS)

    def test_pictures_that_no_line_lists_are_left_out(self, tmp_path: Path) -> None:
        pictures(tmp_path / "images", "a.jpg", "b.jpg", "c.bmp")
        classes = read_classes(listed(tmp_path, "a.jpg,0,n"), LABELS)
        assert names_left_out(classes) == {"b.jpg", "c.bmp"}


class TestCoco:
    def test_categories_are_met_by_name(self, tmp_path: Path) -> None:
        scene(tmp_path, ["b.jpg", "a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        objects = read_objects(tmp_path, ["person", "Dog", "cat"])
        assert objects.films[0].truth.category == {1: 1, 2: 0}
        assert objects.data.name == "COCO val2017"
        assert objects.detail == ""
        assert [path.name for path in objects.pictures] == ["a.jpg", "b.jpg"]
        ((_, empty), (_, (dog,))) = list(objects.data)
        assert (empty, objects.data.classes[dog.class_], dog.box) == ([], "dog", (0, 0, 5, 5))

    def test_a_model_that_knows_only_some_classes_says_so(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        assert read_objects(tmp_path, ["dog"]).detail == ", 1 of 2 classes"
        with pytest.raises(WrongInput, match="knows none of the 2 classes"):
            read_objects(tmp_path, ["tench"])

    def test_the_file_itself_may_be_named(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        file = tmp_path / "annotations" / "instances_val2017.json"
        assert len(read_objects(file, ["dog"]).pictures) == 1

    def test_a_part_of_the_pictures_beside_the_whole_json_is_judged_and_said(
        self, tmp_path: Path
    ) -> None:
        scene(tmp_path, ["a.jpg", "b.jpg", "c.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        (tmp_path / "val2017" / "b.jpg").unlink()
        pictures(tmp_path / "val2017", "other.webp")
        result = read(tmp_path, "yolov8_n")
        assert [path.name for path in result.pictures] == ["a.jpg", "c.jpg"]
        assert result.title == (
            "COCO val2017, 2 pictures of the 3 in instances_val2017.json, 1 left out"
        )
        for name in ("a.jpg", "c.jpg"):
            (tmp_path / "val2017" / name).unlink()
        with pytest.raises(WrongInput, match="none of the 3 pictures of"):
            read_objects(tmp_path, ["dog"])

    def test_of_several_files_the_one_whose_pictures_are_there(self, tmp_path: Path) -> None:
        rows = [box(1, 100, 18, 0, 0, 5, 5)]
        scene(tmp_path, ["b.jpg"], rows)
        whole = tmp_path / "annotations" / "instances_val2017.json"
        content = json.loads(whole.read_bytes())
        content["images"] = [{"id": 100 + i, "file_name": f"{i}.jpg"} for i in range(3)]
        train = whole.with_name("instances_train2017.json")
        train.write_text(json.dumps(content))
        assert read_objects(tmp_path, ["dog"]).data.files == [whole]
        pictures(tmp_path / "train2017", "1.jpg")
        shutil.rmtree(tmp_path / "val2017")
        objects = read_objects(tmp_path, ["dog"])
        assert (objects.data.files, objects.data.name) == ([train], "COCO train2017")
        assert objects.detail.startswith(" of the 3 in")

    @pytest.mark.parametrize(
        ("of", "words"),
        [
            ((17, 19), "'cat' is there 2 times, as 17 .1 annotations., 19 .1 annotations."),
            ((19,), ""),
        ],
    )
    def test_a_category_that_is_there_twice(
        self, tmp_path: Path, of: tuple[int, ...], words: str
    ) -> None:
        """Some exporters write a group of the same name, of which there is no annotation."""
        rows = [box(i, 100, category, 0, 0, 5, 5) for i, category in enumerate(of)]
        edit(scene(tmp_path, ["a.jpg"], rows), categories=[(17, "cat"), (18, "dog"), (19, "cat")])
        if words:
            with pytest.raises(WrongInput, match=words):
                read_objects(tmp_path, ["cat", "dog"])
        else:
            ((_, (cat,)),) = list(read_objects(tmp_path, ["cat", "dog"]).data)
            assert cat.class_ == 0

    def test_a_number_of_two_categories_or_pictures(self, tmp_path: Path) -> None:
        rows = [box(1, 100, 17, 0, 0, 5, 5)]
        edit(scene(tmp_path / "a", ["a.jpg"], rows), categories=[(17, "cat"), (17, "dog")])
        with pytest.raises(WrongInput, match="category 17 is both 'cat' and 'dog'"):
            read_objects(tmp_path / "a", ["cat"])
        for images, words in (
            ([(1, "a.jpg"), (1, "b.jpg")], "2 images have the number 1"),
            ([(1, "a.jpg"), (2, "a.jpg")], "2 images have the name a.jpg"),
        ):
            folder = tmp_path / str(images[1][0])
            edit(scene(folder, ["a.jpg"], [box(1, 1, 17, 0, 0, 5, 5)]), images=images)
            with pytest.raises(WrongInput, match=words):
                read_objects(folder, ["cat"])

    @pytest.mark.parametrize(
        ("broken", "words"),
        [
            ({"bbox": [1, 2, 3]}, "its bbox is not x,y,width,height"),
            ({"bbox": [1, 2, 3, "x"]}, "could not convert"),
            ({"image_id": None}, "int()"),
        ],
    )
    def test_an_annotation_that_cannot_be_judged(
        self, tmp_path: Path, broken: dict[str, Any], words: str
    ) -> None:
        rows = [box(1, 100, 17, 0, 0, 5, 5), box(2, 100, 17, 0, 0, 5, 5) | broken]
        with pytest.raises(WrongInput, match="annotation 2 ") as error:
            read_objects(scene(tmp_path, ["a.jpg"], rows), ["cat"])
        assert words in error.value.evidence

    def test_a_task_without_annotations_of_its_own(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        with pytest.raises(WrongInput, match="no COCO annotations with keypoints"):
            read_objects(tmp_path, [], "yolov8_n_pose")

    @pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"annotations": [{"bbox": []}]}'])
    def test_broken_json(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "instances_a.json").write_text(text)
        with pytest.raises(WrongInput):
            read_objects(tmp_path, ["dog"])


class TestSequences:
    def test_mot15_has_no_classes_and_mot17_has(self, tmp_path: Path) -> None:
        fifteen = mot(tmp_path / "a", ["1,1,1,1,5,5,1,4.4,5.5,0"])
        seventeen = mot(tmp_path / "b", ["1,1,1,1,5,5,1,7,1.0", "1,2,1,1,5,5,1,1,1.0"])
        (each,), (two,) = (read_mot(DataRequest(path=path)).films for path in (fifteen, seventeen))
        assert [truth.counts for truth in each.truth[1]] == [True]
        assert [truth.counts for truth in two.truth[1]] == [False, True]
        assert each.fps == 25

    def test_a_folder_of_sequences_is_judged_together(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            mot(tmp_path / "MOT" / name, ["1,1,1,1,5,5,1,1,1.0"], frames=2)
        result = read(tmp_path / "MOT", "yolov8_n_bytetrack")
        assert result.title == "MOT, 4 frames"
        assert all(film.ordered for film in result.films)

    def test_a_limit_takes_the_first_frames_and_their_truth(self, tmp_path: Path) -> None:
        lines = [f"{i},1,1,1,5,5,1,1,1.0" for i in (1, 2, 3)]
        result = read(mot(tmp_path / "a", lines), "yolov8_n_bytetrack", limit=2)
        assert result.title == "Street, 2 frames"
        assert sorted(result.films[0].truth) == [1, 2]

    def test_otb_begins_where_the_object_is(self, tmp_path: Path) -> None:
        result = read(otb(tmp_path / "Crossing", "3,4,5,6", "4 4 5 6", "5\t4\t5\t6"), "nanotrack")
        (film,) = result.films
        assert film.init == pytest.approx((2, 3, 5, 6))
        assert result.title == "Crossing, 3 frames"

    def test_more_boxes_than_frames(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="2 boxes for 1 frames"):
            read(otb(tmp_path / "x", "3,4,5,6", "3,4,5,6", frames=1), "nanotrack")


class TestFrameNumbers:
    """Which picture is which frame is said by the names, whatever they are counted from."""

    TRUTH = (1, 2, 3, 4, 12)

    def clip(
        self, folder: Path, names: Sequence[str], truth: Sequence[int], *, length: int = 0
    ) -> tuple[list[str], dict[int, list[int]], str]:
        """The pictures in order; place → the first box's left, which is the truth's number."""
        lines = [f"{n},7,{n},1,5,5,1,1,1.0" for n in truth]
        mot(folder, lines, frames=0)
        pictures(folder / "img1", *names)
        about = folder / "seqinfo.ini"
        if length:
            about.write_text(about.read_text().replace("seqLength=0", f"seqLength={length}"))
        else:
            about.unlink()
        result = read(folder, "yolov8_n_bytetrack")
        (film,) = result.films
        boxes = {place: [int(each.box[0]) for each in its] for place, its in film.truth.items()}
        return [path.name for path in film.pictures], boxes, result.detail

    @pytest.mark.parametrize(
        ("names", "truth", "places"),
        [
            # Not padded: 10 comes after 9.
            ([f"{n}.jpg" for n in range(1, 13)], TRUTH, {n: [n] for n in TRUTH}),
            ([f"img_{n}.PNG" for n in range(1, 13)], TRUTH, {n: [n] for n in TRUTH}),
            # Numbered from elsewhere, in both.
            ([f"{n:06d}.jpg" for n in range(100, 104)], (100, 102), {1: [100], 3: [102]}),
            ([f"{n:06d}.jpg" for n in range(4)], (0, 3), {1: [0], 4: [3]}),
            # In the names alone.
            ([f"{n:06d}.jpg" for n in range(100, 104)], (1, 2, 4), {1: [1], 2: [2], 4: [4]}),
            ([f"{n:06d}.jpg" for n in range(4)], (1, 2, 4), {1: [1], 2: [2], 4: [4]}),
            # Gaps, in both.
            (["1.jpg", "5.jpg", "20.jpg"], (1, 5, 20), {1: [1], 2: [5], 3: [20]}),
            # A number that all have is not the frame's.
            (["cam2_f1_v3.jpg", "cam2_f10_v3.jpg", "cam2_f2_v3.jpg"], (2, 10), {2: [2], 3: [10]}),
            (["1403636579763555584.png", "1403636579813555456.png"], (), {}),
        ],
    )
    def test_names_say_the_frame(
        self, tmp_path: Path, names: list[str], truth: Sequence[int], places: Any
    ) -> None:
        shown, result, detail = self.clip(tmp_path / "a", names, truth)
        assert shown == sorted(names, key=lambda each: [int(n) for n in re.findall(r"\d+", each)])
        assert (result, detail) == (places, "")

    def test_a_truth_beyond_the_pictures_is_not_judged_and_said(self, tmp_path: Path) -> None:
        _, result, detail = self.clip(tmp_path / "a", ["1.jpg", "2.jpg", "4.jpg"], (1, 2, 3, 4, 9))
        assert result == {1: [1], 2: [2], 3: [4]}
        assert detail == ", 2 frames of the truth without a picture"

    def test_the_second_half_of_a_clip(self, tmp_path: Path) -> None:
        names = [f"{n}.jpg" for n in range(51, 101)]
        _, result, detail = self.clip(tmp_path / "a", names, range(1, 101), length=100)
        assert result == {place: [place + 50] for place in range(1, 51)}
        assert detail == ", 50 frames of the truth without a picture"

    def test_pictures_counted_by_time_go_by_their_order(self, tmp_path: Path) -> None:
        names = [f"14036365797635{n}.png" for n in (10, 20, 35)]
        assert self.clip(tmp_path / "a", names, (1, 3), length=3)[1] == {1: [1], 3: [3]}

    @pytest.mark.parametrize(
        ("names", "truth", "words"),
        [
            (["a.jpg", "1.jpg"], (1,), "a.jpg has no frame number"),
            (["1.jpg", "01.jpg"], (1,), "are both frame 1"),
            (["1.jpg", "1.png"], (1,), "are both frame 1"),
            (["1.jpg", "2.jpg"], (70, 80), "frame 70 of the truth has no picture"),
            (["0.jpg", "1.jpg", "2.jpg"], (1, 2, 9), "the frames cannot be matched"),
        ],
    )
    def test_what_cannot_be_told_is_refused(
        self, tmp_path: Path, names: list[str], truth: Sequence[int], words: str
    ) -> None:
        with pytest.raises(WrongInput, match=re.escape(words)):
            self.clip(tmp_path / "a", names, truth)

    def test_a_limit_takes_frames_by_their_numbers(self, tmp_path: Path) -> None:
        names = [f"{n}.jpg" for n in range(8, 13)]
        mot(tmp_path / "a", [f"{n},7,{n},1,5,5,1,1,1.0" for n in (8, 10, 12)], frames=0)
        pictures(tmp_path / "a" / "img1", *names)
        (film,) = read(tmp_path / "a", "yolov8_n_bytetrack", limit=3).films
        assert [path.name for path in film.pictures] == ["8.jpg", "9.jpg", "10.jpg"]
        assert sorted(film.truth) == [1, 3]

    @pytest.mark.parametrize(
        ("names", "boxes"),
        [
            (["9.jpg", "10.jpg", "11.jpg"], [1, 2, 3]),
            (["2.jpg", "9.jpg", "70.jpg"], [1, 2, 3]),
            (["1.jpg", "2.jpg", "5.jpg"], [1, 2, 5]),
        ],
    )
    def test_boxes_of_one_object(self, tmp_path: Path, names: list[str], boxes: list[int]) -> None:
        count = max(boxes)
        otb(tmp_path / "x", *(f"{n + 1},1,5,5" for n in range(1, count + 1)), frames=0)
        pictures(tmp_path / "x" / "img", *names)
        result = read(tmp_path / "x", "nanotrack")
        (film,) = result.films
        assert [path.name for path in film.pictures] == names
        assert [box[0] for box in film.truth] == boxes
        assert result.detail.startswith(", 2 frames of") == (count > len(names))

    def test_more_frames_than_boxes(self, tmp_path: Path) -> None:
        """Some sequences of OTB have a truth that begins later: which frame is not said."""
        with pytest.raises(WrongInput, match="1 boxes for 3 frames"):
            read(otb(tmp_path / "x", "3,4,5,6"), "nanotrack")

    def test_files_of_windows(self, tmp_path: Path) -> None:
        folder = mot(tmp_path / "a", ["1,1,1,1,5,5,1,7,1.0", "2,2,1,1,5,5,1,1,1.0"])
        for name in ("gt/gt.txt", "seqinfo.ini"):
            text = (folder / name).read_text().replace("\n", "\r\n")
            (folder / name).write_text(text, encoding="utf-8-sig")
        result = read(folder, "yolov8_n_bytetrack")
        assert result.data.name == "Street"
        assert {n: [each.counts for each in its] for n, its in result.films[0].truth.items()} == {
            1: [False],
            2: [True],
        }


def test_each_kind_is_recognised(tmp_path: Path) -> None:
    pictures(tmp_path / "i" / "tench", "a.jpg")
    scene(tmp_path / "c", ["a.jpg"], [])
    mot(tmp_path / "m", ["1,1,1,1,5,5,1,1,1.0"])
    otb(tmp_path / "o", "1,1,2,2")
    kinds = {name: recognise_data(tmp_path / name) for name in "icmo"}
    assert kinds == {"i": "imagenet", "c": "coco", "m": "mot", "o": "otb"}


def test_another_json_file_beside_the_classes_is_not_cocos(tmp_path: Path) -> None:
    pictures(tmp_path / "tench", "a.jpg")
    for name, text in (("about.json", '{"classes": ["tench"]}'), ("empty.json", "")):
        (tmp_path / name).write_text(text)
    assert recognise_data(tmp_path) == "imagenet"
    shutil.move(scene(tmp_path / "c", ["a.jpg"], []) / "annotations", tmp_path / "d")
    assert recognise_data(tmp_path / "d") == "coco"


def test_what_is_no_data_says_what_would_be(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="is not a data set of a known format") as error:
        recognise_data(tmp_path)
    assert all(f"{kind}: " in error.value.evidence for kind in DATA_FORMAT_NAMES)
    for form in ("", *DATA_FORMAT_NAMES):
        with pytest.raises(WrongInput, match="none does not exist"):
            open_data(DataRequest(path=tmp_path / "none"), form)
        with pytest.raises(WrongInput):
            open_data(DataRequest(path=tmp_path), form)


def test_data_of_another_task_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "tench", "a.jpg")
    with pytest.raises(
        WrongInput, match="which has the class of each picture; what is needed: boxes of objects"
    ):
        read(tmp_path, "yolov8_n")
    with pytest.raises(WrongInput, match="unknown data format 'mots', did you mean 'mot'"):
        read(tmp_path, "yolov8_n", form="mots")


def test_the_digest_is_of_pictures_and_truth(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pictures(listed(tmp_path / name, "x.jpg,1,n", "y.jpg,2,n"), "x.jpg", "y.jpg")
    first, second = (read(tmp_path / name, "squeezenet1_1").digest for name in ("a", "b"))
    assert first == second
    assert read(tmp_path / "a", "squeezenet1_1", limit=1).digest != first
    shutil.copyfile(tmp_path / "b" / "x.jpg", tmp_path / "b" / "y.jpg")
    assert read(tmp_path / "b", "squeezenet1_1").digest != first
    listed(tmp_path / "a", "x.jpg,1,n", "y.jpg,1,n")
    assert read(tmp_path / "a", "squeezenet1_1").digest != first


def test_the_digest_knows_which_folder_is_which_class(tmp_path: Path) -> None:
    pictures(tmp_path / "x" / "tench", "a.jpg")
    pictures(tmp_path / "y" / "goldfish", "a.jpg")
    single, other = (read(tmp_path / name, "squeezenet1_1").digest for name in ("x", "y"))
    assert single != other


@given(count=st.integers(1, 200), limit=st.integers(1, 250))
def test_a_limit_is_spread_evenly(count: int, limit: int) -> None:
    every = [Path(f"{i}") for i in range(count)]
    chosen = spread_pictures(every, limit)
    assert len(chosen) == min(limit, count)
    at = [int(path.name) for path in chosen]
    gaps = {b - a for a, b in pairwise(at)}
    assert at == sorted(set(at))
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_pictures_that_cannot_be_read_are_named_before_anything_is_computed(tmp_path: Path) -> None:
    scene(tmp_path, ["a.jpg", "b.jpg"], [box(1, 100, 17, 0, 0, 5, 5)])
    (tmp_path / "val2017" / "b.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(WrongInput, match="1 of the 2 pictures of COCO val2017 cannot be read") as e:
        read(tmp_path, "yolov8_n")
    assert "b.jpg cannot be read as a picture" in e.value.evidence


def test_classes_that_the_model_does_not_know_are_named(tmp_path: Path) -> None:
    scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
    pictures(tmp_path / "val2017", "b.bmp")
    objects = read_objects(tmp_path, ["dog"])
    assert objects.unjudged_classes == ["classes the model does not know: cat"]
    assert objects.unjudged_files == [
        "left out: 1 file not in the JSON (1 .bmp, for example val2017/b.bmp)"
    ]


def test_the_digest_of_a_part_does_not_hang_on_the_labels_of_others(tmp_path: Path) -> None:
    path = yolo(tmp_path, {f"{i}.jpg": "0 0.5 0.5 0.2 0.2" for i in range(4)})
    half = read(path, "yolov8_n", limit=2)
    assert [picture.name for picture in half.pictures] == ["0.jpg", "2.jpg"]
    digest = half.digest
    (path / "labels" / "val" / "1.txt").write_text("1 0.5 0.5 0.2 0.2")
    assert read(path, "yolov8_n", limit=2).digest == digest
    (path / "labels" / "val" / "2.txt").write_text("1 0.5 0.5 0.2 0.2")
    assert read(path, "yolov8_n", limit=2).digest != digest

"""Data whose truth is known: recognised, read, refused in one line, and named by size."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from piyard import model
from piyard.errors import WrongInput
from piyard.evaluate import coco, dataset, imagenet, sequences
from piyard.evaluate.dataset import Dataset

LABELS = ["tench", "goldfish", "great_white_shark"]


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


def read(path: Path, name: str, kind: str = "", limit: int | None = None) -> Dataset:
    rules = model.load(name)
    labels = ["cat", "dog", "person"] if rules.task in {"detect", "segment"} else LABELS
    return dataset.read(path, rules, labels, kind, limit)


class TestImagenet:
    def test_a_list_beside_or_above_the_pictures(self, tmp_path: Path) -> None:
        a, b = pictures(tmp_path / "images", "a.jpg", "b.jpg")
        (c,) = pictures(tmp_path, "c.jpg")
        found = imagenet.read(listed(tmp_path, "a.jpg,2,n1", "c.jpg,0,n2", "b.jpg,1,n3"), LABELS)
        assert found.truth == {a: 2, c: 0, b: 1}

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("a.jpg,3,n1", "class 3 of a model that knows 3"),
            ("a.jpg,-1,n1", "is not file,index"),
            ("a.jpg,one,n1", "is not file,index"),
            (",1,n1", "is not file,index"),
            ("z.jpg,1,n1", "there is no picture z.jpg"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path: Path, row: str, words: str) -> None:
        pictures(tmp_path, "a.jpg")
        with pytest.raises(WrongInput) as error:
            imagenet.read(listed(tmp_path, "a.jpg,0,n0", row), LABELS)
        assert words in error.value.what
        assert "labels.csv:3" in error.value.what

    def test_an_empty_list(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="lists no picture"):
            imagenet.read(listed(tmp_path), LABELS)

    @pytest.mark.parametrize(
        ("names", "truth"),
        [
            (["Great White Shark", "tench"], {"Great White Shark": 2, "tench": 0}),
            (["2", "0"], {"2": 2, "0": 0}),
            (["n03", "n01", "n02"], {"n01": 0, "n02": 1, "n03": 2}),
        ],
    )
    def test_folders(self, tmp_path: Path, names: list[str], truth: dict[str, int]) -> None:
        for name in names:
            pictures(tmp_path / name, "a.jpg")
        found = imagenet.read(tmp_path, LABELS)
        assert {path.parent.name: index for path, index in found.truth.items()} == truth

    def test_folders_that_mean_nothing(self, tmp_path: Path) -> None:
        pictures(tmp_path / "n01", "a.jpg")
        with pytest.raises(WrongInput, match="the 1 folders of"):
            imagenet.read(tmp_path, LABELS)


class TestCoco:
    def test_categories_are_met_by_name(self, tmp_path: Path) -> None:
        scene(tmp_path, ["b.jpg", "a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        found = coco.read(tmp_path, "detect", ["person", "Dog", "cat"])
        assert found.category == {1: 18, 2: 17}
        assert found.name == "COCO val2017"
        assert found.detail == ""
        assert [found.ids[path] for path in found.pictures] == [101, 100]

    def test_a_model_that_knows_only_some_classes_says_so(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        assert coco.read(tmp_path, "detect", ["dog"]).detail == ", 1 of 2 classes"
        with pytest.raises(WrongInput, match="knows none of the 2 categories"):
            coco.read(tmp_path, "detect", ["tench"])

    def test_the_file_itself_may_be_named(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        file = tmp_path / "annotations" / "instances_val2017.json"
        assert len(coco.read(file, "detect", ["dog"]).pictures) == 1

    def test_a_picture_that_is_missing(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg", "b.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        (tmp_path / "val2017" / "b.jpg").unlink()
        with pytest.raises(WrongInput, match="not together in one folder"):
            coco.read(tmp_path, "detect", ["dog"])

    def test_a_task_without_annotations_of_its_own(self, tmp_path: Path) -> None:
        scene(tmp_path, ["a.jpg"], [box(1, 100, 18, 0, 0, 5, 5)])
        with pytest.raises(WrongInput, match="no COCO annotations with keypoints"):
            coco.read(tmp_path, "pose", [])

    @pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"annotations": [{"bbox": []}]}'])
    def test_broken_json(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "instances_a.json").write_text(text)
        with pytest.raises(WrongInput):
            coco.read(tmp_path, "detect", ["dog"])


class TestSequences:
    def test_mot15_has_no_classes_and_mot17_has(self, tmp_path: Path) -> None:
        fifteen = mot(tmp_path / "a", ["1,1,1,1,5,5,1,4.4,5.5,0"])
        seventeen = mot(tmp_path / "b", ["1,1,1,1,5,5,1,7,1.0", "1,2,1,1,5,5,1,1,1.0"])
        (one,), (two,) = (sequences.read_mot(path, None).clips for path in (fifteen, seventeen))
        assert [truth.counts for truth in one.truth[1]] == [True]
        assert [truth.counts for truth in two.truth[1]] == [False, True]
        assert one.fps == 25

    def test_a_folder_of_sequences_is_judged_together(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            mot(tmp_path / "MOT" / name, ["1,1,1,1,5,5,1,1,1.0"], frames=2)
        found = read(tmp_path / "MOT", "yolov8_n_bytetrack")
        assert found.title == "MOT, 4 frames"
        assert all(film.ordered for film in found.films)

    def test_a_limit_takes_the_first_frames_and_their_truth(self, tmp_path: Path) -> None:
        lines = [f"{i},1,1,1,5,5,1,1,1.0" for i in (1, 2, 3)]
        found = read(mot(tmp_path / "a", lines), "yolov8_n_bytetrack", limit=2)
        assert found.title == "Street, 2 frames"
        assert sorted(found.films[0].truth) == [1, 2]

    def test_otb_begins_where_the_object_is(self, tmp_path: Path) -> None:
        found = read(otb(tmp_path / "Crossing", "3,4,5,6", "4 4 5 6", "5\t4\t5\t6"), "nanotrack")
        (film,) = found.films
        assert film.init == pytest.approx((2, 3, 5, 6))
        assert found.title == "Crossing, 3 frames"

    def test_more_boxes_than_frames(self, tmp_path: Path) -> None:
        with pytest.raises(WrongInput, match="2 boxes for 1 frames"):
            read(otb(tmp_path / "x", "3,4,5,6", "3,4,5,6", frames=1), "nanotrack")


def test_each_kind_is_recognised(tmp_path: Path) -> None:
    pictures(tmp_path / "i" / "tench", "a.jpg")
    scene(tmp_path / "c", ["a.jpg"], [])
    mot(tmp_path / "m", ["1,1,1,1,5,5,1,1,1.0"])
    otb(tmp_path / "o", "1,1,2,2")
    kinds = {name: dataset.recognise(tmp_path / name) for name in "icmo"}
    assert kinds == {"i": "imagenet", "c": "coco", "m": "mot", "o": "otb"}


def test_what_is_no_data_says_what_would_be(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="no data that is known") as error:
        dataset.recognise(tmp_path)
    assert all(f"{kind}: " in error.value.evidence for kind in dataset.KINDS)
    with pytest.raises(WrongInput, match="there is no data"):
        dataset.recognise(tmp_path / "none")


def test_data_of_another_task_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "tench", "a.jpg")
    with pytest.raises(WrongInput, match="judged by data of kind coco"):
        read(tmp_path, "yolov8_n")
    with pytest.raises(WrongInput, match="unknown kind of data 'mots', did you mean 'mot'"):
        read(tmp_path, "yolov8_n", kind="mots")


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
    one, other = (read(tmp_path / name, "squeezenet1_1").digest for name in ("x", "y"))
    assert one != other


@given(count=st.integers(1, 200), limit=st.integers(1, 250))
def test_a_limit_is_spread_evenly(count: int, limit: int) -> None:
    every = [Path(f"{i}") for i in range(count)]
    chosen = dataset.spread(every, limit)
    assert len(chosen) == min(limit, count)
    at = [int(path.name) for path in chosen]
    gaps = {b - a for a, b in pairwise(at)}
    assert at == sorted(set(at))
    assert not gaps or max(gaps) - min(gaps) <= 1

"""DOTA's data sets: eight coordinates, class, difficulty; splits, versions, what is no label."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet
from piyard.data.dota import is_dota, read_dota
from piyard.data.formats import recognise_data
from piyard.data.request import DataRequest
from tests.support.data_sets import write_pictures

HEADER = "imagesource:GoogleEarth\ngsd:0.146343590398\n"
PLANE = "10.0 5.0 30.0 25.0 20.0 35.0 0.0 15.0 plane 0\n"
LARGE = "1 1 9 1 9 5 1 5 large-vehicle 1\n"


def dota(folder: Path, labels: dict[str, str], name: str = "labelTxt") -> Path:
    (folder / name).mkdir(parents=True)
    for stem, text in labels.items():
        (folder / name / f"{stem}.txt").write_text(text)
    write_pictures(folder / "images", [f"{stem}.png" for stem in labels])
    return folder


def read(path: Path, **more: Any) -> DataSet:
    return read_dota(DataRequest(path=path, **more))


def test_an_object_is_a_quadrilateral_with_a_class_and_a_difficulty(tmp_path: Path) -> None:
    data = read(dota(tmp_path, {"P1": HEADER + PLANE + LARGE, "P2": HEADER}))
    ((_, (plane, vehicle)), (_, nothing)) = list(data)
    assert data.classes == ["large-vehicle", "plane"]
    assert plane.corners == (10, 5, 30, 25, 20, 35, 0, 15)
    assert (plane.class_, plane.box, plane.difficult) == (1, (0, 5, 30, 35), False)
    assert (vehicle.class_, vehicle.size, vehicle.difficult) == (0, (8, 4), True)
    assert nothing == []


def test_the_difficulty_may_be_missing(tmp_path: Path) -> None:
    ((_, (vehicle,)),) = list(read(dota(tmp_path, {"P1": LARGE.replace(" 1\n", "\n")})))
    assert not vehicle.difficult


def test_it_is_recognised_with_and_without_splits(tmp_path: Path) -> None:
    dota(tmp_path / "train", {"P1": PLANE})
    dota(tmp_path / "val", {"P2": LARGE})
    assert is_dota(tmp_path)
    assert is_dota(tmp_path / "val")
    assert recognise_data(tmp_path) == recognise_data(tmp_path / "val", "corners") == "dota"
    assert [path.stem for path in read(tmp_path).pictures] == ["P2"]
    assert [path.stem for path in read(tmp_path, split="train").pictures] == ["P1"]


def test_labels_lie_as_they_are_unpacked_and_one_version_counts(tmp_path: Path) -> None:
    folder = dota(tmp_path, {"P1": PLANE}, name="labelTxt-v1.0/labelTxt")
    assert len(read(folder).pictures) == 1
    dota(tmp_path / "v1.5", {"P1": LARGE})
    (tmp_path / "v1.5" / "labelTxt").rename(folder / "labelTxt-v1.5")
    with pytest.raises(WrongInput, match="2 folders of labels") as error:
        read(folder)
    assert error.value.remedy == "call the one to use labelTxt"


def test_what_has_no_partner_is_left_out(tmp_path: Path) -> None:
    folder = dota(tmp_path, {"P1": PLANE, "P2": PLANE, "P3": PLANE})
    (folder / "images" / "P2.png").unlink()
    (folder / "labelTxt" / "P3.txt").unlink()
    data = read(folder)
    assert [path.stem for path in data.pictures] == ["P1"]
    assert {group.reason: [path.stem for path in group.paths] for group in data.left_out} == {
        "without a text file": ["P3"],
        "of labels without a picture": ["P2"],
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1 1 9 1 9 5 1 plane", "eight numbers"),
        ("1 1 9 1 9 5 1 x plane 0", "not a number"),
        ("1 1 9 1 9 5 1 5 plane hard", "not a number"),
        ("1 1 9 1 9 5 1 nan plane 0", "not finite"),
        ("1 1 9 1 9 5 1 5 plane 0 0", "11 words"),
    ],
)
def test_what_is_no_label_is_named_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    folder = dota(tmp_path, {"P1": f"{HEADER}\n{line}\n"})
    with pytest.raises(WrongInput, match=re.escape("P1.txt:4: ") + f".*{problem}"):
        read(folder)


def test_pictures_without_any_label_are_refused(tmp_path: Path) -> None:
    folder = dota(tmp_path, {"P1": PLANE})
    (folder / "images" / "P1.png").rename(folder / "images" / "P9.png")
    with pytest.raises(WrongInput, match="no picture has a text file of its name"):
        read(folder)

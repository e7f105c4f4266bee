"""MOTChallenge's and OTB's text files."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.core.errors import WrongInput
from piyard.vision.bytetrack import Detection
from piyard.vision.clips import (
    TrueObject,
    read_mot_truth,
    read_otb_truth,
    read_sequence_info,
)
from tests.support.mot_detections import read_mot_detections


def write(folder: Path, text: str) -> Path:
    path = folder / "some.txt"
    path.write_text(text)
    return path


def test_detections(tmp_path):
    path = write(tmp_path, "2,-1,10,20,30.5,40,0.25,-1,-1,-1\n1, -1, 0, 0, 5, 5, 117.8\n\n")
    assert read_mot_detections(path) == {
        1: [Detection(box=(0, 0, 5, 5), score=1.0)],
        2: [Detection(box=(10, 20, 40.5, 60), score=0.25)],
    }


def test_detections_without_score_or_area(tmp_path):
    path = write(tmp_path, "1,-1,0,0,5,5\n1,-1,0,0,0,5,0.9\n1,-1,0,0,5,-1,0.9\n")
    assert read_mot_detections(path) == {1: [Detection(box=(0, 0, 5, 5), score=1.0)]}


def test_truth_with_classes(tmp_path):
    path = write(
        tmp_path,
        "1,4,0,0,5,5,1,1,0.5\n1,5,0,0,5,5,0,1,0.5\n1,6,0,0,5,5,0,8,1\n1,7,0,0,5,5,1,3,1\n",
    )
    box = (0.0, 0.0, 5.0, 5.0)
    assert read_mot_truth(path) == {
        1: [
            TrueObject(id=4, box=box),
            TrueObject(id=5, box=box, counts=False),
            TrueObject(id=6, box=box, counts=False, distractor=True),
            TrueObject(id=7, box=box, counts=False),
        ]
    }


def test_truth_of_2015_has_places_in_the_world_instead_of_classes(tmp_path):
    path = write(tmp_path, "1,4,0,0,5,5,1,7.2,12.4,0\n")
    (there,) = read_mot_truth(path, classes=False)[1]
    assert there.counts
    assert not there.distractor


@pytest.mark.parametrize(
    "line",
    [
        "1,2,3",
        "a,b,c,d,e,f",
        "1,1,nan,0,5,5,1",
        "0,1,0,0,5,5,1",
        "1.5,1,0,0,5,5,1",
        "10000001,1,0,0,5,5,1",
        "1,1,1e300,0,5,5,1",
        "{}",
    ],
)
def test_what_is_no_motchallenge_names_file_and_line(tmp_path, line):
    path = write(tmp_path, f"1,1,0,0,5,5,1\n{line}\n")
    with pytest.raises(WrongInput, match=r"some\.txt:2: ") as result:
        read_mot_detections(path)
    assert "frame,id,left,top,width,height,score" in str(result.value)


def test_no_file_at_all(tmp_path):
    with pytest.raises(WrongInput, match="cannot be read"):
        read_mot_truth(tmp_path / "none.txt")
    with pytest.raises(WrongInput, match="cannot be read"):
        read_otb_truth(tmp_path / "none.txt")


def test_a_sequence(tmp_path):
    (tmp_path / "seqinfo.ini").write_text(
        "[Sequence]\nname=A\nimDir=img1\nframeRate=25\nseqLength=150\nimWidth=640\nimHeight=480\n"
    )
    sequence = read_sequence_info(tmp_path)
    assert (sequence.name, sequence.fps, sequence.length, sequence.size) == (
        "A",
        25,
        150,
        (640, 480),
    )
    assert sequence.pictures == tmp_path / "img1"


@pytest.mark.parametrize(
    "text", ["", "[Sequence]\nname=A\n", "no ini", "[Sequence]\nframeRate=x\n"]
)
def test_no_sequence(tmp_path, text):
    (tmp_path / "seqinfo.ini").write_text(text)
    with pytest.raises(WrongInput, match="does not describe a sequence"):
        read_sequence_info(tmp_path)


@pytest.mark.parametrize(
    "text", ["1 2 3 4\n5 6 7 8\n", "1,2,3,4\r\n5,6,7,8", "1\t2\t3\t4\n\n5, 6, 7, 8\n"]
)
def test_otb_counts_pixels_from_1(tmp_path, text):
    assert read_otb_truth(write(tmp_path, text)) == [(0, 1, 3, 5), (4, 5, 11, 13)]


@pytest.mark.parametrize("line", ["1 2 3", "1 2 3 4 5", "a b c d", "1 2 3 nan"])
def test_what_is_no_otb(tmp_path, line):
    with pytest.raises(WrongInput, match=r"some\.txt:2"):
        read_otb_truth(write(tmp_path, f"1 2 3 4\n{line}\n"))

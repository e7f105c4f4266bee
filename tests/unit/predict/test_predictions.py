"""What nnrun told, read back and shown: recorded lines in, rows and one sentence out."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from piyard.cli.runs import print_predictions, require_readable
from piyard.core.errors import JobsFailed, UnreadableLog
from piyard.predict.command import DRAWN_FILM
from piyard.predict.files import name_drawings, open_viewer
from piyard.predict.prediction import (
    PREDICTION_LINES,
    VIEWED_PICTURES,
    Prediction,
    is_prediction,
    read_prediction,
)
from piyard.predict.prediction_rows import prediction_columns, prediction_rows, summarise_prediction
from piyard.run.record import Record
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER, run_folder
from piyard.vision.predictions import (
    Frame,
    PredictedObject,
    encode_mask,
    line_name,
    mask_area,
    run_lengths,
)
from tests.support import synthetic_results

SENT = {"0000.jpg": "/here/dog.jpg", "0001.jpg": "/here/cat.jpg"}
HEADER = {"type": "header", "precision": {"label": "fp32"}}
MS = {"decode": 2.0, "pre": 1.0, "infer": 80.0, "post": 0.5, "draw": 3.0}


def objects(at: str | int, *predicted: dict[str, Any], ms: dict[str, float] | None = None) -> Any:
    name = {"image": f"../../releases/abc/{at}"} if isinstance(at, str) else {"frame": at}
    detected = {"width": 640, "height": 480, "objects": list(predicted), "ms": ms or MS}
    return {"type": "objects", **name, **detected}


def thing(label: str | None, score: float, **more: Any) -> dict[str, Any]:
    return {"class": 3, "label": label, "score": score, "box": [1.4, 2.6, 30.0, 40.0], **more}


def wrong(name: str) -> dict[str, Any]:
    path = f"../../releases/abc/{name}"
    return {"type": "error", "image": path, "error": f"{path}: neither JPEG nor PNG"}


def ran(task: str, *lines: Any, emulated: bool = False, sent: Any = SENT) -> Record:
    """A run whose log holds these lines."""
    record = synthetic_results.record("a", what={"task": task, "inputs": sent})
    folder = run_folder(record.id)
    folder.mkdir(parents=True, exist_ok=True)
    bad = sum(line["type"] == "error" for line in lines)
    every = [HEADER, *lines, {"type": "summary", "images": len(lines), "failed": bad}]
    (folder / LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in every))
    return msgspec.structs.replace(record, emulated=emulated)


def saw(task: str, *lines: Any, **about: Any) -> Prediction:
    return read_prediction(ran(task, *lines, **about))


def test_objects_are_named_as_the_user_named_the_picture() -> None:
    detected = saw("detect", objects("0001.jpg", thing("cat", 0.91)), objects("0000.jpg"))
    assert [frame.name for frame in detected.frames] == ["/here/cat.jpg", "/here/dog.jpg"]
    assert prediction_columns("detect") == ("Board", "Picture", "Object", "Class", "Score", "Box")
    assert prediction_rows([detected]) == [
        [detected.host, "cat.jpg", "1", "cat", "0.910", "1,3,30,40"],
        [detected.host, "dog.jpg", "0", "nothing", "", ""],
    ]


def test_classes_are_ranked() -> None:
    top = [
        {"index": 7, "label": "cock", "score": 0.7},
        {"index": 8, "label": None, "score": 0.2},
    ]
    line = {"type": "classification", "image": "x/0000.jpg", "width": 4, "height": 4, "top": top}
    result = saw("classify", line | {"softmax": "on", "ms": {"infer": 3.0}})
    assert [row[1:] for row in prediction_rows([result])] == [
        ["dog.jpg", "1", "cock", "0.7000"],
        ["dog.jpg", "2", "8", "0.2000"],
    ]


def test_a_picture_that_cannot_be_read_is_told_once_and_ends_badly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    detected = saw("detect", objects("0000.jpg", thing("dog", 0.8)), wrong("0001.jpg"))
    print_predictions([detected], "plain")
    out, err = capsys.readouterr()
    assert "dog.jpg" in out
    assert "cat.jpg" not in out
    assert f"✗ {detected.host}: /here/cat.jpg: neither JPEG nor PNG\n" in err
    assert "1 not read" in err
    with pytest.raises(JobsFailed, match="1 of the pictures"):
        require_readable([detected, detected])


def test_nothing_is_wrong_where_all_was_read() -> None:
    require_readable([saw("detect", objects("0000.jpg"))])


def test_masks_and_keypoints_have_a_column() -> None:
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    packed = msgspec.to_builtins(encode_mask(mask))
    detected = saw("segment", objects("0000.jpg", thing("dog", 0.8, mask=packed)))
    assert prediction_rows([detected])[0][-1] == "18"
    points = [[1.0, 2.0, 0.9], [3.0, 4.0, 0.29], [5.0, 6.0, 0.3]]
    detected = saw("pose", objects("0000.jpg", thing("person", 0.8, keypoints=points)))
    assert prediction_rows([detected])[0][-1] == "2 of 3"
    for task in ("segment", "pose", "detect", "classify", "track"):
        for row in prediction_rows([saw(task, objects("0000.jpg", thing("dog", 0.8, id=4)))]):
            assert len(row) == len(prediction_columns(task))


def test_tracks_are_told_from_their_first_to_their_last_frame() -> None:
    detected = saw(
        "track",
        objects(0, thing("person", 0.6, id=1)),
        objects(1, thing("person", 0.9, id=1), thing("person", 0.5, id=2)),
        objects(2, thing("person", 0.7, id=2)),
        objects(3, thing("person", 0.8, id=1)),
        sent={},
    )
    assert [row[1:] for row in prediction_rows([detected])] == [
        ["1", "person", "3", "0", "3", "0.767"],
        ["2", "person", "2", "1", "2", "0.600"],
    ]
    assert "4 frames, 2 tracks" in summarise_prediction(detected)


def test_one_object_has_neither_a_name_nor_a_class() -> None:
    detected = saw("track", objects(0, thing(None, 1.0)), objects(1, thing(None, 0.5)), sent={})
    assert [row[1:] for row in prediction_rows([detected])] == [["0", "", "2", "0", "1", "0.750"]]


def test_the_sentence_counts_classes_and_tells_each_stage() -> None:
    detected = saw("detect", *[objects("0000.jpg", thing("dog", 0.5), thing("cat", 0.4))] * 2)
    assert summarise_prediction(detected) == (
        f"{detected.host}: 2 pictures, 4 objects (dog 2, cat 2), "
        "decode 2.00 + pre 1.00 + infer 80.00 + post 0.500 + draw 3.00 ms"
    )


def test_an_emulated_boards_times_are_not_told() -> None:
    assert " ms" not in summarise_prediction(saw("detect", objects("0000.jpg"), emulated=True))


@pytest.mark.parametrize(
    "broken",
    [
        {"objects": 5},
        {"objects": [{"class": 0}]},
        {"objects": [{"class": 0, "score": "high", "box": [0, 0, 1, 1]}]},
        {"objects": [{"class": 0, "score": 0.5, "box": [0, 0, 1]}]},
        {"width": None},
    ],
)
def test_a_line_that_nnrun_does_not_write(broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableLog, match="cannot be read"):
        saw("detect", objects("0000.jpg") | broken)


def test_json_has_a_value_for_each_column(capsys: pytest.CaptureFixture[str]) -> None:
    detected = saw("detect", objects("0000.jpg", thing(None, 0.8)))
    print_predictions([detected], "json")
    (output,) = json.loads(capsys.readouterr().out)
    assert output["Class"] == "3"
    assert output["Picture"] == "dog.jpg"


def test_json_holds_numbers_as_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_predictions([saw("detect", objects("0000.jpg", thing("dog", 0.8125)))], "json")
    (output,) = json.loads(capsys.readouterr().out)
    assert output == {
        "Board": "pi5",
        "Picture": "dog.jpg",
        "Object": 1,
        "Class": "dog",
        "Score": 0.8125,
        "Box": [1.4, 2.6, 30.0, 40.0],
    }
    print_predictions([saw("detect", objects("0000.jpg"))], "json")
    (output,) = json.loads(capsys.readouterr().out)
    assert (output["Object"], output["Score"], output["Box"]) == (0, None, None)
    top = [{"index": 7, "label": "cock", "score": 0.7}]
    line = {"type": "classification", "image": "x/0000.jpg", "width": 4, "height": 4, "top": top}
    print_predictions([saw("classify", line)], "json")
    (output,) = json.loads(capsys.readouterr().out)
    assert (output["Rank"], output["Score"]) == (1, 0.7)


def test_frames_of_a_film_bear_its_name() -> None:
    record = ran("detect", objects(0), objects(1), sent={})
    shown = msgspec.structs.replace(
        record, what=msgspec.structs.replace(record.what, film="my clip.mp4")
    )
    prediction = read_prediction(shown)
    rows = prediction_rows([prediction])
    assert [row[1] for row in rows] == ["my clip.mp4, frame 0", "my clip.mp4, frame 1"]
    assert "2 frames, 0 objects" in summarise_prediction(prediction)


TWICE = {"0000.jpg": "/a/dog.jpg", "0001.jpg": "/b/dog.jpg", "0002.png": "/a/cat.webp"}


def test_pictures_of_one_name_are_told_apart() -> None:
    detected = saw("detect", *(objects(name) for name in TWICE), sent=TWICE)
    assert [row[1] for row in prediction_rows([detected])] == ["a/dog.jpg", "b/dog.jpg", "cat.webp"]


def test_drawings_and_lines_have_the_names_of_the_pictures() -> None:
    record = ran("detect", *(objects(name) for name in TWICE), sent=TWICE)
    outputs = run_folder(record.id) / OUTPUTS_FOLDER
    for again in range(2):  # a run is fetched again where one asks
        outputs.mkdir(exist_ok=True)
        for number in range(3):
            (outputs / f"{number:04d}.jpg").write_text(f"{number}, {again}")
        prediction = read_prediction(record)
        assert {path.name: path.read_text() for path in prediction.drawn} == {
            "a_dog.jpg": f"0, {again}",
            "b_dog.jpg": f"1, {again}",
            "cat.jpg": f"2, {again}",
        }
    assert [path.name for path in read_prediction(record).drawn] == [
        *("a_dog.jpg", "b_dog.jpg", "cat.jpg"),
    ]
    lines_ = (run_folder(record.id) / PREDICTION_LINES).read_text().splitlines()
    assert [json.loads(line)["image"] for line in lines_] == list(TWICE.values())


def test_pictures_named_as_the_board_numbers_them_keep_their_own_drawings() -> None:
    sent = {f"{i:04d}.jpg": f"/x/{i + 1:04d}.jpg" for i in range(3)}
    record = ran("detect", *(objects(name) for name in sent), sent=sent)
    outputs = run_folder(record.id) / OUTPUTS_FOLDER
    outputs.mkdir()
    for number in range(3):
        (outputs / f"{number:04d}.jpg").write_text(f"{number}")
    for _ in range(2):
        drawn_ = {path.name: path.read_text() for path in read_prediction(record).drawn}
        assert drawn_ == {"0001.jpg": "0", "0002.jpg": "1", "0003.jpg": "2"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "A"]),
            st.sampled_from(["x", "X", "x-2", "a_x", "e\u0301", "\u00e9", "n" * 300]),
            st.sampled_from([".jpg", ".webp", ""]),
        ),
        max_size=12,
    )
)
def test_names_of_drawings_are_different_on_any_file_system(parts: Any) -> None:
    named = name_drawings([f"/{folder}/{stem}{ending}" for folder, stem, ending in parts])
    keys = {unicodedata.normalize("NFC", name).casefold() for name in named}
    assert len(keys) == len(parts)
    assert all(len(name.encode()) <= 255 and "/" not in name for name in named)


def test_where_the_drawn_pictures_are_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    detected = saw("detect", objects("0000.jpg"))
    (detected.folder / OUTPUTS_FOLDER).mkdir()
    (detected.folder / OUTPUTS_FOLDER / "0000.jpg").touch()
    print_predictions([detected], "csv")
    assert f"drawn: {detected.folder / OUTPUTS_FOLDER}\n" in capsys.readouterr().err
    (detected.folder / DRAWN_FILM).touch()
    print_predictions([detected], "csv")
    assert f"drawn: {detected.folder / DRAWN_FILM}\n" in capsys.readouterr().err


def test_which_runs_looked_at_something() -> None:
    assert is_prediction(synthetic_results.record("a", what={"task": "pose"}))
    assert not is_prediction(synthetic_results.record("a", what={"task": "bench"}))


@given(
    arrays.arrays(
        np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.booleans()
    )
)
def test_a_masks_area_is_that_of_its_runs(mask: Any) -> None:
    runs = encode_mask(mask)
    assert mask_area(runs) == int(mask.sum())
    assert sum(run_lengths(runs.counts)) == mask.size


@given(st.text("0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmno", max_size=60))
def test_any_counts_have_lengths(counts: str) -> None:
    assert len(run_lengths(counts)) <= len(counts)


def drawn(prediction: Prediction, count: int) -> list[Path]:
    folder = prediction.folder / OUTPUTS_FOLDER
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"{i:04d}.jpg").touch()
    return prediction.drawn


def viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "xdg-open").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tools}/opened\n')
    (tools / "xdg-open").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return tools


def test_what_was_drawn_is_opened_where_there_is_a_desktop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    tools = viewer(tmp_path, monkeypatch)
    detected = saw("detect", objects("0000.jpg"))
    pictures = drawn(detected, 2)
    for child in open_viewer(detected.shown):
        child.wait(30)
    assert sorted((tools / "opened").read_text().split()) == [str(picture) for picture in pictures]
    drawn(detected, VIEWED_PICTURES + 1)
    for child in open_viewer(detected.shown):
        child.wait(30)
    assert (tools / "opened").read_text().split()[2:] == [str(pictures[0].parent)]


def test_without_a_desktop_it_is_said_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer(tmp_path, monkeypatch)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    detected = saw("detect", objects("0000.jpg"))
    (single,) = drawn(detected, 1)
    assert open_viewer(detected.shown) == []
    assert f"no desktop to show it on: {single}" in capsys.readouterr().err
    assert not (tmp_path / "tools" / "opened").exists()


def test_nothing_drawn_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_viewer(saw("detect", objects("0000.jpg")).shown) == []


def test_an_object_without_a_label_is_named_by_its_class() -> None:
    assert PredictedObject(class_=7, score=0.5, box=(0, 0, 1, 1)).name == "7"
    assert line_name({"type": "objects"}) == "frame ?"
    assert Frame(name="a", width=1, height=1).objects == []

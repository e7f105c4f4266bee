"""invoke run and evaluate on an emulated board, with real weights: what comes back is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from piyard.core import paths
from piyard.predict.prediction import read_prediction
from piyard.results.accuracies import evaluations_folder, stored_evaluations
from piyard.run.run_folders import list_runs, read_record
from tests.integration.conftest import Invoke

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(2400)),
    pytest.mark.usefixtures("own_results"),
]
HOST = ("--host", "emulated:rpi5")
MODEL = ("--model", "nanodet")


@pytest.fixture(autouse=True)
def mirror(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))


@pytest.fixture
def folder(assets: Path, tmp_path: Path) -> Path:
    """One picture that can be read, and two that cannot."""
    shown = tmp_path / "shown"
    shown.mkdir()
    whole = (assets / "data" / "bus.jpg").read_bytes()
    (shown / "a bus.jpg").write_bytes(whole)
    (shown / "cut.jpg").write_bytes(whole[:3000])
    (shown / "empty.png").touch()
    return shown


def test_what_can_be_read_is_seen_drawn_and_told_again(invoke: Invoke, folder: Path) -> None:
    done = invoke("run", *HOST, *MODEL, "--input", str(folder), "--format", "json")
    assert done.returncode == 1, done.stderr
    rows = json.loads(done.stdout)
    assert {row["Picture"] for row in rows} == {"a bus.jpg"}
    assert {"bus", "person"} <= {row["Class"] for row in rows}
    for name in ("cut.jpg", "empty.png"):
        assert done.stderr.count(f"{folder / name}: ") == 1
    (run,) = list_runs()
    (drawn,) = read_prediction(read_record(run)).drawn
    assert drawn.name == "a bus.jpg"
    with Image.open(drawn) as picture, Image.open(folder / "a bus.jpg") as before:
        assert picture.size == before.size
    again = invoke("attach", run.name, "--format", "json")
    assert json.loads(again.stdout) == rows
    assert again.returncode == 1


def test_a_film_comes_back_as_a_film(invoke: Invoke, assets: Path, tmp_path: Path) -> None:
    frames = sorted((assets / "data" / "mot_tud_stadtmitte" / "img1").glob("*.jpg"))[:3]
    clip = tmp_path / "clip.mjpeg"
    clip.write_bytes(b"".join(frame.read_bytes() for frame in frames))
    done = invoke("run", *HOST, *MODEL, "--input", str(clip), "--score", "0.5")
    assert done.returncode == 0, done.stderr
    (run,) = list_runs()
    prediction = read_prediction(read_record(run))
    assert len(prediction.frames) == 3
    assert prediction.film
    assert prediction.film.read_bytes().count(b"\xff\xd8\xff") == 3
    assert all(each.score >= 0.5 for frame in prediction.frames for each in frame.objects)
    assert f"drawn: {prediction.film}" in done.stderr


def test_the_board_is_as_right_as_the_original(invoke: Invoke, assets: Path) -> None:
    data = assets / "data" / "imagenet500"
    request = ("evaluate", "--model", "squeezenet1_1", "--data", str(data), "--limit", "24")
    done = invoke(*request, *HOST, "--precision", "fp32", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["Figure"] for row in rows] == ["top-1", "top-5"] * 2
    assert {row["Data"] for row in rows} == {"imagenet500, 24 pictures"}
    assert [row["Board"] for row in rows] == ["this desktop"] * 2 + ["emulated:rpi5"] * 2
    assert [row["Points off"] for row in rows[2:]] == [0, 0]
    (first, second) = sorted(stored_evaluations(), key=lambda each: each.by)
    assert (first.by, second.by) == ("board", "original")
    assert first.figures == second.figures
    assert evaluations_folder().parent == paths.artifacts()


@pytest.mark.usefixtures("nowhere")
def test_without_the_official_weights_nothing_is_evaluated(invoke: Invoke, assets: Path) -> None:
    data = assets / "data" / "coco_mini_val"
    done = invoke("evaluate", "--model", "yolo11_n_pose", "--data", str(data))
    assert done.returncode == 4
    assert "PIYARD_MIRROR" in done.stderr
    assert "Traceback" not in done.stderr

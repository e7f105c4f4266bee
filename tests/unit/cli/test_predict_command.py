"""``invoke run``: what is typed, and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from piyard.cli import runs
from piyard.cli.prediction_requests import RunRequest
from piyard.cli.runs import Choice, run_model
from piyard.core.errors import WrongInput
from piyard.models.definition import load_model, model_names
from piyard.predict.command import Inputs, PredictOptions, drawing_options
from piyard.predict.decoders import Decoder
from piyard.predict.feed import plan_feed
from piyard.predict.prediction import make_command
from piyard.predict.sources import Source
from piyard.vision.head_schema import Dense

TYPED = {
    "host": ["emulated:rpi5"],
    "precision": "fp32",
    "threads": "2",
    **dict.fromkeys(("topk", "output", "score", "frames", "init", "fps"), ""),
    "draw": True,
    "show": False,
    "input": [],
    "format": "plain",
}
CAMERA = Source(kind="camera")
FILM = Source(kind="film", location="a.mp4")
LIVE_WORDS = ["--stdin", "mjpeg", "--stop-after", "9", "--latest", "20"]


def typed(name: str, **more: Any) -> dict[str, Any]:
    return TYPED | {"model": name} | more


def chosen(name: str, **more: Any) -> Choice:
    return runs.choose(RunRequest.parse(typed(name, **more)))


def run(name: str, **more: Any) -> None:
    run_model(RunRequest.parse(typed(name, **more)))


@pytest.fixture
def picture(tmp_path: Path) -> str:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    return str(tmp_path / "a.jpg")


def test_a_dry_run_says_what_is_looked_at_and_reaches_nobody(
    picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("yolov8_n", input=[picture, "http://192.0.2.1/dog.jpg"], dry_run=True)
    out = capsys.readouterr().out
    assert f"run on {picture}, http://192.0.2.1/dog.jpg: yolov8_n fp32, 2 threads" in out


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("yolov8_n", {"input": ["none.jpg"]}, "no such picture: none.jpg"),
        ("yolov8_n", {"score": "1.5"}, "--score takes 0 to 1, not '1.5'"),
        ("yolov8_n", {"score": "nan"}, "--score takes 0 to 1, not 'nan'"),
        ("squeezenet1_1", {"score": "0.5"}, "no score to choose by"),
        ("nanotrack", {}, "none was given"),
        ("nanotrack", {"init": "1,2,3"}, "--init takes x,y,width,height"),
        ("nanotrack", {"init": "1,2,0,5"}, "--init takes x,y,width,height"),
        ("nanotrack", {"init": "1,2,inf,5"}, "--init takes x,y,width,height"),
        ("yolov8_n", {"frames": "none"}, "--frames takes a whole number"),
        ("yolov8_n_bytetrack", {"fps": "0"}, "--fps takes frames a second"),
        ("yolov8_n_bytetrack", {"fps": "nan"}, "--fps takes frames a second"),
    ],
)
def test_mistakes_are_said_before_any_work(
    picture: str, name: str, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(WrongInput) as error:
        run(name, **{"input": [picture]} | more)
    assert words in str(error.value)


def test_a_score_changes_the_head_and_nothing_else() -> None:
    adjusted, usual = chosen("yolov8_n", score="0.4").adjusted_model, load_model("yolov8_n")
    assert isinstance(adjusted.head, Dense)
    assert isinstance(usual.head, Dense)
    assert adjusted.head.score == 0.4
    assert adjusted.head.nms == usual.head.nms
    assert adjusted.preprocess == usual.preprocess


def test_the_objects_box_as_it_is_typed() -> None:
    assert RunRequest.parse({"init": "1,2.5,30,40"}).init == (1.0, 2.5, 30.0, 40.0)
    assert RunRequest.parse({}).init is None


@pytest.mark.parametrize(
    ("name", "shown", "where"),
    [
        ("yolov8_n", Inputs(pictures=[Path("a.jpg")]), {"drawn": "outputs"}),
        ("yolov8_n", Inputs(source=CAMERA, frames=9), {"film": "drawn.mjpeg"}),
        ("yolov8_n", Inputs(source=CAMERA), {}),
        ("yolov8_n", Inputs(source=FILM), {"film": "drawn.mjpeg"}),
        ("yolov8_n_bytetrack", Inputs(pictures=[Path("a.jpg")]), {"film": "drawn.mjpeg"}),
        ("squeezenet1_1", Inputs(pictures=[Path("a.jpg")]), {}),
    ],
)
def test_pictures_are_drawn_one_by_one_and_what_moves_as_a_film(
    name: str, shown: Inputs, where: dict[str, str]
) -> None:
    assert drawing_options(load_model(name), shown) == where


@pytest.mark.parametrize("name", [n for n in model_names() if load_model(n).task != "track"])
def test_the_work_of_a_board(name: str, picture: str) -> None:
    rules = load_model(name)
    shown = Inputs(pictures=[Path(picture)])
    todo = make_command(rules, shown, PredictOptions(drawn="outputs"))
    assert todo.verb == rules.task
    assert todo.what.inputs == {"0000.jpg": picture}
    assert todo.inputs
    assert list(todo.arguments[-2:]) == ["--", f"../../releases/{todo.inputs.id}"]
    assert todo.allow_bad_inputs
    assert not todo.measured


def test_the_camera_needs_nothing_pushed() -> None:
    shown = Inputs(source=CAMERA, frames=9)
    feed = plan_feed(shown, Decoder(place="board", program="rpicam-vid"))
    options = PredictOptions(preview="yolov8_n on pi5")
    todo = make_command(load_model("yolov8_n"), shown, options, feed)
    assert todo.inputs is None
    words = list(todo.arguments)
    assert words[words.index("--stdin") :] == LIVE_WORDS
    assert words[words.index("--preview") :][:3] == ["--preview", "0", "--preview-title"]
    count, program, *_ = todo.stdin_from[4:]
    assert todo.stdin_from[3] == "feed"
    assert program == "rpicam-vid"
    assert int(count) == len(todo.stdin_from[5:])
    assert todo.what.shown == "9 frames of the camera"
    assert todo.what.live


@pytest.mark.parametrize(
    ("more", "frames"),
    [
        ({"input": ["camera"]}, 300),
        ({"input": ["camera"], "preview": True}, None),
        ({"input": ["0"]}, None),
        ({"input": ["rtsp://cam/a"]}, None),
        ({"input": ["0"], "frames": "7"}, 7),
    ],
)
def test_the_frames_of_what_goes_on(more: dict[str, Any], frames: int | None) -> None:
    assert chosen("yolov8_n", **more).frames == frames


def test_a_dry_run_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    run("yolov8_n", input=["rtsp://me:s3cret@192.0.2.1/a"], dry_run=True)
    out = capsys.readouterr().out
    assert "run on rtsp://me:***@192.0.2.1/a: yolov8_n" in out


def test_a_dry_run_says_where_a_stream_is_decoded(capsys: pytest.CaptureFixture[str]) -> None:
    stream = "rtsp://me:s3cret@192.0.2.1/a"
    run("yolov8_n", input=[stream], decode="board", host=["emulated:rpi5"], dry_run=True)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "emulated:rpi5: rtsp://me:***@192.0.2.1/a is decoded on the board by ffmpeg or GStreamer"
    ]
    run("yolov8_n", input=["camera"], dry_run=True)
    assert capsys.readouterr().out.endswith("decoded on the board by rpicam-vid or libcamera-vid\n")
    with pytest.raises(WrongInput, match="the camera is the board's"):
        run("yolov8_n", input=["camera"], decode="here", dry_run=True)


def test_where_it_is_decoded_is_chosen_or_refused() -> None:
    assert chosen("yolov8_n", decode="here").place == "here"
    assert chosen("yolov8_n", decode="here").as_stream
    assert chosen("yolov8_n").place is None
    with pytest.raises(WrongInput, match="there"):
        chosen("yolov8_n", decode="there")

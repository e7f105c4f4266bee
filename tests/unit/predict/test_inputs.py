"""What can be shown to a model, and what travels of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from piyard.core import download
from piyard.core.download import CONNECT_S
from piyard.core.errors import DownloadFailed, WrongInput
from piyard.predict import command, files
from piyard.predict.command import (
    Inputs,
    check_inputs,
    input_names,
    make_release,
    open_inputs,
)
from piyard.predict.decoders import Decoder
from piyard.predict.feed import plan_feed
from piyard.predict.files import FILM_NAME, TRIES, StreamFound, fetch_picture, plain_name
from piyard.predict.sources import Source
from tests.support import file_server


def picture(form: str = "JPEG", size: tuple[int, int] = (8, 6)) -> bytes:
    result = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(result, form)
    return result.getvalue()


def put(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(picture() + name.encode())
    return [folder / name for name in names]


def shown(*texts: str | Path, frames: int | None = None) -> Inputs:
    with open_inputs([str(text) for text in texts], frames) as inputs:
        return inputs


def test_files_folders_and_globs_in_the_order_they_were_named(tmp_path: Path) -> None:
    a, b, c = put(tmp_path / "x", "b.jpg", "a.PNG", "c.jpeg")
    (tmp_path / "x" / "notes.txt").write_text("no picture")
    assert shown(c, tmp_path / "x").pictures == [c, b, a, c]
    assert shown(tmp_path / "x" / "*.jp*g").pictures == [a, c]


def test_a_glob_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "x", "b.jpg", "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert shown("x/*.jpg").pictures == [Path("x/a.jpg"), Path("x/b.jpg")]


def test_a_name_that_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (odd, _) = put(tmp_path / "x", "[1].jpg", "1.jpg")
    assert shown(odd).pictures == [odd]


@pytest.mark.parametrize("text", ["none.jpg", "*.jpg", "nowhere/*.png"])
def test_what_is_not_there_is_said_by_its_name(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongInput, match="no such picture") as error:
        check_inputs([text])
    assert text in error.value.what


def test_nothing_named_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="no --input"):
        check_inputs([])
    with pytest.raises(WrongInput, match="has no readable picture"):
        check_inputs([str(tmp_path)])


def test_more_pictures_than_a_command_line_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "x", "a.jpg", "b.jpg", "c.jpg")
    monkeypatch.setattr(command, "MOST_PICTURES", 2)
    with pytest.raises(WrongInput, match="3 pictures are more than the 2"):
        shown(tmp_path / "x")


def test_what_travels_is_numbered_and_known_again(tmp_path: Path) -> None:
    single, two = put(tmp_path / "x", "dog; rm -rf ~.jpg", "$(cat).txt")
    inputs = Inputs(pictures=[single, two, single])
    sent = make_release(inputs)
    assert [file.name for file in sent.files] == ["0000.jpg", "0001.jpg", "0002.jpg"]
    assert input_names(inputs) == {
        "0000.jpg": str(single),
        "0001.jpg": str(two),
        "0002.jpg": str(single),
    }


@given(count=st.integers(1, 12_000))
def test_numbers_sort_as_they_count(count: int) -> None:
    digits = max(4, len(str(count - 1)))
    few = sorted({0, 1, count // 2, count - 1})
    names = [f"{i:0{digits}d}.jpg" for i in few]
    assert names == sorted(names)


def test_the_camera_and_films_stand_alone(tmp_path: Path) -> None:
    (clip,) = put(tmp_path / "x", "clip.mjpeg")
    for texts in (["camera", str(clip)], [str(clip), str(clip)]):
        with pytest.raises(WrongInput, match="cannot be combined"):
            check_inputs(texts)
    assert shown("camera", frames=7) == Inputs(source=Source(kind="camera"), frames=7)


def test_a_film_of_jpegs_travels_as_it_is(tmp_path: Path) -> None:
    (clip,) = put(tmp_path / "x", "clip.MJPEG")
    with open_inputs([str(clip)], 3) as inputs:
        feed = plan_feed(inputs)
    assert feed.release
    assert [(file.name, file.path) for file in feed.release.files] == [(FILM_NAME, clip)]
    assert feed.arguments == ["--stdin", "mjpeg", "--stop-after", "3"]
    assert feed.stdin_from[:2] == ["sh", "-c"]
    assert feed.stdin_from[-1] == f"../../releases/{feed.release.id}/{FILM_NAME}"
    assert inputs.title == "clip.MJPEG"


FFMPEG = """#!/bin/sh
printf '%s\\n' "$@" > "$(dirname "$0")/asked"
cat "$(dirname "$0")/frame.jpg"
"""


def fake_ffmpeg(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    (folder / "ffmpeg").write_text(text)
    (folder / "ffmpeg").chmod(0o700)
    (folder / "frame.jpg").write_bytes(picture())
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_a_video_is_unpacked_by_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = fake_ffmpeg(tmp_path / "tools", FFMPEG, monkeypatch)
    (video,) = put(tmp_path / "x", "-i concat:a.mp4")
    with open_inputs([str(video)], 9) as inputs:
        assert inputs.unpack
        assert not (tools / "asked").exists()
        mjpeg = inputs.unpack()
        assert mjpeg.read_bytes() == picture()
        assert inputs.unpack() == mjpeg
    assert not mjpeg.parent.exists()
    request = (tools / "asked").read_text().splitlines()
    assert f"file:{video}" in request
    assert request[request.index("-frames:v") + 1] == "9"


def test_a_video_that_ffmpeg_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path / "tools", "#!/bin/sh\necho 'moov atom' >&2; exit 1\n", monkeypatch)
    (video,) = put(tmp_path / "x", "clip.avi")
    with (
        open_inputs([str(video)]) as inputs,
        pytest.raises(WrongInput, match="ffmpeg cannot read") as error,
    ):
        plan_feed(inputs, Decoder(place="here", program="ffmpeg"))
    assert "moov atom" in error.value.evidence


@pytest.mark.parametrize("kind", ["video/mp4", "multipart/x-mixed-replace; boundary=x"])
def test_an_address_that_leads_to_a_stream_is_one(kind: str) -> None:
    def stream(handler: file_server.Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()

    with file_server.serving(b"") as server:
        server.acts += [stream, stream]
        with pytest.raises(StreamFound):
            fetch_picture(server.url("?action=stream"))
        result = shown(server.url("?action=stream"))
        assert result.source == Source(kind="stream", location=server.url("?action=stream"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BACK_OFF_S", 0.0)


@pytest.mark.parametrize(("form", "ending"), [("JPEG", ".jpg"), ("PNG", ".png")])
def test_a_picture_from_the_web_is_named_after_what_it_is(form: str, ending: str) -> None:
    with file_server.serving(picture(form)) as server:
        (pictures,) = shown(server.url("My%20dog;%00.webp?a=/../b")).pictures
    assert pictures.name == f"My-dog{ending}"
    assert pictures.read_bytes() == server.body


@given(st.text(max_size=80))
def test_no_address_becomes_a_name_with_a_meaning(text: str) -> None:
    name = plain_name(f"http://127.0.0.1/{text}")
    assert name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert not name.startswith("-")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>no</html>", "not a picture"),
        (b"", "not a picture"),
        (picture(size=(300, 300))[:-400], "not a picture"),
        (picture("GIF"), "it is a GIF"),
    ],
)
def test_what_is_no_picture_is_not_shown(body: bytes, why: str) -> None:
    with file_server.serving(body) as server, pytest.raises(DownloadFailed) as error:
        fetch_picture(server.url("a.jpg"))
    assert why in error.value.evidence


def test_a_picture_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_DOWNLOAD", 1000)
    with file_server.serving(bytes(5000)) as server, pytest.raises(DownloadFailed) as error:
        fetch_picture(server.url())
    assert "larger than" in error.value.evidence


def test_a_length_that_is_not_told_is_bounded_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "LARGEST_DOWNLOAD", 1000)

    def untold(handler: file_server.Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(bytes(200_000))

    with file_server.serving(b"") as server:
        server.acts.append(untold)
        with pytest.raises(DownloadFailed) as error:
            fetch_picture(server.url())
    assert "larger than" in error.value.evidence


def test_a_server_that_stumbles_is_asked_again_and_a_missing_one_is_not() -> None:
    with file_server.serving(picture()) as server:
        server.acts += [file_server.status(503), file_server.cut]
        assert fetch_picture(server.url("a.jpg")).is_file()
        assert len(server.times) == 3
        server.acts.append(file_server.status(404))
        with pytest.raises(DownloadFailed) as error:
            fetch_picture(server.url("b.jpg"))
    assert "404" in error.value.evidence
    assert len(server.times) == 4


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server.serving(b"") as server:
        url = server.url()
    with pytest.raises(DownloadFailed, match="cannot be shown") as error:
        fetch_picture(url)
    assert f"tried {TRIES} times" in error.value.evidence
    assert CONNECT_S


def test_pictures_are_opened_by_nnrun(tmp_path: Path) -> None:
    pictures = Inputs(pictures=put(tmp_path / "x", "a.jpg"))
    feed, sent = plan_feed(pictures), make_release(pictures)
    assert (feed.release, feed.stdin_from, feed.relay) == (sent, (), ())
    assert feed.arguments == ["--", f"../../releases/{sent.id}"]

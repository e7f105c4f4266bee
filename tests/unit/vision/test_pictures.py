"""Every picture of a folder is read, or counted; what the desktop sees is what travels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from piyard.core import paths
from piyard.core.errors import WrongInput
from piyard.data.imagenet import read_imagenet
from piyard.data.request import DataRequest
from piyard.evaluate.matching import match_picture_classes
from piyard.predict import command
from piyard.predict.command import Inputs, check_inputs, input_names, make_release, open_inputs
from piyard.vision.pictures import (
    NNRUN_MAGIC,
    list_pictures,
    list_subfolders,
    read_picture,
    read_picture_size,
    summarise_suffixes,
    unreadable_pictures,
)

FORMATS = ("jpg", "JPEG", "png", "bmp", "webp", "tif", "TIFF", "gif", "PPM")


def draw(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), (200, colour, 90)).save(path)
    return path


def levels(path: Path) -> list[list[list[int]]]:
    result: list[list[list[int]]] = np.asarray(read_picture(path)).tolist()
    return result


def test_all_formats_and_upper_case_endings(tmp_path: Path) -> None:
    result = [draw(tmp_path / f"p{i}.{each}", i) for i, each in enumerate(FORMATS)]
    for name in (".hidden.jpg", "._p0.jpg", "notes.txt", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "x.jpg").mkdir()
    bare = draw(tmp_path / "bare.png").rename(tmp_path / "bare")
    pictures = list_pictures(tmp_path)
    assert pictures.pictures == sorted([*result, bare])
    assert pictures.left_out == []


def test_pictures_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    for name in ("a.heic", "b.HEIC", "c.svg"):
        (tmp_path / name).write_bytes(b"x")
    pictures = list_pictures(tmp_path)
    assert pictures.pictures == []
    assert (
        summarise_suffixes(pictures.left_out)
        == f"2 .heic, 1 .svg, for example {tmp_path / 'a.heic'}"
    )


def test_folders_within_and_what_archivers_leave(tmp_path: Path) -> None:
    below = draw(tmp_path / "cat" / "images" / "a.webp")
    draw(tmp_path / "__MACOSX" / "a.jpg")
    draw(tmp_path / ".ipynb_checkpoints" / "a.jpg")
    assert list_subfolders(tmp_path) == [tmp_path / "cat"]
    assert list_pictures(tmp_path / "cat", deep=True).pictures == [below]
    assert list_pictures(tmp_path / "cat").pictures == []


def test_names_of_old_archives_can_be_shown_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive of a Chinese Windows has names in GBK."""
    folder = tmp_path / os.fsdecode("鲨".encode("gbk"))
    try:
        path = draw(folder / os.fsdecode("狗.bmp".encode("gbk")))
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 only: {error}")
    (text,) = input_names(Inputs(pictures=[path])).values()
    assert text.endswith(r"\xf6\xe8/\xb9\xb7.bmp")
    data = read_imagenet(DataRequest(path=tmp_path))
    with pytest.raises(WrongInput) as error_:
        match_picture_classes(data, ["鲨"])
    print(error_.value, summarise_suffixes([path]))
    assert r"'\xf6\xe8' is the first" in capsys.readouterr().out


def test_frames_come_as_they_are_numbered(tmp_path: Path) -> None:
    """A tracker that is shown a folder follows from one to the next."""
    result = [draw(tmp_path / f"f{n}.png") for n in (1, 2, 9, 10, 11, 100)]
    assert list_pictures(tmp_path).pictures == result
    for texts in ([str(tmp_path)], [str(tmp_path / "*.png")]):
        with open_inputs(texts) as shown:
            assert shown.pictures == result


def test_links_are_followed_once_and_counted_where_they_lead_nowhere(tmp_path: Path) -> None:
    draw(tmp_path / "real" / "a.jpg")
    cat = tmp_path / "cat"
    cat.mkdir()
    (cat / "more").symlink_to(tmp_path / "real")
    (cat / "round").symlink_to(cat)
    (cat / "gone.jpg").symlink_to(tmp_path / "none.jpg")
    pictures = list_pictures(cat, deep=True)
    assert pictures == ([cat / "more" / "a.jpg"], [cat / "gone.jpg"])


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="cannot be read: No such file"):
        list_pictures(tmp_path / "none")


@pytest.mark.parametrize("ending", ["bmp", "webp", "tif", "gif"])
def test_what_nnrun_cannot_decode_travels_as_png_with_the_same_levels(
    tmp_path: Path, ending: str
) -> None:
    path = draw(tmp_path / f"my picture.{ending}")
    shown = Inputs(pictures=[path])
    (sent,) = make_release(shown).files
    assert sent.name == "0000.png"
    assert sent.path.read_bytes().startswith(NNRUN_MAGIC[1])
    assert levels(sent.path) == levels(path)
    assert input_names(shown) == {"0000.png": str(path)}
    assert sent.path.is_relative_to(paths.cache())


def test_a_picture_is_what_it_holds_and_not_what_it_is_called(tmp_path: Path) -> None:
    """Browsers save WebP as .jpg."""
    path = draw(tmp_path / "a.webp").rename(tmp_path / "a.jpg")
    (sent,) = make_release(Inputs(pictures=[path])).files
    assert levels(sent.path) == levels(path)
    assert sent.path.read_bytes().startswith(NNRUN_MAGIC[1])


def test_jpeg_and_png_travel_as_they_are_and_so_does_what_is_no_picture(tmp_path: Path) -> None:
    broken = tmp_path / "broken.webp"
    broken.write_bytes(b"RIFF....WEBP and no more")
    for path in (draw(tmp_path / "a.jpg"), draw(tmp_path / "b.png"), broken):
        (sent,) = make_release(Inputs(pictures=[path])).files
        assert sent.path == path


def test_a_turned_picture_is_turned_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.webp"
    Image.new("RGB", (12, 8)).save(path, lossless=True, exif=exif)
    (sent,) = make_release(Inputs(pictures=[path])).files
    assert read_picture(path).size == read_picture(sent.path).size == (8, 12)


def test_an_animation_shows_its_first_frame(tmp_path: Path) -> None:
    red, blue = (Image.new("RGB", (6, 6), colour) for colour in ("red", "blue"))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue], duration=50)
    assert levels(tmp_path / "a.gif")[0][0] == [255, 0, 0]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_of_16_bits_the_upper_8_count_as_on_a_board(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.array([[0, 255, 256, 1000, 32768, 65535]], np.uint16)).save(path)
    assert [pixel[0] for pixel in levels(path)[0]] == [0, 0, 1, 3, 128, 255]


def test_levels_without_a_scale_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 300.0]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(WrongInput, match="32 bits"):
        read_picture(tmp_path / "a.tif")


def test_a_folder_that_holds_only_what_cannot_be_read_says_what(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(WrongInput, match="has no readable picture") as error:
        check_inputs([str(tmp_path)])
    assert "1 .heic" in error.value.evidence


def test_what_is_left_out_of_a_folder_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = draw(tmp_path / "a.bmp"), draw(tmp_path / "b.webp")
    (tmp_path / "c.heic").write_bytes(b"x")
    draw(tmp_path / "more" / "d.jpg")
    with open_inputs([str(tmp_path)]) as shown:
        assert shown.pictures == [a, b]
    err = capsys.readouterr().err
    assert "1 .heic" in err
    assert str(tmp_path / "more") in err


def test_frames_hold_for_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = [draw(tmp_path / f"{i}.jpg") for i in range(5)]
    monkeypatch.setattr(command, "MOST_PICTURES", 3)
    with open_inputs([str(tmp_path)], 2) as shown:
        assert shown.pictures == result[:2]


def test_a_size_is_the_upright_pictures_and_needs_the_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for orientation, size in ((1, (30, 20)), (6, (20, 30)), (8, (20, 30))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (30, 20)).save(path, exif=exif)
        assert read_picture_size(path) == read_picture(path).size == size
    path.write_bytes(path.read_bytes()[:-5])
    assert read_picture_size(path) == (20, 30)
    path.write_bytes(b"\xff\xd8\xff")
    assert list(unreadable_pictures([path])) == [path]

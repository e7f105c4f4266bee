"""Lists of class names in whatever encoding, and which class a name means."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from piyard.convert.own.name_lists import read_names
from piyard.core.errors import WrongInput
from piyard.core.labels import ClassNames, read_labels, read_numbered_labels
from piyard.core.parsing import read_text

CHINESE = ["猫", "狗", "大白鲨"]


def write(folder: Path, data: bytes) -> Path:
    path = folder / "names.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("names", [["cat", "dog", "Größe"], CHINESE])
def test_encodings_that_can_be_told(
    tmp_path: Path, encoding: str, newline: str, names: list[str]
) -> None:
    text = newline.join([*names, "", ""])
    data = text.encode(encoding)
    if encoding == "utf-32-be":  # without its mark nobody could
        data = b"\x00\x00\xfe\xff" + data
    assert read_labels(write(tmp_path, data)) == names


@pytest.mark.parametrize(
    ("encoding", "names", "shown"),
    [
        ("gbk", ["大白鲨", "猫"], "as GBK the line reads: 大白鲨"),
        ("big5", ["貓", "狗"], "as Big5 the line reads: 貓"),
        ("cp932", ["猫", "犬です"], "as Shift_JIS the line reads: 猫"),
        ("latin-1", ["café", "thé"], "as CP1252 the line reads: café"),
    ],
)
def test_an_encoding_that_can_only_be_guessed_is_refused_and_shown(
    tmp_path: Path, encoding: str, names: list[str], shown: str
) -> None:
    path = write(tmp_path, "\n".join(["cat", *names]).encode(encoding))
    with pytest.raises(WrongInput) as error:
        read_labels(path)
    assert f"{path}:2: byte 0x" in error.value.what
    assert shown in error.value.evidence
    assert "iconv -f" in error.value.remedy


@pytest.mark.parametrize(
    ("text", "where"),
    [("cat\n\ndog\n", ":2 is blank"), ("\ncat\n", ":1 is blank"), ("a\nb\x1b[31m\n", ":2 is not")],
)
def test_a_line_that_would_move_the_others_or_obey_is_named(
    tmp_path: Path, text: str, where: str
) -> None:
    with pytest.raises(WrongInput) as error:
        read_labels(write(tmp_path, text.encode()))
    assert where in error.value.what


def test_a_weights_file_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(WrongInput):
        read_labels(write(tmp_path, b"PK\x03\x04" + bytes(range(256)) * 3))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0: cat\n1: dog\n", ["cat", "dog"]),
        ("1: dog\n0: cat\n", ["cat", "dog"]),
        ("0 cat\n1 dog\n", ["cat", "dog"]),
        ("0\tcat\n1\tdog\n", ["cat", "dog"]),
        ("1. cat\n2. dog\n", ["cat", "dog"]),
        ("0,cat\n1,dog", ["cat", "dog"]),
        ('"cat"\n"dog"\n', ["cat", "dog"]),
        ("'cat',\n'dog'\n", ["cat", "dog"]),
        # What looks like a number and is part of the name.
        ("101 dalmatians\n300 spartans\n", ["101 dalmatians", "300 spartans"]),
        ("1 euro\n2 euro\n", ["1 euro", "2 euro"]),
        ("0\n1\n2\n", ["0", "1", "2"]),
        ("n01440764 tench, Tinca tinca\n", ["n01440764 tench, Tinca tinca"]),
    ],
)
def test_numbers_and_quotes_around_every_name_are_taken_off(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    assert read_numbered_labels(write(tmp_path, text.encode())) == names


def test_a_gap_in_the_numbers_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="number 1 is missing"):
        read_numbered_labels(write(tmp_path, b"0: cat\n2: dog\n"))


def test_a_users_list_becomes_a_plain_one(tmp_path: Path) -> None:
    path = write(tmp_path, "猫\r\nb\r\nc\r\n".encode("utf-16"))
    names = read_names("labels", str(path), "mine")
    assert (names.name, names.text, names.count) == ("mine-labels", "猫\nb\nc\n", 3)


def test_a_list_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="is not UTF-8"):
        read_names("labels", str(write(tmp_path, "大白鲨\n".encode("gbk"))), "mine")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="cannot be read"):
        read_text(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("cat", 0),
        ("Cat", 1),
        ("CAT FISH", 2),
        ("cat-fish", 2),
        ("T-shirt_top", 3),
        (unicodedata.normalize("NFD", "Größe"), 4),
        ("n01440764", 5),
        ("tench", 5),
        ("Tinca tinca", None),
        ("dog", None),
    ],
)
def test_which_class_a_name_means(name: str, index: int | None) -> None:
    reference = ["cat", "Cat", "cat_fish", "T-shirt/top", "Größe", "n01440764 tench, Tinca tinca"]
    assert ClassNames(reference).find(name) == index


def test_a_name_of_several_classes_is_refused() -> None:
    with pytest.raises(WrongInput, match=r"several classes: 0 .Cat., 1 .cat."):
        ClassNames(["Cat", "cat"]).find("CAT")
    with pytest.raises(WrongInput, match="several classes"):
        ClassNames(["crane", "crane"]).find("crane")

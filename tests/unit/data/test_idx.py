"""MNIST's format: two files a split."""

import gzip
from pathlib import Path

import pytest

from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.data.summary import summarise_data
from piyard.evaluate.matching import match_picture_classes
from piyard.vision.pictures import pixel_array, read_picture
from tests.support.data_sets import idx


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def opened(path: Path, split: str = "", limit: int | None = None) -> DataSet:
    return open_data(DataRequest(path=path, split=split, limit=limit))


def test_levels_and_classes_are_those_of_the_files(tmp_path: Path) -> None:
    data = opened(idx(tmp_path / "data", [7, 3, 7]))
    assert (data.format, data.numbers, data.split) == ("idx", [3, 7], "t10k")
    assert [truth for _, truth in data] == [1, 0, 1]
    # The support's picture number n has level 10 n + its column.
    assert pixel_array(read_picture(data.pictures[2]))[0, :, 0].tolist() == list(range(20, 28))
    assert dict(summarise_data(data).objects) == {"7": 2, "3": 1}


def test_unpacked_files_do_too_and_names_may_lie_beside_them(tmp_path: Path) -> None:
    folder = idx(tmp_path / "data", [0, 1], packed=False)
    (folder / "classes.txt").write_text("cat\ndog\n")
    assert opened(folder).classes == ["cat", "dog"]
    (folder / "classes.txt").write_text("cat\n")
    with pytest.raises(WrongInput, match="has 1 names, and there is a class 1"):
        opened(folder)


def test_each_split_is_a_pair_and_the_test_is_taken_first(tmp_path: Path) -> None:
    folder = idx(idx(tmp_path / "data", [0, 1]), [2, 3, 4], split="train")
    assert (opened(folder).split, opened(folder).splits) == ("t10k", ["t10k", "train"])
    assert opened(folder, "train").numbers == [2, 3, 4]
    assert opened(folder, "test").split == "t10k"


def test_of_a_limit_only_its_pictures_are_unpacked(tmp_path: Path) -> None:
    data = opened(idx(tmp_path / "data", [0] * 10), limit=2)
    assert [path.name for path in data.pictures] == ["000000.png", "000005.png"]
    assert len(list((tmp_path / "cache").rglob("*.png"))) == 2


def test_numbers_alone_are_not_taken_for_the_first_classes_of_another_model(tmp_path: Path) -> None:
    folder = idx(tmp_path / "data", [0, 2, 1])
    assert match_picture_classes(opened(folder), ["cat", "dog", "cow"]) == [0, 1, 2]
    with pytest.raises(WrongInput, match="0 to 2 without names of the model's, which knows 4"):
        match_picture_classes(opened(folder), ["cat", "dog", "cow", "hen"])
    (folder / "classes.txt").write_text("cat\ndog\ncow\n")
    assert match_picture_classes(opened(folder), ["cat", "dog", "cow", "hen"]) == [0, 1, 2]
    (folder / "classes.txt").write_text("shirt\nshoe\nbag\n")
    with pytest.raises(WrongInput, match="without names of the model's"):
        match_picture_classes(opened(folder), ["cat", "dog", "cow", "hen"])


def test_broken_files_are_named_in_one_line(tmp_path: Path) -> None:
    folder = idx(tmp_path / "data", [0, 1])
    images = folder / "t10k-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[:-12])
    with pytest.raises(WrongInput, match=r"t10k-images-idx3-ubyte.gz is not a readable idx file"):
        opened(folder)
    images.write_bytes(gzip.compress(gzip.decompress(whole)[:-1]))
    with pytest.raises(WrongInput, match="its header says 2 x 4 x 8, and 63 bytes follow"):
        opened(folder)
    images.write_bytes(gzip.compress(b"\x00\x00\x0d\x03" + gzip.decompress(whole)[4:]))
    with pytest.raises(WrongInput, match="does not begin as bytes with 3 sides do"):
        opened(folder)
    images.write_bytes(whole)
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(b"\x00\x00\x08\x01" + (3).to_bytes(4, "big") + b"\0\0\0"))
    with pytest.raises(WrongInput, match=r"has 2 pictures, and .*labels-idx1-ubyte.gz 3 classes"):
        opened(folder)

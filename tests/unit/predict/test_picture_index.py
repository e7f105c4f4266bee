"""An index of pictures: it grows by rows, survives being ended, and notices what is gone."""

from __future__ import annotations

import errno
import os

import msgspec
import numpy as np
import pytest

from piyard.core.errors import UnreadableLog, WrongInput
from piyard.predict.index_changes import compare_with_files
from piyard.predict.picture_index import IndexHead, open_index
from tests.support import file_systems

HEAD = IndexHead(model="clip_vit_b32", conversion="ab12", weights="random", values=4)


@pytest.fixture
def pictures(tmp_path):
    """Three files whose content is their name."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    files = [folder / f"{name}.jpg" for name in ("car", "cat", "dog")]
    for file in files:
        file.write_text(file.stem)
    return files


VECTORS = {"car": [1, 0, 0, 0], "cat": [0, 3, 4, 0], "dog": [0, 1, 0, 0]}


def grow(index, files, folders=()):
    changes = compare_with_files(index, files, folders)
    index.change([*changes.moved, *changes.gone])
    index.add([(each, np.array(VECTORS[each.file.stem], np.float32)) for each in changes.added])
    return changes


def names(hits):
    return [hit.path.rpartition("/")[2] for hit in hits]


def test_the_nearest_pictures_come_first(tmp_path, pictures):
    index = open_index(tmp_path / "index", HEAD)
    grow(index, pictures)
    hits = index.search(np.array([0, 2, 0, 0], np.float32), 2)
    assert names(hits) == ["dog.jpg", "cat.jpg"]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.6], abs=1e-3)
    assert names(index.search(np.array([0, 1, 0, 0]), 9, without=hits[0].sha256))[0] == "cat.jpg"


def test_what_is_there_is_not_encoded_again_and_a_new_one_adds_a_row(tmp_path, pictures):
    folder = tmp_path / "index"
    grow(open_index(folder, HEAD), pictures[:2])
    rows = (folder / "rows.f16").read_bytes()
    changes = grow(open_index(folder, HEAD), pictures)
    assert [each.file.stem for each in changes.added] == ["dog"]
    assert changes.indexed == 2
    assert (folder / "rows.f16").read_bytes()[: len(rows)] == rows
    assert len((folder / "rows.f16").read_bytes()) == len(rows) + 4 * 2
    assert len((folder / "pictures.jsonl").read_text().splitlines()) == 3


def test_one_content_has_one_row_wherever_it_is(tmp_path, pictures):
    copy = pictures[0].with_name("copy.jpg")
    copy.write_text("car")
    index = open_index(tmp_path / "index", HEAD)
    assert len(grow(index, [pictures[0], copy]).added) == 1
    assert not grow(index, [pictures[0], copy]).added


def test_a_picture_that_moved_keeps_its_row(tmp_path, pictures):
    index = open_index(tmp_path / "index", HEAD)
    grow(index, pictures)
    moved = pictures[0].rename(pictures[0].with_name("renamed.jpg"))
    changes = grow(index, [moved, *pictures[1:]], [moved.parent])
    assert (changes.added, changes.gone) == ([], [])
    again = open_index(tmp_path / "index")
    assert names(again.search(np.array([1, 0, 0, 0]), 1)) == ["renamed.jpg"]
    assert len(again.pictures) == 3


def test_removed_and_changed_pictures_are_noticed(tmp_path, pictures):
    index = open_index(tmp_path / "index", HEAD)
    grow(index, pictures)
    pictures[1].unlink()
    pictures[2].write_text("car, repainted")
    VECTORS["dog"] = [0, 0, 0, 1]
    changes = grow(index, [pictures[0], pictures[2]], [pictures[0].parent])
    assert len(changes.gone) == 2
    assert len(changes.added) == 1
    VECTORS["dog"] = [0, 1, 0, 0]
    assert names(index.search(np.array([0, 3, 4, 0]), 9)) == ["car.jpg", "dog.jpg"]
    pictures[1].write_text("cat")
    changes = grow(index, pictures[:2], [])
    assert (len(changes.moved), len(changes.added)) == (1, 0)
    assert names(index.search(np.array([0, 3, 4, 0]), 1)) == ["cat.jpg"]


def test_pictures_elsewhere_stay(tmp_path, pictures):
    index = open_index(tmp_path / "index", HEAD)
    grow(index, pictures)
    other = tmp_path / "other"
    other.mkdir()
    assert not grow(index, [], [other]).gone


@pytest.mark.parametrize("torn", [b'{"row":3,"sha', b"\0"])
def test_whatever_ended_the_program_the_rest_is_there(tmp_path, pictures, torn):
    """A row without its line, and a line that was not written to its end."""
    folder = tmp_path / "index"
    grow(open_index(folder, HEAD), pictures[:2])
    with (folder / "rows.f16").open("ab") as stream:
        stream.write(b"\1" * 11)
    with (folder / "pictures.jsonl").open("ab") as stream:
        stream.write(torn)
    index = open_index(folder, HEAD)
    assert len(index.pictures) == 2
    grow(index, pictures)
    again = open_index(folder, HEAD)
    assert names(again.search(np.array([0, 1, 0, 0]), 1)) == ["dog.jpg"]
    assert len(again.pictures) == 3


def leave(disk, room):
    """Fill the disk up to so many pages."""
    (disk / "filler").unlink(missing_ok=True)
    status = os.statvfs(disk)
    (disk / "filler").write_bytes(b"\0" * (status.f_bavail - room) * status.f_frsize)


@pytest.fixture
def many(tmp_path):
    """So many files that their lines need several pages."""
    folder = tmp_path / "many"
    folder.mkdir()
    files = [folder / f"{number:0100d}.jpg" for number in range(40)]
    for number, file in enumerate(files):
        file.write_text(str(number))
    return files


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_full_disk_takes_nothing_of_what_was_there(tmp_path, pictures, many, room):
    """Neither at once nor when there is room again: a line may have been written in part."""
    with file_systems.mounted(tmp_path / "disk") as disk:
        folder = disk / "index"
        index = open_index(folder, HEAD)
        grow(index, pictures)
        vectors = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
        added = compare_with_files(index, many, []).added
        leave(disk, room)
        with pytest.raises(OSError, match="No space left") as caught:
            index.add(list(zip(added, vectors, strict=True)))
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(folder))
        for later in (index, open_index(folder)):
            assert names(later.search(np.array([0, 1, 0, 0]), 99))[0] == "dog.jpg"
        leave(disk, 1000)
        index.add(list(zip(added, vectors, strict=True)))
        again = open_index(folder)
        assert len(again.pictures) == 43
        for picture, vector in zip(added, vectors, strict=True):
            assert again.search(vector, 1)[0].sha256 == picture.sha256
        assert names(again.search(np.array([0, 1, 0, 0]), 1)) == ["dog.jpg"]


def test_an_index_may_be_searched_while_another_program_writes(tmp_path, pictures):
    folder = tmp_path / "index"
    grow(open_index(folder, HEAD), pictures)
    with (folder / "pictures.jsonl").open("ab") as stream:
        stream.write(b'{"row":3,"sha256":')
    half = (folder / "pictures.jsonl").read_bytes()
    assert names(open_index(folder).search(np.array([1, 0, 0, 0]), 1)) == ["car.jpg"]
    assert (folder / "pictures.jsonl").read_bytes() == half


def test_another_model_is_refused_in_words(tmp_path):
    open_index(tmp_path / "index", HEAD)
    for other, words in (
        ({"model": "tinyclip"}, "is of clip_vit_b32, whose rows mean nothing to tinyclip"),
        ({"weights": "40d36571"}, "with other weights: random, and not 40d36571"),
        ({"conversion": "cd34"}, "is of another conversion of clip_vit_b32: ab12"),
    ):
        with pytest.raises(WrongInput, match=words):
            open_index(tmp_path / "index", msgspec.structs.replace(HEAD, **other))


def test_damage_is_said_in_a_line(tmp_path, pictures):
    folder = tmp_path / "index"
    with pytest.raises(WrongInput, match="there is no index"):
        open_index(folder)
    grow(open_index(folder, HEAD), pictures)
    lines = (folder / "pictures.jsonl").read_text()
    (folder / "pictures.jsonl").write_text("nonsense\n" + lines)
    with pytest.raises(UnreadableLog, match=r"pictures\.jsonl:1 is damaged"):
        open_index(folder)
    (folder / "pictures.jsonl").write_text(lines)
    (folder / "rows.f16").write_bytes(b"\0" * 8)
    with pytest.raises(UnreadableLog, match="has 1 rows, and 3 are listed"):
        open_index(folder)
    (folder / "head.json").write_text("{")
    with pytest.raises(UnreadableLog, match=r"head\.json is damaged"):
        open_index(folder)


def test_an_empty_index_finds_nothing(tmp_path):
    assert open_index(tmp_path / "index", HEAD).search(np.ones(4, np.float32), 5) == []

"""The store: made once, complete or absent."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core import paths
from piyard.core.errors import UnreadableLog
from piyard.core.files import sha256_of_file, sha256_of_folder
from piyard.core.store import (
    MANIFEST,
    Manifest,
    StoredFile,
    find_artifact,
    get_or_make,
    key_of,
    read_files,
    read_manifest,
)


class Inputs(Manifest, frozen=True):
    inputs: dict[str, int]


def filler(content: bytes = b"x") -> Any:
    def make(folder: Path) -> Manifest:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_bytes(content)
        return Inputs(inputs={"a": 1})

    return make


def test_makes_once_and_finds_again() -> None:
    folder, fresh = get_or_make("shelf", "key", filler())
    again, fresh_again = get_or_make("shelf", "key", filler(b"other"))
    assert (fresh, fresh_again) == (True, False)
    assert again == folder
    assert (folder / "sub" / "file").read_bytes() == b"x"


def test_the_manifest_lists_each_file_with_its_digest() -> None:
    folder, _ = get_or_make("shelf", "key", filler())
    digest = sha256_of_file(folder / "sub" / "file")
    assert read_manifest(folder, Inputs).inputs == {"a": 1}
    assert read_files(folder) == {"sub/file": StoredFile(bytes=1, sha256=digest)}
    assert json.loads((folder / MANIFEST).read_text()) == {
        "inputs": {"a": 1},
        "files": {"sub/file": {"bytes": 1, "sha256": digest}},
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is damaged"),
        ('{"files": 1}', "is damaged: Expected `object`"),
        ('{"files": {}, "inputs": {"a": "x"}}', r"is damaged: Expected `int`, got `str` .*inputs"),
        ('{"files": {}, "inputs": {}, "schema": 2}', "of a newer piyard: its schema is 2"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_a_manifest_of_another_shape_is_one_line(content: str, problem: str) -> None:
    folder, _ = get_or_make("shelf", "key", filler())
    (folder / MANIFEST).write_text(content)
    with pytest.raises(UnreadableLog, match=problem) as caught:
        read_manifest(folder, Inputs)
    assert len(caught.value.what.splitlines()) == 1


def test_a_second_schema_is_written_down() -> None:
    class Second(Inputs, frozen=True):
        SCHEMA = 2

    folder, _ = get_or_make("shelf", "key", lambda _: Second(inputs={"a": 1}))
    assert json.loads((folder / MANIFEST).read_text())["schema"] == 2
    assert read_manifest(folder, Second) == Second(inputs={"a": 1})


def test_nothing_is_left_when_making_fails() -> None:
    def fail(folder: Path) -> Manifest:
        (folder / "half").write_text("written")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        get_or_make("shelf", "key", fail)
    assert find_artifact("shelf", "key") is None
    assert list((paths.artifacts() / "shelf").iterdir()) == []


@pytest.mark.parametrize("damage", ["file gone", "file cut", "manifest gone", "manifest cut"])
def test_a_damaged_folder_is_made_again(damage: str) -> None:
    folder, _ = get_or_make("shelf", "key", filler(b"whole"))
    victim = folder / ("sub/file" if damage.startswith("file") else MANIFEST)
    if damage.endswith("gone"):
        victim.unlink()
    else:
        victim.write_bytes(b"{")
    again, fresh = get_or_make("shelf", "key", filler(b"whole"))
    assert fresh
    assert (again / "sub" / "file").read_bytes() == b"whole"


def test_two_makers_of_one_key_make_it_once() -> None:
    result = []

    def make(folder: Path) -> Manifest:
        result.append(folder)
        threading.Event().wait(0.05)
        return Manifest()

    threads = [threading.Thread(target=get_or_make, args=("shelf", "key", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(result) == 1


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans())))
def test_a_key_depends_on_content_not_on_order(inputs: dict[str, Any]) -> None:
    backwards = dict(reversed(list(inputs.items())))
    assert key_of(inputs) == key_of(backwards)
    assert key_of(inputs) != key_of(inputs | {"one more": 1})


def test_a_tree_digest_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = sha256_of_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256_of_folder(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, sha256_of_folder(tmp_path)}) == 3

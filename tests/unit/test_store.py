"""The store: made once, complete or absent."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard import digest, paths, store


def filler(content: bytes = b"x") -> Any:
    def make(folder: Path) -> dict[str, Any]:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_bytes(content)
        return {"inputs": {"a": 1}}

    return make


def test_makes_once_and_finds_again() -> None:
    folder, fresh = store.get_or_make("shelf", "key", filler())
    again, fresh_again = store.get_or_make("shelf", "key", filler(b"other"))
    assert (fresh, fresh_again) == (True, False)
    assert again == folder
    assert (folder / "sub" / "file").read_bytes() == b"x"


def test_the_manifest_lists_each_file_with_its_digest() -> None:
    folder, _ = store.get_or_make("shelf", "key", filler())
    content = store.manifest(folder)
    assert content["inputs"] == {"a": 1}
    assert content["files"] == {
        "sub/file": {"bytes": 1, "sha256": digest.of_file(folder / "sub" / "file")}
    }


def test_nothing_is_left_when_making_fails() -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("written")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        store.get_or_make("shelf", "key", fail)
    assert store.find("shelf", "key") is None
    assert list((paths.artifacts() / "shelf").iterdir()) == []


@pytest.mark.parametrize("damage", ["file gone", "file cut", "manifest gone", "manifest cut"])
def test_a_damaged_folder_is_made_again(damage: str) -> None:
    folder, _ = store.get_or_make("shelf", "key", filler(b"whole"))
    victim = folder / ("sub/file" if damage.startswith("file") else store.MANIFEST)
    if damage.endswith("gone"):
        victim.unlink()
    else:
        victim.write_bytes(b"{")
    again, fresh = store.get_or_make("shelf", "key", filler(b"whole"))
    assert fresh
    assert (again / "sub" / "file").read_bytes() == b"whole"


def test_two_makers_of_one_key_make_it_once() -> None:
    made = []

    def make(folder: Path) -> dict[str, Any]:
        made.append(folder)
        threading.Event().wait(0.05)
        return {}

    threads = [
        threading.Thread(target=store.get_or_make, args=("shelf", "key", make)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans())))
def test_a_key_depends_on_content_not_on_order(inputs: dict[str, Any]) -> None:
    backwards = dict(reversed(list(inputs.items())))
    assert store.key_of(inputs) == store.key_of(backwards)
    assert store.key_of(inputs) != store.key_of(inputs | {"one more": 1})


def test_a_tree_digest_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest.of_tree(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = digest.of_tree(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, digest.of_tree(tmp_path)}) == 3

"""Patches of the pinned source: each has a reason, names the build, and fits or says where not."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from piyard.build.source import apply_patches, load_patches, load_source, patch_digests
from piyard.core.errors import BuildFailed, WrongInput

OLD = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"
NEW = OLD.replace("two\n", "2\n").replace("nine\n", "nine\nand a half\n")
REASON = "Why it is so.\n\n"


def diff(name: str, old: str, new: str, context: int = 1) -> str:
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    former = f"a/{name}" if old else "/dev/null"
    return "".join(difflib.unified_diff(before, after, former, f"b/{name}", n=context))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patches").mkdir()
    return tmp_path / "patches"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "net.cpp").write_text(OLD)
    return tree


def apply(folder: Path, tree: Path) -> None:
    apply_patches(load_patches(folder), tree, "ncnn 1")


def test_lines_change_and_files_come(folder: Path, tree: Path) -> None:
    text = diff("src/net.cpp", OLD, NEW) + diff("src/new.h", "", "-- a\n\n+ b\n")
    (folder / "01.patch").write_text(REASON + text)
    apply(folder, tree)
    assert (tree / "src" / "net.cpp").read_text() == NEW
    assert (tree / "src" / "new.h").read_text() == "-- a\n\n+ b\n"


def test_they_apply_in_the_order_of_their_names(folder: Path, tree: Path) -> None:
    last = NEW.replace("2\n", "II\n")
    (folder / "02.patch").write_text(REASON + diff("src/net.cpp", NEW, last))
    (folder / "01.patch").write_text(REASON + diff("src/net.cpp", OLD, NEW))
    apply(folder, tree)
    assert (tree / "src" / "net.cpp").read_text() == last


def test_lines_that_moved_are_found_where_they_are_alone(folder: Path, tree: Path) -> None:
    (folder / "01.patch").write_text(REASON + diff("src/net.cpp", OLD, NEW))
    (tree / "src" / "net.cpp").write_text("zero\n" + OLD)
    apply(folder, tree)
    assert (tree / "src" / "net.cpp").read_text() == "zero\n" + NEW


@pytest.mark.parametrize(
    "there", [OLD.replace("nine", "9"), "zero\n" + OLD + OLD], ids=["others", "twice"]
)
def test_one_that_does_not_fit_is_one_line_and_changes_nothing(
    folder: Path, tree: Path, there: str
) -> None:
    (folder / "01.patch").write_text(REASON + diff("src/net.cpp", OLD, NEW))
    (tree / "src" / "net.cpp").write_text(there)
    with pytest.raises(BuildFailed) as caught:
        apply(folder, tree)
    assert caught.value.what == (
        "01.patch does not apply to ncnn 1: src/net.cpp has other lines at line 9"
    )
    assert (tree / "src" / "net.cpp").read_text() == there


def test_a_file_that_is_gone_or_there_already_is_named(folder: Path, tree: Path) -> None:
    (folder / "01.patch").write_text(REASON + diff("src/mat.cpp", OLD, NEW))
    with pytest.raises(BuildFailed, match=r"src/mat\.cpp does not exist"):
        apply(folder, tree)
    (folder / "01.patch").write_text(REASON + diff("src/net.cpp", "", NEW))
    with pytest.raises(BuildFailed, match=r"src/net\.cpp exists already"):
        apply(folder, tree)


@pytest.mark.parametrize("text", ["", "only words\n", diff("src/net.cpp", OLD, NEW)])
def test_a_patch_says_why_it_is_there(folder: Path, text: str) -> None:
    (folder / "01.patch").write_text(text)
    with pytest.raises(WrongInput, match=r"01\.patch: a patch begins with its reason"):
        load_patches(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("b/src", "b/../.."),
        lambda text: text.replace("@@ -", "@@ x"),
        lambda text: text.replace(" three\n", "three\n"),
        lambda text: text[: text.index("@@")],
    ],
    ids=["outside", "header", "line", "empty"],
)
def test_what_is_no_diff_is_refused(folder: Path, spoil: Callable[[str], str]) -> None:
    (folder / "01.patch").write_text(REASON + spoil(diff("src/net.cpp", OLD, NEW)))
    with pytest.raises(WrongInput, match="not a unified diff"):
        load_patches(folder)


def test_they_are_part_of_what_names_a_source(folder: Path) -> None:
    (folder / "01.patch").write_text(REASON + diff("src/net.cpp", OLD, NEW))
    for name in ("sdist", "git"):
        pinned = load_source(name)
        other = msgspec.structs.replace(pinned, patches=load_patches(folder))
        assert pinned.identity != other.identity
        assert pinned.identity.patches == patch_digests(pinned.patches)


def test_those_of_this_project_have_reasons() -> None:
    assert [len(patch.reason) > 100 for patch in load_source().patches] == [True, True]

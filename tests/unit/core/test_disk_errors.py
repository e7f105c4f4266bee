"""Disks of this machine: another one, a full one, a read-only one, one that is gone."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from piyard.convert import lowering
from piyard.convert.lowering import kept_files, lower_program
from piyard.core.errors import ConversionFailed
from piyard.core.files import atomic_write, disk_error, move_file, scratch_folder, write_text
from piyard.core.store import Manifest, get_or_make
from tests.support import file_systems

NO_SPACE = "No space left"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    with file_systems.other_than(tmp_path) as place:
        yield place


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    with file_systems.full(tmp_path / "full") as place:
        yield place


def describe(error: OSError) -> str:
    return str(disk_error(error))


class TestAcrossFileSystems:
    def test_a_file_is_moved_and_the_old_one_replaced(self, tmp_path: Path, other: Path) -> None:
        (other / "a").write_bytes(b"new")
        (tmp_path / "b").write_bytes(b"old")
        with pytest.raises(OSError, match="cross-device"):
            (other / "a").rename(tmp_path / "b")
        move_file(other / "a", tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"new"
        assert not (other / "a").exists()
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_scratch_is_where_tmpdir_says_and_what_is_kept_is_moved(
        self, tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(other))

        def make(at: Path) -> Manifest:
            with scratch_folder("piyard-test-") as place:
                assert place.stat().st_dev == other.stat().st_dev != at.stat().st_dev
                (place / "made").write_text("made")
                move_file(place / "made", at / "made")
            return Manifest()

        folder, _ = get_or_make("shelf", "key", make)
        assert (folder / "made").read_text() == "made"
        assert list(other.iterdir()) == []

    def test_what_pnnx_leaves_reaches_another_disk_also_when_it_failed(
        self, tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (other / "program").write_text("#!/bin/sh\necho why\nexit 1\n")
        (other / "program").chmod(0o700)
        monkeypatch.setattr(lowering, "_pnnx_path", lambda: str(other / "program"))
        (other / "model.pt").touch()
        with pytest.raises(ConversionFailed, match="ended with code 1"):
            lower_program(other / "model.pt", [[1, 3, 8, 8]], tmp_path, half=False)
        assert (tmp_path / "model.pnnx.log").read_text() == "why\n"


class TestFull:
    def test_a_file_keeps_its_old_content_and_the_error_names_it(self, full: Path) -> None:
        (full / "filler").write_bytes(b"\0" * 100)
        write_text(full / "page", "old")
        fill(full)
        with pytest.raises(OSError, match=NO_SPACE) as caught, atomic_write(full / "page") as draft:
            draft.write_bytes(b"\0" * 100_000)
        assert describe(caught.value).startswith(f"piyard: {full / 'page'}: no room is left")
        assert (full / "page").read_text() == "old"
        assert sorted(path.name for path in full.iterdir()) == ["filler", "more", "page"]

    def test_an_artifact_is_absent_and_the_error_names_it_and_the_remedy(
        self, full: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (full / "filler").write_bytes(b"\0" * 1_900_000)
        monkeypatch.setenv("PIYARD_ARTIFACTS", str(full))

        def make(at: Path) -> Manifest:
            (at / "large").write_bytes(b"\0" * 1_000_000)
            return Manifest()

        with pytest.raises(OSError, match=NO_SPACE) as caught:
            get_or_make("shelf", "key", make)
        place = full / "shelf" / "key"
        assert describe(caught.value) == (
            f"piyard: {place}: no room is left on its disk\n"
            "  → make room there, or choose another place with PIYARD_ARTIFACTS"
        )
        assert list((full / "shelf").iterdir()) == []

    def test_whatever_a_tool_says_of_it_the_full_disk_is_why(self, full: Path) -> None:
        with pytest.raises(OSError, match=NO_SPACE) as caught, scratch_folder("x-", within=full):
            raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(full)

    def test_what_fails_on_a_disk_with_room_is_left_alone(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match="else"), scratch_folder("x-", within=tmp_path):
            raise RuntimeError("something else")

    def test_a_copy_that_finds_no_room_blames_where_it_was_to_go(
        self, full: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "weights").write_bytes(b"\0" * 3_000_000)
        with pytest.raises(OSError, match=NO_SPACE) as caught:
            shutil.copyfile(tmp_path / "weights", full / "copy")
        assert f"piyard: {full / 'copy'}: no room" in describe(caught.value)

    def test_a_converter_that_does_not_look_at_its_disk_is_looked_after(
        self, full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """pnnx ends well, and its files are cut."""
        cut = "".join(f": > {name}\n" for name in kept_files())
        (tmp_path / "pnnx").write_text(f"#!/bin/sh\n{cut}")
        (tmp_path / "pnnx").chmod(0o700)
        monkeypatch.setattr(lowering, "_pnnx_path", lambda: str(tmp_path / "pnnx"))
        with pytest.raises(OSError, match=NO_SPACE) as caught:
            lower_program(full / "model.pt", [[1, 3, 8, 8]], tmp_path, half=False)
        assert f"piyard: {full}: no room" in describe(caught.value)


def test_a_read_only_place_is_named(tmp_path: Path) -> None:
    with file_systems.read_only(tmp_path / "artifacts"):
        with pytest.raises(OSError, match="ead-only") as caught:
            get_or_make("shelf", "key", lambda _: Manifest())
        text = describe(caught.value)
    assert str(tmp_path / "artifacts") in text
    assert "read-only" in text
    assert "PIYARD_ARTIFACTS" in text


def test_a_place_that_vanished_is_named(tmp_path: Path) -> None:
    def make(at: Path) -> Manifest:
        shutil.rmtree(tmp_path / "artifacts")
        (at / "file").write_text("late")
        return Manifest()

    with pytest.raises(OSError, match="No such file") as caught:
        get_or_make("shelf", "key", make)
    assert f"{tmp_path / 'artifacts' / 'shelf' / 'key'}: it is gone" in describe(caught.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"),
        (errno.EDQUOT, "no room"),
        (errno.EIO, "Input/output error"),
        (errno.EMFILE, "ulimit"),
    ],
)
def test_other_refusals_are_one_line_with_the_path(code: int, said: str) -> None:
    text = describe(OSError(code, os.strerror(code), "/some/place"))
    assert "/some/place" in text
    assert said in text
    assert "→" in text


def test_an_error_that_is_not_the_systems_is_nobodys_disk() -> None:
    assert disk_error(OSError("a library's own")) is None


def test_a_report_to_a_device_leaves_the_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def fill(place: Path) -> None:
    with suppress(OSError), (place / "more").open("wb", buffering=0) as filler:
        while filler.write(b"\0" * 4096):
            pass

"""Files that are whole or absent, and locks between those who write them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from piyard import lock, whole
from piyard.errors import WrongInput

OLD, NEW = "old\n", "new\n"


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    whole.write(file, OLD)
    with whole.draft(file) as draft:
        draft.write_text("ne")
        assert file.read_text() == OLD
        draft.write_text(NEW)
    assert file.read_text() == NEW


def test_nothing_is_left_of_a_draft_that_failed(tmp_path: Path) -> None:
    whole.write(tmp_path / "file", OLD)

    def fail() -> None:
        with whole.draft(tmp_path / "file") as draft:
            draft.write_text("ne")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"file": OLD}


def test_two_drafts_of_one_file_in_one_process_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "file"
    with whole.draft(file) as first, whole.draft(file) as second:
        first.write_text(OLD)
        second.write_text(NEW)
    assert file.read_text() == OLD
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(WrongInput, match="cannot be written") as caught:
        whole.write(tmp_path / "taken" / "page.html", "text", remedy="name another")
    assert caught.value.remedy == "name another"


def test_a_folder_in_its_place_stays_and_no_draft_is_left(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(WrongInput, match="cannot be written"):
        whole.write(tmp_path / "page.html", "text")
    assert [left.name for left in tmp_path.iterdir()] == ["page.html"]


def test_a_lock_keeps_another_thread_waiting(tmp_path: Path) -> None:
    entered = Event()

    def enter() -> None:
        with lock.held(tmp_path / "locks" / "one"):
            entered.set()

    with ThreadPoolExecutor() as pool:
        with lock.held(tmp_path / "locks" / "one"):
            other = pool.submit(enter)
            assert not entered.wait(0.2)
        other.result(timeout=10)
    assert entered.is_set()


def test_a_lock_is_free_after_its_holder_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock.held(tmp_path / "one"):
        raise RuntimeError("in the middle")
    with lock.held(tmp_path / "one"):
        pass

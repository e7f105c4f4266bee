"""Files that are whole or absent, and locks between those who write them."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from piyard.core import cancel, store
from piyard.core.errors import WrongInput
from piyard.core.files import atomic_write, write_text
from piyard.core.store import file_lock
from tests.support import file_systems

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = "old\n", "new\n"


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_text(file, OLD)
    with atomic_write(file) as draft:
        draft.write_text("ne")
        assert file.read_text() == OLD
        draft.write_text(NEW)
    assert file.read_text() == NEW


def test_nothing_is_left_of_a_draft_that_failed(tmp_path: Path) -> None:
    write_text(tmp_path / "file", OLD)

    def fail() -> None:
        with atomic_write(tmp_path / "file") as draft:
            draft.write_text("ne")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"file": OLD}


def test_two_drafts_of_one_file_in_one_process_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "file"
    with atomic_write(file) as first, atomic_write(file) as second:
        first.write_text(OLD)
        second.write_text(NEW)
    assert file.read_text() == OLD
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(WrongInput, match="cannot be written") as caught:
        write_text(tmp_path / "taken" / "page.html", "text", remedy="name another")
    assert caught.value.remedy == "name another"


def test_a_folder_in_its_place_stays_and_no_draft_is_left(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(WrongInput, match="cannot be written"):
        write_text(tmp_path / "page.html", "text")
    assert [left.name for left in tmp_path.iterdir()] == ["page.html"]


def test_a_lock_keeps_another_thread_waiting(tmp_path: Path) -> None:
    entered = Event()

    def enter() -> None:
        with file_lock(tmp_path / "locks" / "one"):
            entered.set()

    with ThreadPoolExecutor() as pool:
        with file_lock(tmp_path / "locks" / "one"):
            other = pool.submit(enter)
            assert not entered.wait(0.2)
        other.result(timeout=10)
    assert entered.is_set()


def test_a_lock_is_free_after_its_holder_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), file_lock(tmp_path / "one"):
        raise RuntimeError("in the middle")
    with file_lock(tmp_path / "one"):
        pass


HOLDS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
from piyard.core.store import file_lock
with file_lock(Path(sys.argv.pop(1))):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(file: Path, *command: str) -> subprocess.Popen[str]:
    """Another process that holds the lock until its standard input ends."""
    running = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(ROOT), str(file), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout
    assert running.stdout.readline() == "held\n"
    return running


def test_who_waits_longer_than_a_moment_hears_for_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SILENT_WAIT_S", 0.2)
    first = holder(tmp_path / "lock", "convert", "--model", "resnet18")
    threading.Timer(1, first.communicate).start()
    with file_lock(tmp_path / "lock"):
        output = capsys.readouterr().err
    assert output.startswith("waiting for '-c convert --model resnet18' ")
    assert f"(process {first.pid}, since 20" in output
    assert f"which holds {tmp_path / 'lock'}" in output
    assert output.count("\n") == 1


def test_ctrl_c_ends_the_wait_for_another_process(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as first:
        second = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(ROOT), str(tmp_path / "lock")],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr
        assert second.stderr.readline().startswith("waiting for ")
        second.send_signal(signal.SIGINT)
        assert second.wait(10) != 0
        second.stderr.close()
        assert first.poll() is None
        first.communicate()


def test_ctrl_c_reaches_a_thread_that_waits_for_another_process(tmp_path: Path) -> None:
    """Python tells the main thread only; the others look whether it was told."""

    def wait() -> None:
        with file_lock(tmp_path / "lock"):
            pytest.fail("nobody let go of it")

    with holder(tmp_path / "lock") as first, ThreadPoolExecutor() as pool:
        try:
            waiting = pool.submit(wait)
            cancel.request()
            assert isinstance(waiting.exception(timeout=10), KeyboardInterrupt)
        finally:
            cancel.reset()
            first.communicate()


def test_a_lock_is_held_on_a_full_disk_too(tmp_path: Path) -> None:
    with file_systems.full(tmp_path / "full") as place:
        (place / "lock").touch()
        with (
            file_lock(place / "lock"),
            (place / "lock").open() as other,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

"""The board's side of a deploy, run here by a POSIX shell: the scripts are the protocol."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from piyard import deploy, ssh, store
from piyard.deploy import HOME
from piyard.errors import BoardCommandFailed, BoardDiskFull
from piyard.ssh import Outcome


class LocalBoard:
    """A session whose board is a folder here; counts what it was asked."""

    name = "local"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sent: list[str] = []

    def script(self, text: str, *arguments: str) -> Outcome:
        done = subprocess.run(
            ["sh", "-c", text, "piyard", *arguments],
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BoardCommandFailed("script failed", evidence=done.stderr)
        return Outcome(code=0, out=done.stdout, err=done.stderr)

    def put(self, local: Path, remote: str, on_bytes: Callable[[int, int], None]) -> None:
        shutil.copyfile(local, self.home / remote)
        on_bytes(local.stat().st_size, local.stat().st_size)
        self.sent.append(local.name)


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    (tmp_path / "board").mkdir()
    return LocalBoard(tmp_path / "board")


def artifact(key: str, **files: str) -> Path:
    def make(folder: Path) -> dict[str, str]:
        for name, content in files.items():
            (folder / name).write_text(content)
        return {}

    return store.get_or_make("things", key, make)[0]


def release(key: str = "one", **files: str) -> deploy.Release:
    return deploy.release_of((artifact(key, **files), sorted(files)))


def put(board: LocalBoard, what: deploy.Release) -> deploy.Deployed:
    return deploy.deploy(board, what)  # type: ignore[arg-type]


def test_a_release_holds_its_files_and_is_current(board: LocalBoard) -> None:
    what = release(nnrun="program", model="weights")
    done = put(board, what)
    assert (board.home / what.folder / "nnrun").read_text() == "program"
    assert (board.home / HOME / "current" / "model").read_text() == "weights"
    assert (done.sent, done.saved) == (len("program") + len("weights"), 0)


def test_an_unchanged_release_sends_nothing(board: LocalBoard) -> None:
    put(board, release(nnrun="program", model="weights"))
    board.sent.clear()
    done = put(board, release(nnrun="program", model="weights"))
    assert board.sent == []
    assert (done.sent, done.saved) == (0, 14)


def test_only_the_changed_file_travels(board: LocalBoard) -> None:
    put(board, release("one", nnrun="program", model="weights"))
    board.sent.clear()
    put(board, release("two", nnrun="program", model="other weights"))
    assert board.sent == ["model"]


def test_a_damaged_blob_is_sent_again_and_its_release_mended(board: LocalBoard) -> None:
    what = release(nnrun="program")
    put(board, what)
    blob = board.home / HOME / "blobs" / what.files[0].sha256
    blob.chmod(0o700)
    blob.write_text("rotten")
    put(board, what)
    assert (board.home / what.folder / "nnrun").read_text() == "program"
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == what.files[0].sha256


def test_bytes_that_change_on_the_way_never_become_a_blob(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = release(nnrun="program")

    def garble(_local: Path, remote: str, _on_bytes: object) -> None:
        (board.home / remote).write_text("garbled")

    monkeypatch.setattr(board, "put", garble)
    with pytest.raises(BoardCommandFailed, match="received"):
        put(board, what)
    assert list((board.home / HOME / "blobs").iterdir()) == []
    assert not (board.home / HOME / "current").exists()


def test_what_cannot_fit_is_not_sent(board: LocalBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "MISSING", 'echo "free 0"; shift; echo "missing $1"')
    with pytest.raises(BoardDiskFull, match="7 bytes are needed, 0 are free"):
        put(board, release(nnrun="program"))
    assert board.sent == []


def test_a_full_disk_has_its_own_exit_code() -> None:
    assert ssh.disk_full("pi", "no room").code == 12


@pytest.mark.parametrize("name", ["a b", "$(touch pwned)", "'; touch pwned; '", "-rf", "ü\nx"])
def test_hostile_file_names_stay_names(board: LocalBoard, name: str) -> None:
    what = release("hostile", **{name: "content"})
    put(board, what)
    assert (board.home / what.folder / name).read_text() == "content"
    assert not list(board.home.rglob("pwned"))

"""A blob that rots on the board is noticed, and sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.release import HOME
from piyard.run.deploy import deploy_releases
from piyard.run.remote import DamagedFile, read_status, start_process
from piyard.run.run_folders import LOG_FILE, run_folder
from tests.support import faulty_board
from tests.support.faulty_board import SMALL, Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


SPOIL = 'chmod u+w "$1" && printf spoilt | dd of="$1" conv=notrunc status=none'


def test_a_blob_that_changed_on_the_board_is_sent_again_and_nothing_else(
    pi: Pi, line: BoardConnection, tmp_path: Path
) -> None:
    release = faulty_board.release(tmp_path / "new", 1, SMALL)
    deploy_releases(line.session, [release], line.lease)
    pi.sh(SPOIL, f"{HOME}/blobs/{release.files[3].sha256}")
    again = deploy_releases(line.session, [release], line.lease)
    assert again.content == release.files[3].size
    assert pi.releases() == {release.id: {file.name: file.sha256 for file in release.files}}


def test_a_blob_that_rots_without_a_trace_is_noticed_at_the_start_of_a_run(
    pi: Pi, line: BoardConnection, tmp_path: Path
) -> None:
    release = faulty_board.release(tmp_path / "new", 1, SMALL)
    deploy_releases(line.session, [release], line.lease)
    rot(pi, release.files[3].sha256)
    assert deploy_releases(line.session, [release], line.lease, keep=True).content == 0
    with pytest.raises(DamagedFile) as caught:
        start_process(line.session, "run", release, ["true"], line.lease, limit_s=5)
    assert caught.value.sha256 == release.files[3].sha256
    assert read_status(line.session, "run").state == "absent"


def test_a_task_heals_a_blob_that_rotted_without_a_trace(pi: Pi, line: BoardConnection) -> None:
    first = faulty_board.do(line, "lines", "1")
    blob = faulty_board.ready().conversions["net"].folder / "model.ncnn.bin"
    sha = faulty_board.file(blob.parent, blob.name, blob.read_bytes()).sha256
    rot(pi, sha)
    second = faulty_board.do(line, "lines", "1")
    assert second.release == first.release
    assert (run_folder(second.id) / LOG_FILE).read_text() == "line 1\nall\n"
    assert sha in pi.releases()[first.release].values()


def rot(pi: Pi, sha256: str) -> None:
    """Other bytes in the same file, of the same size and time."""
    blob = f"{HOME}/blobs/{sha256}"
    pi.sh(f'touch -r "$1" /tmp/time && {SPOIL} && chmod 500 "$1" && touch -r /tmp/time "$1"', blob)

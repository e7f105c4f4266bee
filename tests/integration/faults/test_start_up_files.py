"""A login shell whose start-up files print, behind a real sshd."""

from __future__ import annotations

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.inspection import examine_board
from piyard.run.run_folders import LOG_FILE, run_folder
from tests.support import faulty_board
from tests.support.faulty_board import Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


def test_a_run_is_had_whatever_bashrc_prints(pi: Pi, way: BoardConnection) -> None:
    pi.sh(
        "for file in .bashrc .profile .bash_profile; do printf '%s\\n' \"$1\" > $file; done",
        "echo 'Welcome to bench pi, 3 updates can be applied'; echo oops >&2; cd /",
    )
    done = faulty_board.do(way, "lines", "2")
    assert (run_folder(done.id) / LOG_FILE).read_text() == "line 1\nline 2\nall\n"
    result = {each.what: each for each in examine_board(way)}
    assert all(item.ok for item in result.values()), result
    assert "Welcome to bench pi" in result["login shell"].detail

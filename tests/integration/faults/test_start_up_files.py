"""A login shell whose start-up files print, behind a real sshd."""

from __future__ import annotations

import pytest

from piyard.board import Line
from piyard.fleet import health
from piyard.run import LOG, folder_of
from tests import faults
from tests.faults import Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


def test_a_run_is_had_whatever_bashrc_prints(pi: Pi, way: Line) -> None:
    pi.sh(
        "for file in .bashrc .profile .bash_profile; do printf '%s\\n' \"$1\" > $file; done",
        "echo 'Welcome to bench pi, 3 updates can be applied'; echo oops >&2; cd /",
    )
    done = faults.do(way, "lines", "2")
    assert (folder_of(done.id) / LOG).read_text() == "line 1\nline 2\nall\n"
    found = {one.what: one for one in health.examine(way)}
    assert all(one.ok for one in found.values()), found
    assert "Welcome to bench pi" in found["login shell"].detail

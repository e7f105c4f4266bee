"""Runs of any program: what is damaged on the board is sent again once, then named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from piyard.core.errors import BoardCommandFailed
from piyard.run.execute import start_verified
from piyard.run.job import RunOptions
from piyard.run.record import Record
from piyard.run.remote import DamagedFile
from tests.support.token_runs import finished_run

OPTIONS = RunOptions(link_limit=1000)


def starting(damaged: int) -> tuple[list[RunOptions], Callable[[RunOptions], Record]]:
    """What each start got, and a start whose first ones find a damaged file."""
    seen: list[RunOptions] = []

    def start(options: RunOptions) -> Record:
        seen.append(options)
        if len(seen) <= damaged:
            raise DamagedFile("ab" * 32)
        return finished_run()

    return seen, start


def test_a_run_whose_files_are_right_starts_once() -> None:
    seen, start = starting(0)
    assert start_verified("pi", OPTIONS, start) == finished_run()
    assert seen == [OPTIONS]


def test_a_damaged_file_is_sent_again_with_every_blob_hashed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen, start = starting(1)
    assert start_verified("pi", OPTIONS, start) == finished_run()
    assert [(each.rehash, each.link_limit) for each in seen] == [(False, 1000), (True, 1000)]
    assert "pi: abababababab… is damaged there, sending it again" in capsys.readouterr().err


def test_a_file_that_is_damaged_twice_is_one_clear_error() -> None:
    _, start = starting(2)
    with pytest.raises(BoardCommandFailed, match="pi: a file was damaged again"):
        start_verified("pi", OPTIONS, start)

"""A run's governor through SSH: asked of sudo, held while it samples, put back whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from piyard.board.lease import Governor, restore_governor
from piyard.core import paths
from piyard.core.errors import RunNotEnded
from piyard.run.job import RunOptions
from piyard.run.remote import cancel_process
from piyard.run.run_folders import RUNS_FOLDER
from tests.support.faulty_board import wait_until
from tests.support.simulated import bench as simulated
from tests.support.simulated.bench import Measure
from tests.support.simulated_pi import SimulatedPi

pytestmark = [pytest.mark.docker, pytest.mark.board]

OWN, WANTED = "ondemand", "performance"
LONG = [100.0] * 600
"""Samples of a minute."""


@pytest.fixture
def pi5(pi5: SimulatedPi) -> SimulatedPi:
    """Its own governor changes the clock, and sudo asks for nothing."""
    pi5.set_governor(OWN)
    pi5.sudo(allowed=True)
    return pi5


def test_where_sudo_is_allowed_it_is_set_and_put_back(measure: Measure, pi5: SimulatedPi) -> None:
    seen: set[str] = set()
    with pi5.during(lambda pi, _: seen.add(pi.governor)):
        result = measure()
    assert result.verdict.state == "VALID", result.verdict
    assert seen == {WANTED}
    assert result.record.governor == Governor(before=OWN, during=WANTED)
    assert pi5.governor == OWN


def test_who_wants_to_keep_it_keeps_it(measure: Measure, pi5: SimulatedPi) -> None:
    result = measure(RunOptions(governor="keep"))
    (reason,) = result.verdict.reasons
    assert (reason.code, reason.grade) == ("governor", "SUSPECT")
    assert result.record.governor == Governor(before=OWN, during=OWN)


def test_where_sudo_asks_for_a_password_the_run_goes_on_under_its_own(
    measure: Measure, pi5: SimulatedPi
) -> None:
    pi5.sudo(allowed=False)
    result = measure()
    (reason,) = result.verdict.reasons
    assert (reason.code, reason.grade) == ("governor", "SUSPECT")
    assert result.record.governor == Governor(before=OWN, during=OWN)
    assert pi5.governor == OWN


@pytest.fixture
def under_way(measure: Measure, pi5: SimulatedPi) -> Iterator[threading.Thread]:
    """A run that had the governor changed, and is at its samples."""
    pi5.samples(LONG)
    ended: list[RunNotEnded] = []

    def end_badly() -> None:
        try:
            measure()
        except RunNotEnded as error:
            ended.append(error)

    runner = threading.Thread(target=end_badly)
    runner.start()
    wait_until(lambda: pi5.samples_now, "the run samples")
    assert pi5.governor == WANTED
    yield runner
    runner.join()
    assert len(ended) == 1


def test_a_cancelled_run_puts_it_back(under_way: threading.Thread, pi5: SimulatedPi) -> None:
    (folder,) = (paths.artifacts() / RUNS_FOLDER).iterdir()
    with simulated.line_to(pi5) as line:
        assert cancel_process(line.session, folder.name).why == "cancelled"
    assert pi5.governor == OWN


@pytest.fixture
def abandoned(under_way: threading.Thread, pi5: SimulatedPi) -> None:
    """The supervisor was killed, and its guard."""
    pi5.root("pkill", "-KILL", "-f", "supervise.sh")
    under_way.join()
    assert pi5.governor == WANTED


def test_what_a_killed_supervisor_left_the_next_run_puts_back(
    abandoned: None, measure: Measure, pi5: SimulatedPi
) -> None:
    pi5.calm()
    pi5.set_governor(WANTED)
    pi5.sudo(allowed=True)
    result = measure()
    assert result.verdict.state == "VALID", result.verdict
    assert result.record.governor == Governor(before=OWN, during=WANTED)
    assert pi5.governor == OWN


def test_what_a_killed_supervisor_left_the_doctor_puts_back(
    abandoned: None, pi5: SimulatedPi
) -> None:
    with simulated.line_to(pi5) as line:
        assert restore_governor(line.session) == "restored"
        assert restore_governor(line.session) == ""
    assert pi5.governor == OWN

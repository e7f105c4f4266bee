"""Two builds in turns on one board, through SSH, as a CI job asks for it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from piyard.results.history import stored_rows
from tests.integration.conftest import Invoke
from tests.support.simulated import stand_in
from tests.support.simulated_pi import SimulatedPi

pytestmark = [pytest.mark.docker, pytest.mark.board]


@pytest.fixture
def home(pi5: SimulatedPi, tmp_path: Path) -> str:
    """A user whose SSH knows the board's key."""
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(parents=True)
    (ssh / "config").write_text(f"Host 127.0.0.1\n  IdentityFile {pi5.entry.key}\n")
    return str(ssh.parent)


def ask(pi5: SimulatedPi, a: Build, b: Build) -> list[str]:
    return [
        *("ab", "--host", pi5.address, "--a", a.key, "--b", b.key, "--fail-above", "5%"),
        *("--model", "squeezenet1_1", "--random-weights", "--precision", "fp32"),
        *("--threads", "4", "--loops", "100", "--format", "json"),
    ]


def builds_of_turns() -> list[str]:
    """The build of each stored result, oldest first."""
    return [stored_row.build for stored_row in sorted(stored_rows(), key=lambda each: each.run)]


Measured = Callable[[float], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def measured(
    pi5: SimulatedPi,
    rpi5_build: Build,
    squeezenet: Conversion,
    own_folders: None,
    invoke: Invoke,
    home: str,
) -> Measured:
    """Compare a build with one whose times are so many times as long."""

    def run(slower: float) -> subprocess.CompletedProcess[str]:
        a, b = (stand_in.build_of(rpi5_build, by) for by in (1, slower))
        return invoke(*ask(pi5, a, b), HOME=home)

    return run


def test_a_build_that_is_not_slower_passes_after_one_round(measured: Measured) -> None:
    done = measured(1.0001)
    assert done.returncode == 0, done.stderr
    (output,) = msgspec.json.decode(done.stdout)
    assert output["verdict"] == "not significant"
    assert sorted(builds_of_turns()) == sorted([output["build_a"], output["build_b"]] * 2)


def test_a_slower_build_fails_after_it_was_measured_again(measured: Measured) -> None:
    done = measured(1.1)
    assert done.returncode == 19, done.stderr
    (output,) = msgspec.json.decode(done.stdout)
    assert output["verdict"] == "slower"
    assert 8 < output["effect_percent"] < 12
    assert output["too_slow"]
    assert sorted(builds_of_turns()) == sorted([output["build_a"], output["build_b"]] * 4)
    assert "measured twice" in done.stderr

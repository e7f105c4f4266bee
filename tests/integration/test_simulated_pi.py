"""The simulated Pi is what tests of verdicts rest on: what piyard and nnrun see of it is a Pi's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from piyard.board.connection import BoardConnection
from piyard.board.facts import read_facts
from piyard.board.lease import CPUFREQ
from piyard.board.release import HOME
from piyard.board.ssh.session import Session
from piyard.run.log import parse_log
from piyard.run.run_folders import LOG_FILE, read_record, run_folder
from piyard.run.telemetry import parse_power
from tests.support.simulated import bench as simulated
from tests.support.simulated import kernel
from tests.support.simulated.bench import Measure
from tests.support.simulated.firmware import VOLTS
from tests.support.simulated.stand_in import REAL
from tests.support.simulated_pi import SimulatedPi

pytestmark = [pytest.mark.docker, pytest.mark.board]

GOVERNOR = f"{CPUFREQ}/policy0/scaling_governor"


@pytest.fixture
def line(pi5: SimulatedPi, own_folders: None) -> Iterator[BoardConnection]:
    with simulated.line_to(pi5) as line:
        yield line


@pytest.fixture
def session(line: BoardConnection) -> Session:
    return line.session


def test_it_passes_for_a_real_pi_5(line: BoardConnection) -> None:
    facts = line.facts
    assert line.target.name == "rpi5"
    assert not line.spec.emulated
    assert line.spec.hardware == "Raspberry Pi 5"
    assert {"asimdhp", "asimddp"} <= set(str(facts.features).split())


def test_no_fact_of_a_pi_is_missing(session: Session) -> None:
    facts = read_facts(session)
    unknown = {name for name, value in msgspec.structs.asdict(facts).items() if value is None}
    assert unknown == {"mounted_noexec"}  # programs may be started from a Pi's home
    assert (facts.model, facts.soc, facts.cores) == (kernel.MODEL, "bcm2712", 4)
    assert (facts.min_khz, facts.low_khz) == (1_500_000, 1_500_000)
    assert (facts.max_khz, facts.high_khz) == (2_400_000, 2_400_000)
    assert (facts.throttled, facts.supply_ma, facts.desktop) == ("0x0", 5000, "none")
    assert facts.firmware == "2025/05/08 14:13:17"


def test_a_weak_supply_and_a_desktop_are_seen(pi5: SimulatedPi, session: Session) -> None:
    pi5.supply(3000)
    with pi5.desktop():
        facts = read_facts(session)
    assert (facts.supply_ma, facts.desktop) == (3000, "labwc")
    assert read_facts(session).desktop == "none"


def watched(session: Session, *argv: str) -> list[Any]:
    said = session.run([REAL, "watch", "--interval", "0.5", *argv]).out
    return [msgspec.json.decode(splitline) for splitline in said.splitlines()]


CHANGES: dict[str, tuple[Callable[[SimulatedPi], None], object, object]] = {
    "temperature_mc": (lambda pi: pi.temperature(81.5), 45_000, 81_500),
    "throttled": (lambda pi: pi.throttled(0x50005), "0x0", "0x50005"),
    "arm_hz": (lambda pi: pi.clock(1500), 2_400_000_000, 1_500_000_000),
    "swap_kb": (lambda pi: pi.swap(4096), 0, 4096),
}


def test_the_real_watcher_hears_what_changes_while_it_watches(
    pi5: SimulatedPi, session: Session
) -> None:
    def change() -> None:
        for act, _before, _after in CHANGES.values():
            act(pi5)

    later = threading.Timer(2.0, change)
    later.start()
    result = watched(session, "--seconds", "5")
    later.join()
    for name, (_act, before, after) in CHANGES.items():
        values = [moment[name] for moment in result if moment[name] is not None]
        assert (values[0], values[-1]) == (before, after), name


def test_others_work_is_what_they_do(pi5: SimulatedPi, session: Session) -> None:
    before = watched(session, "--seconds", "0.5")[0]
    pi5.others_work(1.5, 4)
    after = watched(session, "--seconds", "0.5")[0]
    assert after["busy_ticks"] - before["busy_ticks"] == 600


def test_the_real_watcher_hears_volts_times_amperes_of_each_rail(
    pi5: SimulatedPi, session: Session
) -> None:
    amperes = {rail: 0.125 * n for n, rail in enumerate(VOLTS)}
    pi5.power(amperes, {})
    said = session.run([REAL, "watch", "--pmic", "--seconds", "0.5", "--interval", "0.5"]).out
    (seen, *_) = parse_power(said)
    assert seen.rails_w == pytest.approx({rail: VOLTS[rail] * amperes[rail] for rail in VOLTS})


@pytest.mark.parametrize("allowed", [True, False])
def test_a_governor_is_written_by_sudo_alone_where_that_is_allowed(
    pi5: SimulatedPi, session: Session, allowed: bool
) -> None:
    pi5.set_governor("ondemand")
    pi5.sudo(allowed=allowed)
    write = f"echo performance | sudo -n tee {GOVERNOR}"
    done = session.run(["sh", "-c", write], check=False)
    assert read_facts(session).governor == ("performance" if allowed else "ondemand")
    assert ("password" in done.err) is not allowed


def kinds(text: str) -> dict[str, set[str]]:
    """The keys of each type of line."""
    result: dict[str, set[str]] = {}
    for each in map(json.loads, text.splitlines()):
        result.setdefault(each["type"], set(each))
    return result


def test_the_stand_in_speaks_as_the_real_nnrun(
    pi5: SimulatedPi, measure: Measure, session: Session
) -> None:
    pi5.samples([100.0] * 10)
    folder = run_folder(measure().record.id)
    stand_in = (folder / LOG_FILE).read_text()
    model = f"{HOME}/releases/{read_record(folder).release}/model.ncnn"
    real = session.run(
        [
            *(REAL, "bench", "--param", f"{model}.param", "--bin", f"{model}.bin"),
            *("--shape", "3,224,224", "--loops", "1", "--warmup", "1", "--cold"),
        ]
    ).out
    assert parse_log(real, "nnrun").samples
    assert kinds(stand_in) == kinds(real)
    for text in (real, stand_in):
        types = [json.loads(line)["type"] for line in text.splitlines()]
        assert types[-3:] == ["sample", "output", "summary"]

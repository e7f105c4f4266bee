"""Each reason of a verdict, through SSH, on a board that feels what the test says.

Deploy, settling, governor, the detached run, telemetry, fetching, judging and storing are the real
ones; only the board's sensors and nnrun's times are made up (tests/simulated_pi.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from piyard import bench, facts, history, job, keys, row
from piyard.board import Line
from piyard.build import Build
from piyard.conditions import settle
from piyard.convert import Conversion
from piyard.history import shelf
from piyard.result import Result
from piyard.target import Conditions
from piyard.work import Ready, Terms
from tests import simulated_pi
from tests.integration.conftest import Invoke
from tests.simulated_pi import POLICY, SimulatedPi, clean

pytestmark = [pytest.mark.docker, pytest.mark.board]
NAME = "sim"


@pytest.fixture(scope="module")
def board(
    tmp_path_factory: pytest.TempPathFactory, rpi5_build: Build, squeezenet: Conversion
) -> Iterator[SimulatedPi]:
    with simulated_pi.running(tmp_path_factory.mktemp("pi"), rpi5_build, squeezenet) as pi:
        yield pi


@pytest.fixture
def pi(
    board: SimulatedPi, own_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SimulatedPi:
    """The board with nothing wrong, in an inventory and with a store of the test's own."""
    inventory(board, tmp_path, monkeypatch)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    board.calm()
    return board


def inventory(pi: SimulatedPi, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keys.login_key()
    (folder / "fleet.yaml").write_text(
        f"boards:\n  {NAME}:\n    host: 127.0.0.1\n    port: {pi.port}\n    user: pi\n"
        f"    key: {key}\n    sudo: true\n    price: 80\n    price_date: 2026-11-20\n"
    )
    monkeypatch.setenv("PIYARD_FLEET", str(folder / "fleet.yaml"))


@pytest.fixture
def measure(pi: SimulatedPi, rpi5_build: Build, squeezenet: Conversion) -> Callable[..., Result]:
    stand_in = simulated_pi.build_of(rpi5_build)

    def measured(**terms: object) -> Result:
        (one,) = job.plan({NAME: "rpi5"}, ["squeezenet1_1"], precisions=["fp32"], threads=[4])
        ready = Ready(builds={"rpi5": stand_in}, conversions={"squeezenet1_1": squeezenet})
        line = Line(NAME)
        try:
            return bench.bench_one(line, one, ready, msgspec.convert(terms, Terms))
        finally:
            line.close()

    return measured


def told(found: Result) -> list[tuple[str, str]]:
    return [(reason.code, reason.grade) for reason in found.verdict.reasons]


def test_a_clean_run_is_valid_every_time(measure: Callable[..., Result], pi: SimulatedPi) -> None:
    for seed in (1, 2, 3):
        pi.samples(clean(seed=seed))
        found = measure()
        assert (found.verdict.state, told(found)) == ("VALID", [])
        assert found.record.hardware == "Raspberry Pi 5"
        assert not found.record.emulated
        assert found.record.settled
        assert found.record.settled.well


def test_all_of_it_is_kept(measure: Callable[..., Result]) -> None:
    found = measure()
    record = found.record
    assert record.paid
    assert (record.paid.price, record.paid.date) == (80, "2026-11-20")
    before = record.before
    assert (before.model, before.soc, before.revision) == (
        simulated_pi.MODEL,
        "bcm2712",
        "c04170",
    )
    assert (before.supply_ma, before.fan_rpm, before.desktop) == (5000, 2500, "none")
    assert before.firmware == "2025/05/08 14:13:17"
    assert before.throttled == "0x0"
    assert (before.low_khz, before.high_khz) == (1_500_000, 2_400_000)
    assert record.after
    assert record.after.throttled == "0x0"
    assert len(found.telemetry) >= simulated_pi.SECONDS - 1
    assert {moment.arm_hz for moment in found.telemetry} <= {2_400_000_000, None}
    assert msgspec.json.encode(shelf.load(record.id)) == msgspec.json.encode(found)
    (stored,) = [one for one in history.rows() if one.run == record.id]
    assert msgspec.json.encode(stored) == msgspec.json.encode(row.of(found))
    assert stored.cost
    assert stored.cost.board == 80


def late(change: Callable[[SimulatedPi], None], after: float = 1.0) -> simulated_pi.Action:
    """The change comes while samples are taken."""

    def act(pi: SimulatedPi, seconds: float) -> None:
        if seconds > after:
            change(pi)

    return act


def working(cores: float) -> simulated_pi.Action:
    """Others work on so many cores."""
    last = [0.0]

    def act(pi: SimulatedPi, seconds: float) -> None:
        pi.others_work(cores, max(0.0, seconds - last[0]))
        last[0] = seconds

    return act


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (late(lambda pi: pi.throttled(0x40004)), ("throttled", "INVALID")),
        (late(lambda pi: pi.throttled(0x20002)), ("throttled", "INVALID")),
        (late(lambda pi: pi.throttled(0x80008)), ("throttled", "INVALID")),
        (late(lambda pi: pi.throttled(0x10001)), ("under-voltage", "INVALID")),
        (late(lambda pi: pi.throttled(0x10000)), ("under-voltage", "INVALID")),
        (late(lambda pi: pi.clock(1500)), ("clock", "INVALID")),
        (late(lambda pi: pi.temperature(82)), ("hot", "INVALID")),
        (late(lambda pi: pi.temperature(77)), ("hot", "SUSPECT")),
        (working(0.3), ("load", "SUSPECT")),
        (working(2), ("load", "INVALID")),
        (late(lambda pi: pi.swap(100)), ("swap", "SUSPECT")),
        (late(lambda pi: pi.swap(50_000)), ("swap", "INVALID")),
    ],
    ids=[
        *("throttled", "capped", "soft-limit", "under-voltage", "dip", "clock"),
        *("hot", "warm", "some-load", "load", "page", "swap"),
    ],
)
def test_what_the_board_feels_is_said(
    measure: Callable[..., Result],
    pi: SimulatedPi,
    action: simulated_pi.Action,
    expected: tuple[str, str],
) -> None:
    with pi.during(action):
        found = measure()
    assert told(found) == [expected]
    assert found.verdict.state == expected[1]


def test_a_drifting_clock_is_said(measure: Callable[..., Result], pi: SimulatedPi) -> None:
    with pi.during(lambda pi, seconds: pi.clock(2400 - 100 * seconds)):
        assert told(measure()) == [("clock", "INVALID")]


def test_under_voltage_before_the_run_is_said(
    measure: Callable[..., Result], pi: SimulatedPi
) -> None:
    pi.throttled(0x50000)
    assert told(measure()) == [("under-voltage", "SUSPECT")]


def test_a_governor_that_cannot_be_changed_is_said(
    measure: Callable[..., Result], pi: SimulatedPi
) -> None:
    pi.governor("ondemand")
    assert told(measure()) == [("governor", "SUSPECT")]
    assert pi.read(f"{POLICY}/scaling_governor") == "ondemand"


def test_where_sudo_is_allowed_the_governor_is_set_and_put_back(
    measure: Callable[..., Result], pi: SimulatedPi
) -> None:
    pi.governor("ondemand")
    pi.sudo(allowed=True)
    seen: set[str] = set()
    with pi.during(lambda pi, _: seen.add(pi.read(f"{POLICY}/scaling_governor"))):
        found = measure()
    assert (found.verdict.state, told(found)) == ("VALID", [])
    assert seen == {"performance"}
    assert pi.read(f"{POLICY}/scaling_governor") == "ondemand"
    assert told(measure(governor="keep")) == [("governor", "SUSPECT")]


def drifting() -> list[float]:
    return [ms * (1 + 0.06 * at / 200) for at, ms in enumerate(clean())]


def two_levels() -> list[float]:
    chance = random.Random(3)
    return [ms * (1.05 if chance.random() < 0.4 else 1) for ms in clean()]


def wide() -> list[float]:
    chance = random.Random(4)
    return [20 * (1 + 0.06 * chance.gauss(0, 1)) for _ in range(40)]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (drifting(), ("drift", "SUSPECT")),
        (two_levels(), ("bimodal", "SUSPECT")),
        (wide(), ("interval", "SUSPECT")),
    ],
    ids=["drift", "bimodal", "interval"],
)
def test_what_the_samples_show_is_said(
    measure: Callable[..., Result],
    pi: SimulatedPi,
    samples: list[float],
    expected: tuple[str, str],
) -> None:
    pi.samples(samples)
    assert told(measure()) == [expected]


def test_a_wrong_output_is_said(
    measure: Callable[..., Result], pi: SimulatedPi, squeezenet: Conversion
) -> None:
    pi.outputs_of(squeezenet, right=False)
    try:
        found = measure()
    finally:
        pi.outputs_of(squeezenet)
    assert told(found) == [("output", "INVALID")]


def test_a_board_that_does_not_tell_is_not_believed(
    measure: Callable[..., Result], pi: SimulatedPi
) -> None:
    pi.dumb(on=True)
    (reason,) = measure().verdict.reasons
    assert (reason.code, reason.grade) == ("telemetry", "SUSPECT")
    assert "group video" in reason.text


def test_what_is_invalid_is_measured_again(
    measure: Callable[..., Result], pi: SimulatedPi, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[float] = []

    def hot_once(pi: SimulatedPi, seconds: float) -> None:
        if seconds > simulated_pi.SECONDS - 1:
            runs.append(seconds)
            pi.temperature(45)
        elif not runs:
            pi.temperature(85)

    with pi.during(hot_once):
        found = measure(rerun_invalid=2)
    assert (found.verdict.state, told(found)) == ("VALID", [])
    assert "is INVALID: the SoC reached 85.0 °C" in capsys.readouterr().err


def test_a_hot_board_is_waited_for(pi: SimulatedPi, tmp_path: Path) -> None:
    line = Line(NAME)
    try:
        pi.temperature(70)
        limits = Conditions(cool_c=60, settle_s=3)
        seen = settle(line.session, limits)
        assert (seen.cool, seen.quiet) == (False, True)
        assert seen.waited_s >= 3
        pi.temperature(50)
        assert settle(line.session, limits).well
    finally:
        line.close()


def test_energy_is_what_the_rails_say(measure: Callable[..., Result], pi: SimulatedPi) -> None:
    idle, busy = {"VDD_CORE": 0.5, "DDR_VDD2": 0.7}, {"VDD_CORE": 3.5, "DDR_VDD2": 1.5}
    pi.power(idle)
    pi.samples([20.0] * 200)
    end = simulated_pi.SECONDS - 0.3
    with pi.during(lambda pi, seconds: pi.power(busy if seconds < end else idle)):
        measured = measure(energy="pmic")
    power = row.of(measured).power
    assert power
    assert power.idle_w == pytest.approx(1.2)
    assert power.average_w == pytest.approx(5.0, rel=0.15)
    assert power.joules == pytest.approx(power.average_w * 0.020)
    assert power.above_idle_joules == pytest.approx((power.average_w - 1.2) * 0.020)
    assert power.wall_w == pytest.approx(power.average_w * 1.1451 + 0.5879)
    assert shelf.load(measured.record.id).energy


def test_a_meter_is_any_command_that_prints_watts(
    measure: Callable[..., Result], pi: SimulatedPi, tmp_path: Path
) -> None:
    script = tmp_path / "my meter"
    script.write_text("#!/bin/sh\necho 'reading'\necho 'power: 6.5 W'\n")
    script.chmod(0o755)
    power = row.of(measure(energy=f"'{script}' --watts")).power
    assert power
    assert (power.average_w, power.wall_w) == (6.5, 6.5)
    assert "my meter" in power.source


def test_facts_tell_a_weak_supply_and_a_desktop(pi: SimulatedPi) -> None:
    pi.supply(3000)
    pi.exec("sh", "-c", "cp /usr/bin/sleep /tmp/labwc && (/tmp/labwc 60 > /dev/null 2>&1 &)")
    line = Line(NAME)
    try:
        found = facts.read(line.session)
    finally:
        line.close()
    assert (found.supply_ma, found.desktop) == (3000, "labwc")
    assert not found.shows_emulation


def test_a_user_measures_it(pi: SimulatedPi, invoke: Invoke) -> None:
    done = invoke(
        *("bench", "--host", NAME, "--model", "squeezenet1_1", "--random-weights"),
        *("--precision", "fp32", "--threads", "1", "--loops", "6", "--warmup", "0"),
        *("--format", "json"),
    )
    assert done.returncode == 0, done.stderr
    assert "first contact with" in done.stderr
    (one,) = msgspec.json.decode(done.stdout)
    assert one["Hardware"] == "Raspberry Pi 5"
    assert one["verdict"] in {"VALID", "SUSPECT", "INVALID"}
    assert one["Cost ($)"] == 80
    assert len(one["samples_ms"]) == 6

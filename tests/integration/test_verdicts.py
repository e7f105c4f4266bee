"""Each reason of a verdict, through SSH, on a board that feels what the test says.

Deploy, settling, governor, the detached run, telemetry, fetching, judging and storing are the real
ones; only the board's sensors and nnrun's times are made up (tests/support/simulated_pi.py).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.inventory import checkout_fleet_file
from piyard.board.fleet.selection import select_board
from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from piyard.core.errors import NothingValid
from piyard.core.target import load_target
from piyard.results.derive import make_row
from piyard.results.history import stored_rows
from piyard.results.result import Result
from piyard.results.result_files import load_result
from piyard.run.execute import wait_until_idle
from piyard.run.job import RunOptions
from tests.integration.conftest import Invoke
from tests.support import private_folders
from tests.support.simulated import bench as simulated
from tests.support.simulated.bench import Measure
from tests.support.simulated.stand_in import clean, drifting, two_levels, wide
from tests.support.simulated_pi import Action, SimulatedPi

pytestmark = [pytest.mark.docker, pytest.mark.board]

Told = tuple[str, str]
"""A reason's code and grade."""


def describe(result: Result) -> list[Told]:
    return [(reason.code, reason.grade) for reason in result.verdict.reasons]


def nothing(_pi: SimulatedPi, _seconds: float = 0) -> None:
    """As it is."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is so before a run, what happens while it samples, and what has to be said of it."""

    so: Callable[[SimulatedPi], object] = nothing
    then: Action = nothing
    expected: Sequence[Told] = ()

    def measured(
        self, pi: SimulatedPi, line: BoardConnection, real: Build, conversion: Conversion
    ) -> Result:
        pi.calm()
        self.so(pi)
        with pi.during(self.then):
            return simulated.measure(line, real, conversion, RunOptions())


def late(change: Callable[[SimulatedPi], object]) -> Action:
    """A change that comes while samples are taken."""
    return lambda pi, seconds: change(pi) if seconds > 0.8 else None


def working(cores: float) -> Action:
    """Others work on so many cores."""
    last = 0.0

    def act(pi: SimulatedPi, seconds: float) -> None:
        nonlocal last
        pi.others_work(cores, max(0.0, seconds - last))
        last = seconds

    return act


def near_every_limit(pi: SimulatedPi) -> None:
    """A weak supply, throttled before, warm, and a clock that is a little off."""
    pi.supply(3000)
    pi.throttled(0xE0000)
    pi.temperature(59)
    pi.clock(2370)


def limited(pi: SimulatedPi) -> None:
    pi.clock(1500)
    pi.limit(1500)


def lazy(pi: SimulatedPi) -> None:
    """As Raspberry Pi OS leaves it: slow until there is work."""
    pi.set_governor("ondemand")
    pi.idle_clock(1500)


def all_at_once(pi: SimulatedPi) -> None:
    pi.throttled(0x50005)
    pi.temperature(84)
    pi.clock(1500)
    pi.swap(4096)


def invalid(*codes: str) -> list[Told]:
    return [(code, "INVALID") for code in codes]


def suspect(code: str) -> list[Told]:
    return [(code, "SUSPECT")]


CASES = {
    "clean": Case(),
    "clean, few and slow": Case(so=lambda pi: pi.samples(clean(seed=2, count=40, middle=100))),
    "clean, but all is near its limit": Case(so=near_every_limit),
    "throttled": Case(then=late(lambda pi: pi.throttled(0x40004)), expected=invalid("throttled")),
    "capped": Case(then=late(lambda pi: pi.throttled(0xA000A)), expected=invalid("throttled")),
    "under-voltage": Case(
        then=late(lambda pi: pi.throttled(0x10001)), expected=invalid("under-voltage")
    ),
    "dip": Case(then=late(lambda pi: pi.throttled(0x10000)), expected=invalid("under-voltage")),
    "under-voltage before": Case(
        so=lambda pi: pi.throttled(0x50000), expected=suspect("under-voltage")
    ),
    "low clock": Case(so=lambda pi: pi.clock(1500), expected=invalid("clock")),
    "drifting clock": Case(
        then=lambda pi, seconds: pi.clock(2400 - 100 * seconds), expected=invalid("clock")
    ),
    "limited clock": Case(so=limited, expected=suspect("clock")),
    "hot": Case(then=late(lambda pi: pi.temperature(80)), expected=invalid("hot")),
    "nearly hot": Case(then=late(lambda pi: pi.temperature(76)), expected=suspect("hot")),
    "some load": Case(then=working(0.3), expected=suspect("load")),
    "load": Case(then=working(1.5), expected=invalid("load")),
    "swapped page": Case(then=late(lambda pi: pi.swap(100)), expected=suspect("swap")),
    "swapping": Case(then=late(lambda pi: pi.swap(50_000)), expected=invalid("swap")),
    "governor": Case(so=lazy, expected=suspect("governor")),
    "drift": Case(so=lambda pi: pi.samples(drifting(0.08)), expected=suspect("drift")),
    "strong drift": Case(so=lambda pi: pi.samples(drifting(0.145)), expected=invalid("drift")),
    "two levels": Case(so=lambda pi: pi.samples(two_levels(0.05)), expected=suspect("bimodal")),
    "far levels": Case(so=lambda pi: pi.samples(two_levels(0.25)), expected=invalid("bimodal")),
    "wide": Case(so=lambda pi: pi.samples(wide(0.06)), expected=suspect("interval")),
    "hopeless": Case(so=lambda pi: pi.samples(wide(0.3)), expected=invalid("interval")),
    "few": Case(so=lambda pi: pi.samples([800, 801, 799.5, 800.5]), expected=suspect("interval")),
    "wrong output": Case(so=lambda pi: pi.outputs(right=False), expected=invalid("output")),
    "vcgencmd refused": Case(so=lambda pi: pi.dumb(on=True), expected=suspect("telemetry")),
    "no vcgencmd": Case(so=SimulatedPi.lacks_vcgencmd, expected=suspect("telemetry")),
    "all at once": Case(
        then=late(all_at_once),
        expected=invalid("throttled", "under-voltage", "clock", "hot", "swap"),
    ),
}


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest,
    simulated_pis: list[SimulatedPi],
    rpi5_build: Build,
    squeezenet: Conversion,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Future[Result]]:
    """What comes of all cases that are asked for, on both boards: runs are mostly waiting."""
    idle: queue.Queue[tuple[SimulatedPi, BoardConnection]] = queue.Queue()

    def measured(case: Case) -> Result:
        pi, line = idle.get()
        try:
            return case.measured(pi, line, rpi5_build, squeezenet)
        finally:
            idle.put((pi, line))

    with pytest.MonkeyPatch.context() as patch, ExitStack() as lines:
        private_folders.everything(patch, tmp_path_factory.mktemp("desk"))
        for pi in simulated_pis:
            idle.put((pi, lines.enter_context(simulated.line_to(pi))))
        with ThreadPoolExecutor(len(simulated_pis)) as pool:
            return {name: pool.submit(measured, CASES[name]) for name in _asked(request)}


def _asked(request: pytest.FixtureRequest) -> list[str]:
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    of_cases = [test for test in tests if test.function is test_the_verdict_says_what_was_wrong]
    return [str(test.callspec.params["name"]) for test in of_cases]


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_says_what_was_wrong(name: str, outcomes: Mapping[str, Future[Result]]) -> None:
    result, expected = outcomes[name].result(), list(CASES[name].expected)
    assert describe(result) == expected, result.verdict
    assert result.verdict.state == (expected[0][1] if expected else "VALID")
    assert (result.record.hardware, result.record.emulated) == ("Raspberry Pi 5", False)
    assert result.record.idle_state
    assert result.record.idle_state.ok


def test_what_it_measured_is_kept_and_shown(measure: Measure, pi5: SimulatedPi) -> None:
    result = measure()
    record = result.record
    assert result.samples_ms == pytest.approx(clean(), abs=1e-6)
    assert (result.load_ms, result.first_ms, result.peak_rss_kb) == (62.0, 40.0, 40_000)
    assert {m.arm_hz for m in result.telemetry} - {None} == {2_400_000_000}
    assert {m.temperature_mc for m in result.telemetry} == {45_000}
    assert (record.before.throttled, record.before.supply_ma) == ("0x0", 5000)
    assert record.after
    assert record.after.throttled == "0x0"
    assert msgspec.json.encode(load_result(record.id)) == msgspec.json.encode(result)
    (stored,) = stored_rows()
    assert msgspec.json.encode(stored) == msgspec.json.encode(make_row(result))
    assert stored.cost
    assert (stored.cost.board, stored.cost.board_date) == (80, "2026-11-20")


# Waiting, and measuring again


def test_a_hot_board_is_waited_for(measure: Measure, pi5: SimulatedPi) -> None:
    pi5.temperature(70)
    cooler = threading.Timer(6, pi5.temperature, [50])
    cooler.start()
    result = measure()
    cooler.join()
    assert (result.verdict.state, describe(result)) == ("VALID", [])
    assert result.record.idle_state
    assert result.record.idle_state.ok
    assert result.record.idle_state.temperature_mc == 50_000


def test_a_board_that_stays_hot_or_busy_is_not_waited_for_for_ever(
    pi5: SimulatedPi, own_folders: None
) -> None:
    limits = msgspec.structs.replace(load_target("rpi5").conditions, settle_s=3)
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.1):
            pi5.others_work(1.0, 0.1)

    worker = threading.Thread(target=work)
    with simulated.line_to(pi5) as line:
        pi5.temperature(70)
        hot = wait_until_idle(line.session, limits)
        pi5.temperature(50)
        worker.start()
        try:
            busy = wait_until_idle(line.session, limits)
        finally:
            over.set()
        calm = wait_until_idle(line.session, limits)
    assert (hot.cool, hot.quiet) == (False, True)
    assert (busy.cool, busy.quiet) == (True, False)
    assert busy.load is not None
    assert 0.3 < busy.load < 1.5
    assert calm.ok


def test_what_is_invalid_is_measured_again(
    measure: Measure, pi5: SimulatedPi, capsys: pytest.CaptureFixture[str]
) -> None:
    over = threading.Event()

    def heat(pi: SimulatedPi, _seconds: float) -> None:
        if not stored_rows():
            pi.temperature(85)

    def cool_down() -> None:
        while not over.wait(0.2):
            if stored_rows():
                pi5.temperature(45)

    cooler = threading.Thread(target=cool_down)
    cooler.start()
    try:
        with pi5.during(heat):
            result = measure(RunOptions(rerun_invalid=3))
    finally:
        over.set()
        cooler.join()
    assert (result.verdict.state, describe(result)) == ("VALID", [])
    assert [stored_row.verdict.state for stored_row in stored_rows()] == ["INVALID", "VALID"]
    assert "is INVALID: the SoC reached 85.0 °C" in capsys.readouterr().err


# As a user


def test_a_user_measures_an_address(
    pi5: SimulatedPi, own_folders: None, tmp_path: Path, invoke: Invoke
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text(f"Host 127.0.0.1\n  IdentityFile {pi5.entry.key}\n")
    done = invoke(
        *("bench", "--host", pi5.address, "--model", "squeezenet1_1", "--random-weights"),
        *("--precision", "fp32", "--threads", "1", "--loops", "6", "--warmup", "0"),
        *("--format", "json"),
        HOME=str(home),
    )
    assert done.returncode in {0, NothingValid.exit_code}, done.stderr  # a busy desktop emulates it
    assert "first contact with" in done.stderr
    (single,) = msgspec.json.decode(done.stdout)
    assert (single["verdict"] == "INVALID") == (done.returncode != 0)
    assert single["Hardware"] == "Raspberry Pi 5"
    assert len(single["samples_ms"]) == 6
    (stored,) = stored_rows()
    assert (stored.hardware, stored.emulated) == ("Raspberry Pi 5", False)
    assert stored.verdict.state == single["verdict"]
    # An emulator's times may be anything; of the board there is nothing to say.
    assert {r.code for r in stored.verdict.reasons} <= {"drift", "bimodal", "interval"}
    shown = invoke("report", "--format", "plain")
    assert "Raspberry Pi 5" in shown.stdout
    assert stored.verdict.state in shown.stdout


def test_price_and_date_are_the_inventorys(pi5: SimulatedPi, own_folders: None) -> None:
    entry = msgspec.structs.replace(pi5.entry)
    keys = ("host", "port", "user", "key", "sudo", "price", "price_date")
    boards = {"mine": {name: getattr(entry, name) for name in keys}}
    checkout_fleet_file().write_bytes(msgspec.yaml.encode({"boards": boards}))
    assert BoardConnection(select_board("mine")).entry == entry

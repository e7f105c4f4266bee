"""The energy of a row, by a Pi 5's own sensors or by a meter, as worked out by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from piyard.core.errors import WrongInput
from piyard.measure import energy
from piyard.results.derive import make_row, with_energy_cost
from piyard.results.history import stored_rows
from piyard.results.result_files import load_result
from piyard.run.job import PMIC, RunOptions
from piyard.run.telemetry import WALL_SOURCE
from tests.support.simulated.bench import Measure
from tests.support.simulated_pi import SimulatedPi

pytestmark = [pytest.mark.docker, pytest.mark.board]

IDLE = {"VDD_CORE": 0.5, "DDR_VDD2": 0.5, "3V3_SYS": 0.1}
"""Amperes: 0.9 V x 0.5 A + 1.1 V x 0.5 A + 3.3 V x 0.1 A = 1.33 W."""
BUSY = {"VDD_CORE": 4.0, "DDR_VDD2": 1.0, "3V3_SYS": 0.1}
"""3.6 W + 1.1 W + 0.33 W = 5.03 W."""
TIMES = [20.0] * 150


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch, pi5: SimulatedPi) -> None:
    """Long enough for a board whose power is exactly known."""
    monkeypatch.setattr(energy, "IDLE_POWER_S", 2)
    monkeypatch.setattr(energy, "ENERGY_RUN_S", 3.0)
    pi5.samples(TIMES)


def test_it_is_what_the_rails_say(measure: Measure, pi5: SimulatedPi) -> None:
    pi5.power(IDLE, BUSY)
    result = measure(RunOptions(energy=PMIC))
    assert result.verdict.state == "VALID", result.verdict
    assert result.energy
    assert min(len(result.energy.idle), len(result.energy.busy)) >= 3
    assert len(result.energy.busy[0].rails_w) == 12
    power = make_row(result).power
    assert power
    assert power.idle_w == pytest.approx(1.33)
    assert power.average_w == pytest.approx(5.03)
    assert power.joules == pytest.approx(0.1006)  # 5.03 W x 20 ms
    assert power.above_idle_joules == pytest.approx(0.074)  # 3.70 W x 20 ms
    assert power.wall_w == pytest.approx(6.347753)  # 5.03 W x 1.1451 + 0.5879 W
    assert power.wall_joules == pytest.approx(0.12695506)
    assert (power.source, power.wall_source) == ("PMIC", WALL_SOURCE)


def test_it_is_kept_with_its_row_and_has_a_price(measure: Measure, pi5: SimulatedPi) -> None:
    pi5.power(IDLE, BUSY)
    result = measure(RunOptions(energy=PMIC))
    assert msgspec.json.encode(load_result(result.record.id)) == msgspec.json.encode(result)
    (stored,) = stored_rows()  # the energy run is no row
    paid = with_energy_cost(stored, 0.36).cost
    assert paid
    # 0.12695506 J x 10^6 / 3.6 x 10^6 J a kWh x 0.36 $ a kWh
    assert paid.per_million == pytest.approx(0.012695506)


def test_a_meter_is_any_command_that_prints_watts(measure: Measure, tmp_path: Path) -> None:
    script = tmp_path / "my meter"
    script.write_text("#!/bin/sh\necho reading\necho 'power: 6.5 W'\n")
    script.chmod(0o755)
    power = make_row(measure(RunOptions(energy=f"'{script}' --watts"))).power
    assert power
    assert (power.idle_w, power.average_w, power.wall_w) == (6.5, 6.5, 6.5)
    assert power.joules == power.wall_joules == pytest.approx(0.13)
    assert "my meter" in power.source
    assert "estimate" not in power.wall_source


def test_a_meter_that_prints_no_watts_is_a_mistake_and_the_row_is_kept(measure: Measure) -> None:
    with pytest.raises(WrongInput, match="did not print watts"):
        measure(RunOptions(energy="echo nothing"))
    (kept,) = stored_rows()
    assert kept.verdict.state == "VALID"


def test_a_board_without_such_sensors_says_so(
    measure: Measure, pi5: SimulatedPi, capsys: pytest.CaptureFixture[str]
) -> None:
    pi5.tells_no_power()
    result = measure(RunOptions(energy=PMIC))
    assert (result.verdict.state, result.energy) == ("VALID", None)
    assert "does not report its power" in capsys.readouterr().err

"""What a board and a million inferences cost, in dollars."""

from __future__ import annotations

import msgspec
import pytest

from piyard.core.errors import WrongInput
from piyard.results.derive import (
    KWH_PRICE_VARIABLE,
    board_cost,
    cost_per_million,
    make_row,
    parse_kwh_price,
    with_energy_cost,
)
from piyard.results.result import Cost, EnergyUse, Row
from piyard.run.record import BoardPrice
from tests.support.pi5_results import record, result

POWER = EnergyUse(
    joules=0.1,
    above_idle_joules=0.06,
    average_w=5.0,
    idle_w=2.0,
    wall_w=6.3134,
    wall_joules=0.126268,
    source="PMIC",
)


def drawing(power: EnergyUse | None, paid: Cost | None = None) -> Row:
    return msgspec.structs.replace(make_row(result()), power=power, cost=paid)


def test_the_board_costs_what_the_inventory_says():
    paid = BoardPrice(price=80.0, date="2026-02-01")
    assert board_cost(record(paid=paid)) == Cost(board=80.0, board_date="2026-02-01")


def test_a_board_without_a_price_costs_nobody_knows_what():
    assert board_cost(record()) is None


def test_by_hand():
    """A million times 0.126268 J are 0.0350744 kWh: at 30 cents, a cent."""
    assert cost_per_million(0.126268, 0.30) == pytest.approx(0.0105223, abs=1e-7)
    assert cost_per_million(3.6, 1.0) == pytest.approx(1.0)


def test_energy_is_paid_at_the_wall():
    priced = with_energy_cost(drawing(POWER), 0.30)
    assert priced.cost == Cost(board=None, per_million=cost_per_million(0.126268, 0.30))


def test_rails_are_what_is_left_where_the_wall_is_not_known():
    priced = with_energy_cost(drawing(msgspec.structs.replace(POWER, wall_joules=None)), 0.30)
    assert priced.cost is not None
    assert priced.cost.per_million == pytest.approx(cost_per_million(0.1, 0.30))


def test_the_boards_price_stays():
    priced = with_energy_cost(drawing(POWER, Cost(board=80.0, board_date="2026-02-01")), 1.0)
    assert priced.cost is not None
    assert (priced.cost.board, priced.cost.board_date) == (80.0, "2026-02-01")
    assert priced.cost.per_million == pytest.approx(cost_per_million(0.126268, 1.0))


def test_free_energy_costs_nothing():
    priced = with_energy_cost(drawing(POWER), 0.0)
    assert priced.cost is not None
    assert priced.cost.per_million == 0


def test_without_a_price_or_a_power_a_row_stays_as_it_is():
    metered, unmetered = drawing(POWER), drawing(None)
    assert with_energy_cost(metered, None) is metered
    assert with_energy_cost(unmetered, 0.30) is unmetered


def test_a_price_is_given_or_in_the_environment(monkeypatch):
    monkeypatch.delenv(KWH_PRICE_VARIABLE, raising=False)
    assert parse_kwh_price() is None
    assert parse_kwh_price("0.25") == 0.25
    monkeypatch.setenv(KWH_PRICE_VARIABLE, "0.40")
    assert parse_kwh_price() == 0.40
    assert parse_kwh_price("0.25") == 0.25


@pytest.mark.parametrize("text", ["cheap", "0,30", "-1", "nan", "inf", "$0.30"])
def test_what_is_no_price_is_refused(text, monkeypatch):
    monkeypatch.delenv(KWH_PRICE_VARIABLE, raising=False)
    with pytest.raises(WrongInput, match="is not a price per kWh") as error:
        parse_kwh_price(text)
    assert KWH_PRICE_VARIABLE in error.value.remedy
    monkeypatch.setenv(KWH_PRICE_VARIABLE, text)
    with pytest.raises(WrongInput, match="is not a price per kWh"):
        parse_kwh_price()

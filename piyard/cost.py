"""What a board and its inferences cost, in dollars."""

from __future__ import annotations

import math
import os

import msgspec

from piyard.errors import WrongInput
from piyard.record import Record
from piyard.row import Cost, Row

JOULES_A_KWH = 3.6e6
MILLION = 1e6
PRICE = "PIYARD_KWH_PRICE"
"""The environment's price of a kilowatt-hour, in dollars; without it energy has no cost."""


def of(record: Record) -> Cost | None:
    """What the run's board cost; None where the inventory says nothing."""
    paid = record.paid
    return Cost(board=paid.price, board_date=paid.date) if paid else None


def per_million(joules: float, price_kwh: float) -> float:
    """The price of the energy of a million inferences; ``joules`` is what one of them takes."""
    return joules * MILLION / JOULES_A_KWH * price_kwh


def priced(row: Row, price_kwh: float | None) -> Row:
    """The row with the cost of its energy, paid at the wall where that much is known.

    A price is not part of a measurement, so stored rows have none: the cost is added when shown.
    """
    power = row.power
    if price_kwh is None or power is None:
        return row
    joules = power.joules if power.wall_joules is None else power.wall_joules
    paid = row.cost or Cost(board=None)
    cost = msgspec.structs.replace(paid, per_million=per_million(joules, price_kwh))
    return msgspec.structs.replace(row, cost=cost)


def price_kwh(text: str = "") -> float | None:
    """The price a user gave, or the environment's; None where there is none.

    Raises ``WrongInput`` for anything else.
    """
    value = text or os.environ.get(PRICE, "")
    if not value:
        return None
    try:
        price = float(value)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise WrongInput(
            f"'{value}' is not a price per kWh",
            remedy=f"give dollars, such as 0.30, here or in {PRICE}",
        )
    return price

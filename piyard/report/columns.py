"""A row for people: the thirteen columns in the users' order; unknown is N/A, never a guess."""

from __future__ import annotations

from piyard.report.figures import digits, money, percent, scaled, width
from piyard.report.remarks import brief, comments
from piyard.row import Row
from piyard.tables.layout import NOT_KNOWN
from piyard.verdict import believable

COLUMNS = (
    "Hardware",
    "Model",
    "Input Resolution",
    "Batch",
    "Data type",
    "Params",
    "GFLOPs/MACs",
    "Accuracy",
    "FPS",
    "Latency (ms)",
    "Energy",
    "Cost ($)",
    "Comments",
)


def cells(row: Row, *, named: bool = False, long: bool = True) -> list[str]:
    """One row in the order of ``COLUMNS``; ``named`` says in Comments which board it is.

    Without ``long`` Comments is the verdict with its first reason.
    """
    remarks = comments if long else brief
    return [
        row.hardware,
        row.title,
        resolution(row),
        "1",
        row.data_type,
        scaled(row.params, 1e6, "M"),
        scaled(row.macs, 1e9, "GMACs"),
        row.accuracy or NOT_KNOWN,
        marked(row, digits(row.fps)),
        latency(row),
        energy(row),
        cost(row),
        "; ".join(remarks(row, named=named)),
    ]


def resolution(row: Row) -> str:
    """Height by width of the input."""
    return "x".join(str(side) for side in row.input[1:])


def latency(row: Row) -> str:
    """The median and half the width of its 95 % interval: ``19.84 ±0.4 %``."""
    half = width(row.summary)
    around = "" if half is None else f" ±{percent(half)} %"
    return marked(row, digits(row.summary.median) + around)


def marked(row: Row, figure: str) -> str:
    """An INVALID figure carries the word itself: it may be copied without its comment."""
    return figure if believable(row.verdict) else f"INVALID {figure}"


def energy(row: Row) -> str:
    """Of one inference, and who measured it."""
    power = row.power
    return f"{digits(power.joules)} J ({power.source})" if power else NOT_KNOWN


def cost(row: Row) -> str:
    """What the board cost, and when."""
    if row.cost is None or row.cost.board is None:
        return NOT_KNOWN
    when = f" ({row.cost.board_date})" if row.cost.board_date else ""
    return money(row.cost.board) + when

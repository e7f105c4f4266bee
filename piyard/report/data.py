"""Rows for programs: plain numbers under the thirteen columns, then all else that is known.

Params and MACs are counts, Energy is joules of one inference, Cost dollars of the board, Latency
the median in milliseconds. What is unknown is ``N/A`` in CSV and null in JSON.
"""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from piyard import harmless
from piyard.report.columns import COLUMNS, resolution
from piyard.report.figures import width
from piyard.report.remarks import comments
from piyard.result import Result
from piyard.row import Row
from piyard.tables.layout import NOT_KNOWN

Fields = dict[str, Any]


def csv(rows: Sequence[Row]) -> str:
    """A line a row."""
    text = io.StringIO()
    writer = csv_module.writer(text, lineterminator="\n")
    fields = [table(row) | more(row) for row in rows]
    writer.writerow(fields[0] if fields else COLUMNS)
    writer.writerows([_cell(value) for value in of.values()] for of in fields)
    return text.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless.cell(value)
    return NOT_KNOWN if value is None else value


def json(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """An object a row; the row's own struct is in it, and its result where that was read."""
    of_run = {result.record.id: result for result in results}
    objects = [_object(row, of_run.get(row.run)) for row in rows]
    return harmless.json(msgspec.json.format(msgspec.json.encode(objects), indent=2).decode())


def table(row: Row) -> Fields:
    """The thirteen columns with numbers for numbers."""
    values = (
        row.hardware,
        row.title,
        resolution(row),
        1,
        row.data_type,
        row.params,
        row.macs,
        row.accuracy,
        row.fps,
        row.summary.median,
        row.power and row.power.joules,
        row.cost and row.cost.board,
        "; ".join(comments(row)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def more(row: Row) -> Fields:
    """What the thirteen columns have no room for, flat."""
    return {
        "verdict": row.verdict.state,
        "reasons": " ".join(reason.code for reason in row.verdict.reasons),
        "board": row.host,
        "target": row.target,
        "emulated": row.emulated,
        "threads": row.threads,
        "precision_asked": row.precision,
        "random_seed": row.random_seed,
        **_times(row),
        **_power(row),
        "output_ok": row.check and row.check.ok,
        "output_cosine": row.check and row.check.cosine,
        "published_ms": row.published and row.published.ms,
        "floor_ms": row.floor and row.floor.ms,
        "floor_bound": row.floor and row.floor.bound,
        "peak_rss_kb": row.peak_rss_kb,
        "build": row.build,
        "model_key": row.model_key,
        "when": row.when,
        "run": row.run,
    }


def _times(row: Row) -> Fields:
    summary = {f"{n}_ms": v for n, v in msgspec.structs.asdict(row.summary).items() if n != "count"}
    return {
        "samples": row.summary.count,
        "interval_half_width": width(row.summary),
        **summary,
        "end_to_end_ms": row.end_to_end and row.end_to_end.median,
        "cold_ms": row.cold_ms,
    }


def _power(row: Row) -> Fields:
    power, cost = row.power, row.cost
    return {
        "energy_above_idle_j": power and power.above_idle_joules,
        "average_w": power and power.average_w,
        "idle_w": power and power.idle_w,
        "wall_w": power and power.wall_w,
        "energy_source": power and power.source,
        "board_price_date": (cost and cost.board_date) or None,
        "energy_cost_per_million": cost and cost.per_million,
    }


def _object(row: Row, result: Result | None) -> Fields:
    fields = table(row) | {"verdict": row.verdict.state, "board": row.host, "run": row.run}
    fields["row"] = row
    if result:
        fields |= {"samples_ms": result.samples_ms, "result": result}
    return fields

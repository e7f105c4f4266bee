"""Rows in one of the formats; for programs, plain numbers.

Params and MACs are counts, Energy is joules of one inference, Cost dollars of the board, Latency
the median in milliseconds. What is unknown is ``N/A`` in CSV and null in JSON. In JUnit XML a row
fails when its figure may not be believed (INVALID) or its output is not the original's; an emulated
board's time is nothing that could pass: it is skipped. The elements and their order are those that
pytest writes and Jenkins and GitLab read.
"""

from __future__ import annotations

import csv as csv_module
import io
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from piyard.core.errors import unknown_name
from piyard.core.tables import FORMATS, render_table
from piyard.core.text import NOT_KNOWN, escape_csv, escape_json, sanitize_line
from piyard.report.columns import COLUMNS, input_resolution, row_cells, row_comments
from piyard.results.result import Result
from piyard.results.row import Row
from piyard.results.summary import interval_width

RowFields = dict[str, Any]


def rows_to_csv(rows: Sequence[Row]) -> str:
    """A line a row."""
    text = io.StringIO()
    writer = csv_module.writer(text, lineterminator="\n")
    fields = [column_values(row) | extra_values(row) for row in rows]
    writer.writerow(fields[0] if fields else COLUMNS)
    writer.writerows([_csv_value(value) for value in of.values()] for of in fields)
    return text.getvalue().rstrip("\n")


def _csv_value(value: Any) -> Any:
    if isinstance(value, str):
        return escape_csv(value)
    return NOT_KNOWN if value is None else value


def rows_to_json(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """An object a row; the row's own struct is in it, and its result where that was read."""
    of_run = {result.record.id: result for result in results}
    objects = [_json_object(row, of_run.get(row.run)) for row in rows]
    return escape_json(msgspec.json.format(msgspec.json.encode(objects), indent=2).decode())


def column_values(row: Row) -> RowFields:
    """The thirteen columns with numbers for numbers."""
    values = (
        row.hardware,
        row.title,
        input_resolution(row),
        1,
        row.data_type,
        row.params,
        row.macs,
        row.accuracy,
        row.fps,
        row.summary.median,
        row.power and row.power.joules,
        row.cost and row.cost.board,
        "; ".join(row_comments(row)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def extra_values(row: Row) -> RowFields:
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
        **_time_values(row),
        **_energy_values(row),
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


def _time_values(row: Row) -> RowFields:
    summary = {f"{n}_ms": v for n, v in msgspec.structs.asdict(row.summary).items() if n != "count"}
    return {
        "samples": row.summary.count,
        "interval_half_width": interval_width(row.summary),
        **summary,
        "end_to_end_ms": row.end_to_end and row.end_to_end.median,
        "cold_ms": row.cold_ms,
    }


def _energy_values(row: Row) -> RowFields:
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


def _json_object(row: Row, result: Result | None) -> RowFields:
    fields = column_values(row) | {"verdict": row.verdict.state, "board": row.host, "run": row.run}
    fields["row"] = row
    if result:
        fields |= {"samples_ms": result.samples_ms, "result": result}
    return fields


INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def rows_to_junit(rows: Sequence[Row]) -> str:
    """A suite a board, a case a row."""
    root = ET.Element("testsuites", _suite_counts(rows))
    ordered = sorted(rows, key=lambda row: row.host)
    for host, of_board in groupby(ordered, key=lambda row: row.host):
        root.append(_junit_suite(host, list(of_board)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode")


def _junit_suite(host: str, rows: Sequence[Row]) -> ET.Element:
    when = min(row.when for row in rows).removesuffix("+00:00")
    named = {"name": f"piyard on {host}", "hostname": host, "timestamp": when}
    suite = _xml_element("testsuite", named | _suite_counts(rows))
    suite.extend(_junit_case(row) for row in rows)
    return suite


def _junit_case(row: Row) -> ET.Element:
    name = f"{row.model}-{row.precision}-t{row.threads}"
    time = f"{row.summary.median / 1000:.6f}"
    case = _xml_element(
        "testcase", {"classname": f"piyard.{row.target}", "name": name, "time": time}
    )
    properties = ET.SubElement(case, "properties")
    for key, value in (column_values(row) | extra_values(row)).items():
        if value is not None:
            properties.append(_xml_element("property", {"name": key, "value": str(value)}))
    case.extend(_case_outcome(row))
    said = ET.SubElement(case, "system-out")
    said.text = _xml_text("\n".join(row_comments(row)))
    return case


def _case_outcome(row: Row) -> list[ET.Element]:
    if _has_failed(row):
        kind, at = ("output", -1) if _output_differs(row) else ("INVALID", 0)
        failure = _xml_element("failure", {"type": kind, "message": row_comments(row)[at]})
        failure.text = _xml_text("\n".join(reason.text for reason in row.verdict.reasons))
        return [failure]
    if row.verdict.state == "EMULATED":
        return [_xml_element("skipped", {"message": row_comments(row)[0]})]
    return []


def _has_failed(row: Row) -> bool:
    return row.verdict.state == "INVALID" or _output_differs(row)


def _output_differs(row: Row) -> bool:
    return row.check is not None and not row.check.ok


def _suite_counts(rows: Sequence[Row]) -> dict[str, str]:
    failed = [row for row in rows if _has_failed(row)]
    skipped = [row for row in rows if row.verdict.state == "EMULATED" and not _has_failed(row)]
    return {
        "tests": str(len(rows)),
        "failures": str(len(failed)),
        "errors": "0",
        "skipped": str(len(skipped)),
        "time": f"{sum(row.summary.median for row in rows) / 1000:.6f}",
    }


def _xml_element(tag: str, attributes: dict[str, str]) -> ET.Element:
    return ET.Element(tag, {name: _xml_text(value) for name, value in attributes.items()})


def _xml_text(text: str) -> str:
    return INVALID_XML.sub("\N{REPLACEMENT CHARACTER}", text)


REPORT_FORMATS = (*FORMATS, "junit", "html")


def require_format(form: str) -> None:
    """Raise for a format there is not, before any work."""
    if form not in REPORT_FORMATS:
        raise unknown_name("format", form, REPORT_FORMATS)


def render_rows(
    rows: Sequence[Row],
    form: str = "plain",
    results: Sequence[Result] = (),
    *,
    long: bool = False,
) -> str:
    """The rows in one of ``FORMATS``; ``plain`` has whole comments only with ``long``.

    ``results`` are those of the rows, as far as they were read, in any order: ``json`` and
    ``html`` take samples, telemetry and provenance from them, the others do not need them.
    """
    require_format(form)
    if form == "html":
        from piyard.report.page import render_page  # the table needs none of it

        return render_page(rows, results)
    if form == "junit":
        return rows_to_junit(rows)
    if form in {"csv", "json"}:
        return rows_to_csv(rows) if form == "csv" else rows_to_json(rows, results)
    return _render_table(rows, form, long=long or form != "plain")


def _render_table(rows: Sequence[Row], form: str, *, long: bool) -> str:
    """Where there are several boards, each row says which it is from."""
    several = len({row.host for row in rows}) > 1
    shown = [
        [sanitize_line(cell) for cell in row_cells(row, named=several, long=long)] for row in rows
    ]
    return render_table(COLUMNS, shown, form)

"""Rows and comparisons in one of the formats.

What is unknown is ``N/A`` in CSV and null in JSON. In JUnit XML a row fails when its figure may not
be believed (INVALID) or its output is not the original's; an emulated board's time is nothing that
could pass: it is skipped. The elements and their order are those that pytest writes and Jenkins and
GitLab read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

import msgspec

from piyard.core.errors import unknown_name
from piyard.core.tables import FORMATS, Column, csv_lines, render_items
from piyard.core.text import NOT_KNOWN, escape_json, format_digits
from piyard.report import columns
from piyard.report.comments import row_comments
from piyard.results.comparison import JobComparison, effect_text, interval_text
from piyard.results.result import Result, Row


def rows_to_csv(rows: Sequence[Row]) -> str:
    """A line a row."""
    values = [[each.csv_value(row, NOT_KNOWN) for each in columns.COLUMNS] for row in rows]
    return csv_lines([each.label for each in columns.COLUMNS], values)


def rows_to_json(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """An object a row; the row's own struct is in it, and its result where that was read."""
    of_run = {result.record.id: result for result in results}
    objects = [_json_object(row, of_run.get(row.run)) for row in rows]
    return escape_json(msgspec.json.format(msgspec.json.encode(objects), indent=2).decode())


JSON_KEYS = ("verdict", "board", "run")
"""Columns for programs that JSON repeats; the others are in the row's own struct."""


def _json_object(row: Row, result: Result | None) -> dict[str, object]:
    shown = [each for each in columns.COLUMNS if each.title or each.key in JSON_KEYS]
    fields: dict[str, object] = {each.label: each.value_of(row) for each in shown}
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
    name = f"{row.subject.replace(' ', '-')}-{row.precision}-t{row.threads}"
    time = f"{row.summary.median / 1000:.6f}"
    case = _xml_element(
        "testcase", {"classname": f"piyard.{row.target}", "name": name, "time": time}
    )
    properties = ET.SubElement(case, "properties")
    for column in columns.COLUMNS:
        value = column.value_of(row)
        if value is not None:
            properties.append(_xml_element("property", {"name": column.label, "value": str(value)}))
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
    shown = columns.shown_columns(rows, long=long or form != "plain")
    return render_items(shown, rows, form)


def render_comparison(jobs: Sequence[JobComparison], form: str, limit: float | None = None) -> str:
    """The jobs in one of ``tables.FORMATS``; ``limit`` is how much slower is allowed."""
    return render_items(comparison_columns(limit), jobs, form)


def comparison_columns(limit: float | None) -> Sequence[Column[JobComparison]]:
    """What is shown of a job on both sides; ``limit`` is how much slower is allowed."""
    return (
        Column(key="job", title="Job", text=lambda job: job.job),
        *_both_sides("host", lambda row: row.host),
        *_both_sides("model", lambda row: row.model),
        *_both_sides("asked", lambda row: row.precision),
        *_both_sides("threads", lambda row: row.threads),
        *_both_sides("build", lambda row: row.build),
        Column(key="emulated", value=lambda job: job.emulated),
        *_RUN_COLUMNS,
        *_EFFECT_COLUMNS,
        Column(key="confirmed", value=lambda job: job.confirmed),
        Column(key="too_slow", value=lambda job: job.too_slow(limit)),
        Column(
            key="differences",
            value=lambda job: [msgspec.to_builtins(each) for each in job.differences],
            text=_differences_text,
        ),
    )


def _both_sides(key: str, value: Callable[[Row], object]) -> tuple[Column[JobComparison], ...]:
    """A figure that all rows of a side share, for machines."""
    return (
        Column(key=f"{key}_a", value=lambda job: value(job.a[0])),
        Column(key=f"{key}_b", value=lambda job: value(job.b[0])),
    )


def verdict_text(job: JobComparison) -> str:
    """The verdict, with the reason where it is not significant."""
    compared = job.comparison
    marks = [
        *(["emulated"] if job.emulated else []),
        *([] if job.confirmed else ["not confirmed when measured again"]),
    ]
    mark = f" ({', '.join(marks)})" if marks else ""
    doubt = f": {compared.why}" if compared.verdict == "not significant" else ""
    return f"{compared.verdict}{mark}{doubt}"


def _differences_text(job: JobComparison) -> str:
    return "; ".join(f"{each.facet} {each.a} and {each.b}" for each in job.differences)


_RUN_COLUMNS: tuple[Column[JobComparison], ...] = (
    Column(
        key="runs_a",
        value=lambda job: [row.run for row in job.a],
        text=lambda job: " ".join(row.run for row in job.a),
    ),
    Column(
        key="runs_b",
        value=lambda job: [row.run for row in job.b],
        text=lambda job: " ".join(row.run for row in job.b),
    ),
)
_EFFECT_COLUMNS: tuple[Column[JobComparison], ...] = (
    Column(
        key="median_a_ms",
        title="A (ms)",
        value=lambda job: job.comparison.median_a,
        text=lambda job: format_digits(job.comparison.median_a),
    ),
    Column(
        key="median_b_ms",
        title="B (ms)",
        value=lambda job: job.comparison.median_b,
        text=lambda job: format_digits(job.comparison.median_b),
    ),
    Column(
        key="effect_percent",
        title="Effect",
        value=lambda job: 100 * job.comparison.effect,
        text=lambda job: effect_text(job.comparison),
    ),
    Column(
        key="low_percent",
        title="95 % interval",
        value=lambda job: 100 * job.comparison.low,
        text=lambda job: interval_text(job.comparison),
    ),
    Column(key="high_percent", value=lambda job: 100 * job.comparison.high),
    Column(
        key="u",
        title="U",
        value=lambda job: job.comparison.u,
        text=lambda job: f"{job.comparison.u:g}",
    ),
    Column(
        key="p",
        title="p",
        value=lambda job: job.comparison.p,
        text=lambda job: f"{job.comparison.p:.2g}",
    ),
    Column(
        key="verdict",
        title="Verdict",
        value=lambda job: job.comparison.verdict,
        text=verdict_text,
    ),
    Column(key="why", value=lambda job: job.comparison.why),
)

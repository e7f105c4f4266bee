"""JUnit XML, so that a CI server shows each row as a test.

A row fails when its figure may not be believed (INVALID) or its output is not the original's. An
emulated board's time is nothing that could pass: it is skipped. ``time`` is the median of one
inference in seconds, which CI servers draw over builds. The elements and their order are those
that pytest writes and Jenkins and GitLab read; figures are properties of the test case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from piyard.report import data
from piyard.report.remarks import comments
from piyard.row import Row

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def render(rows: Sequence[Row]) -> str:
    """A suite a board, a case a row."""
    root = ET.Element("testsuites", _counts(rows))
    ordered = sorted(rows, key=lambda row: row.host)
    for host, of_board in groupby(ordered, key=lambda row: row.host):
        root.append(_suite(host, list(of_board)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode")


def _suite(host: str, rows: Sequence[Row]) -> ET.Element:
    when = min(row.when for row in rows).removesuffix("+00:00")
    named = {"name": f"piyard on {host}", "hostname": host, "timestamp": when}
    suite = _element("testsuite", named | _counts(rows))
    suite.extend(_case(row) for row in rows)
    return suite


def _case(row: Row) -> ET.Element:
    name = f"{row.model}-{row.precision}-t{row.threads}"
    time = f"{row.summary.median / 1000:.6f}"
    case = _element("testcase", {"classname": f"piyard.{row.target}", "name": name, "time": time})
    properties = ET.SubElement(case, "properties")
    for key, value in (data.table(row) | data.more(row)).items():
        if value is not None:
            properties.append(_element("property", {"name": key, "value": str(value)}))
    case.extend(_outcome(row))
    said = ET.SubElement(case, "system-out")
    said.text = _xml("\n".join(comments(row)))
    return case


def _outcome(row: Row) -> list[ET.Element]:
    if _failed(row):
        kind, at = ("output", -1) if _differs(row) else ("INVALID", 0)
        failure = _element("failure", {"type": kind, "message": comments(row)[at]})
        failure.text = _xml("\n".join(reason.text for reason in row.verdict.reasons))
        return [failure]
    if row.verdict.state == "EMULATED":
        return [_element("skipped", {"message": comments(row)[0]})]
    return []


def _failed(row: Row) -> bool:
    return row.verdict.state == "INVALID" or _differs(row)


def _differs(row: Row) -> bool:
    return row.check is not None and not row.check.ok


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    failed = [row for row in rows if _failed(row)]
    skipped = [row for row in rows if row.verdict.state == "EMULATED" and not _failed(row)]
    return {
        "tests": str(len(rows)),
        "failures": str(len(failed)),
        "errors": "0",
        "skipped": str(len(skipped)),
        "time": f"{sum(row.summary.median for row in rows) / 1000:.6f}",
    }


def _element(tag: str, attributes: dict[str, str]) -> ET.Element:
    return ET.Element(tag, {name: _xml(value) for name, value in attributes.items()})


def _xml(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)

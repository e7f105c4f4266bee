"""JUnit XML: what a CI server makes of rows."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from piyard.report.formats import render_rows
from piyard.results.result import OutputMatch, Row, Verdict, VerdictState
from tests.support import sample_rows
from tests.support.sample_rows import BUSY, THROTTLED, row

CASE = ["properties", "error", "failure", "skipped", "system-out", "system-err"]
"""Children of a test case in the order that readers of JUnit XML know."""
COUNTS = ("tests", "failures", "errors", "skipped")


def suites(*rows: Row) -> ET.Element:
    return ET.fromstring(render_rows(rows, "junit"))


def case(**changes: Any) -> ET.Element:
    result = suites(row(**changes)).find("testsuite/testcase")
    assert result is not None
    return result


def properties(of: ET.Element) -> dict[str | None, str | None]:
    return {each.get("name"): each.get("value") for each in of.iter("property")}


def test_the_structure_is_what_ci_servers_read() -> None:
    rows, _ = sample_rows.fleet()
    root = suites(*rows)
    assert root.tag == "testsuites"
    assert [suite.tag for suite in root] == ["testsuite"] * 5
    for suite in root:
        assert {"name", "hostname", "timestamp", "time", *COUNTS} <= set(suite.attrib)
        assert {item.tag for item in suite} == {"testcase"}
        for each in suite:
            assert set(each.attrib) == {"classname", "name", "time"}
            result = [CASE.index(child.tag) for child in each]
            assert result == sorted(result)
            assert float(each.get("time", "")) > 0


def test_the_counts_are_those_of_the_cases() -> None:
    root = suites(*sample_rows.fleet()[0])
    for of in (root, *root):
        assert of.get("tests") == str(len(list(of.iter("testcase"))))
        assert of.get("failures") == str(len(list(of.iter("failure"))))
        assert of.get("skipped") == str(len(list(of.iter("skipped"))))
    assert {name: root.get(name) for name in COUNTS} == {
        "tests": "12",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }


@pytest.mark.parametrize(
    ("state", "ok", "outcome"),
    [
        ("VALID", True, None),
        ("SUSPECT", True, None),
        ("INVALID", True, "failure"),
        ("EMULATED", True, "skipped"),
        ("VALID", False, "failure"),
        ("EMULATED", False, "failure"),
    ],
)
def test_what_fails_is_what_may_not_be_believed(
    state: VerdictState, ok: bool, outcome: str | None
) -> None:
    result = case(verdict=Verdict(state=state), check=OutputMatch(ok=ok, cosine=0.5))
    tags = {child.tag for child in result}
    assert tags - {"properties", "system-out"} == ({outcome} if outcome else set())


def test_a_failure_says_why() -> None:
    failure = case(verdict=Verdict(state="INVALID", reasons=[THROTTLED, BUSY])).find("failure")
    assert failure is not None
    assert failure.get("type") == "INVALID"
    assert THROTTLED.text in (failure.get("message") or "")
    assert failure.text == f"{THROTTLED.text}\n{BUSY.text}"


def test_a_wrong_output_is_the_failure_also_of_an_emulated_board() -> None:
    wrong = OutputMatch(ok=False, cosine=0.5)
    failure = case(verdict=Verdict(state="EMULATED"), check=wrong).find("failure")
    assert failure is not None
    assert failure.get("type") == "output"
    assert failure.get("message") == "OUTPUT DIFFERS from the original's (cosine 0.500000)"


def test_a_suspect_row_passes_and_says_its_reasons() -> None:
    said = case(verdict=Verdict(state="SUSPECT", reasons=[BUSY])).find("system-out")
    assert said is not None
    assert BUSY.text in (said.text or "")


def test_figures_are_properties() -> None:
    result = properties(case(**sample_rows.every_field()))
    assert result["Latency (ms)"] == "19.84"
    assert result["Energy"] == "0.213"
    assert result["verdict"] == "VALID"
    assert "Accuracy" not in properties(case())


def test_time_is_one_inference_in_seconds() -> None:
    assert case().get("time") == "0.019840"


def test_no_rows_are_no_suites() -> None:
    assert len(suites()) == 0


@given(st.text(max_size=60))
@example(']]>\x00\x1b<b a="\'">&amp;\n\ufffe\ud800')
def test_any_text_is_well_formed_xml(text: str) -> None:
    root = suites(row(title=text, host=text))
    (model,) = [p.get("value") for p in root.iter("property") if p.get("name") == "Model"]
    kept = "".join(c for c in text if c.isprintable())
    assert "".join(c for c in model or "" if c.isprintable() and c != "\ufffd") == kept.replace(
        "\ufffd", ""
    )

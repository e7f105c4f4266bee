"""The one list of columns: today's formats to the letter, and what a further column takes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.core.tables import Column
from piyard.report import columns
from piyard.report.columns import COLUMNS
from piyard.report.formats import render_rows
from piyard.report.page import page_payload
from piyard.results.result import OutputMatch, Row, Verdict
from tests.support.sample_rows import BUSY, THROTTLED, every_field, row

GOLDEN = Path(__file__).parent / "golden"
FORMATS = {
    "rows.txt": "plain",
    "rows-long.txt": "plain",
    "rows.md": "github",
    "rows.csv": "csv",
    "rows.json": "json",
    "rows.xml": "junit",
}


def golden_rows() -> list[Row]:
    odd = 'a|b\n<script>alert("x")</script> \x1b[31mü\u202e'
    return [
        row(),
        row(
            host="pi5-b",
            **every_field(),
            verdict=Verdict(state="SUSPECT", reasons=[BUSY]),
        ),
        row(verdict=Verdict(state="INVALID", reasons=[THROTTLED, BUSY]), threads=1),
        row(emulated=True, verdict=Verdict(state="EMULATED"), random_seed=7, data_type="fp32"),
        row(title=odd, host="=cmd", params=None, macs=None, check=None),
        row(check=OutputMatch(ok=False, cosine=0.5), accuracy="0.372 mAP"),
    ]


@pytest.fixture
def todays_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without those that came later."""
    labels = next(csv.reader(io.StringIO((GOLDEN / "rows.csv").read_text(encoding="utf-8"))))
    monkeypatch.setattr(columns, "COLUMNS", [each for each in COLUMNS if each.label in labels])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.usefixtures("todays_columns")
def test_every_format_is_what_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    text = render_rows(golden_rows(), FORMATS[name], long=name == "rows-long.txt")
    if FORMATS[name] == "json":  # the row's own struct is not the columns'
        objects = [{k: v for k, v in of.items() if k != "row"} for of in json.loads(text)]
        text = json.dumps(objects, indent=1)
    now = tmp_path / name
    now.write_text(text, encoding="utf-8", newline="")
    assert text == (GOLDEN / name).read_bytes().decode(), f"if this is meant, copy {now}"


def test_every_column_has_a_key_of_its_own() -> None:
    keys = [column.key for column in COLUMNS]
    assert len(set(keys)) == len(keys)
    assert not any(" " in key for key in keys)
    assert all(column.help for column in COLUMNS if column.title)


@pytest.fixture
def with_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more column, as somebody would add it: an entry of the list, and nothing else."""
    column: Column[Row] = Column(
        key="memory",
        title="Peak memory",
        value=lambda of: of.peak_rss_kb,
        text=lambda of: "N/A" if of.peak_rss_kb is None else f"{of.peak_rss_kb / 1024:.1f} MiB",
        help="The most memory that nnrun had",
    )
    titled = [each for each in COLUMNS if each.title]
    monkeypatch.setattr(columns, "COLUMNS", [*titled, column, *COLUMNS[len(titled) :]])


@pytest.mark.usefixtures("with_memory")
@pytest.mark.parametrize("form", ["plain", "github"])
def test_a_further_column_is_in_tables_for_people(form: str) -> None:
    text = render_rows([row(peak_rss_kb=61_440)], form)
    assert "Peak memory" in text
    assert "60.0 MiB" in text


@pytest.mark.usefixtures("with_memory")
def test_a_further_column_is_in_the_formats_for_programs() -> None:
    of = row(peak_rss_kb=61_440)
    (line,) = csv.DictReader(io.StringIO(render_rows([of], "csv")))
    (read,) = json.loads(render_rows([of], "json"))
    assert line["Peak memory"] == "61440"
    assert read["Peak memory"] == 61_440
    assert '<property name="Peak memory" value="61440" />' in render_rows([of], "junit")


@pytest.mark.usefixtures("with_memory")
def test_a_further_column_is_on_the_page() -> None:
    payload: Any = msgspec.to_builtins(page_payload([row(peak_rss_kb=61_440), row()], []))
    (column,) = [each for each in payload["columns"] if each["key"] == "memory"]
    assert (column["title"], column["help"]) == ("Peak memory", "The most memory that nnrun had")
    assert [entry["cells"]["memory"] for entry in payload["entries"]] == ["60.0 MiB", "N/A"]
    assert [entry["sort"]["memory"] for entry in payload["entries"]] == [61_440, None]

"""Text of a board's or a file's never reaches terminal, table or spreadsheet as a command."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core import console
from piyard.core.errors import BoardBusy, WrongInput
from piyard.core.tables import FORMATS, render_table
from piyard.core.text import escape_csv
from piyard.report.formats import render_rows
from piyard.results.result import Row
from tests.support import sample_rows

ESCAPES = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x07",
    "\x08\x08",
    "a\rb",
    "\u202egnp.exe",
    "\u2066",
    "\x00",
    "\x85",
]
FORMULAS = [
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    '=HYPERLINK("http://x")',
]


def is_harmless(text: str) -> bool:
    """No control and no format character but line feeds."""
    return all(char == "\n" or not unicodedata.category(char).startswith("C") for char in text)


@pytest.mark.parametrize("text", ESCAPES)
def test_escapes_reach_no_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.info(f"board says {text}")
    with console.step(f"deploy to {text}") as step:
        step.update(1, 2, text)
    error = BoardBusy(f"held by {text}", evidence=f"one\n{text}\ntwo", remedy=f"ask {text}")
    for said in (capsys.readouterr().err, str(error), error.message):
        assert said
        assert is_harmless(said)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is one."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", ESCAPES)
def test_neither_by_any_table(text: str, form: str) -> None:
    assert is_harmless(render_table(["Board", "Output"], [["pi5", f"x{text}y"]], form))


@given(text=st.text())
def test_json_reads_as_what_it_was(text: str) -> None:
    shown = render_table(["Output"], [[text]], "json")
    assert json.loads(shown) == [{"Output": text}]
    assert not any("\x7f" <= char <= "\x9f" or char in "\u202e\u2066\u200f" for char in shown)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(text: str) -> None:
    shown = render_table(["A", "B"], [["pi5", text]], "csv")
    (_, (_, cell)) = csv.reader(io.StringIO(shown))
    assert cell.startswith("'")


@pytest.mark.parametrize(
    "text", ["-5", "+3.2 %", "-1e-5", "1", "-0.5", "a=b", "5 %", "N/A", "", "-"]
)
def test_numbers_and_plain_words_stay(text: str) -> None:
    assert render_table(["A"], [[text]], "csv") == f"A\n{text}" if text else 'A\n""'


@given(text=st.text(max_size=30))
def test_no_cell_begins_as_a_formula(text: str) -> None:
    cell = escape_csv(text)
    stripped = cell.lstrip()
    assert not stripped.startswith(("=", "@"))
    assert not (
        stripped.startswith(("+", "-"))
        and any(char.isalpha() and char not in "eE" for char in cell)
    )


def row(text: str) -> Row:
    return sample_rows.row(hardware=text, title=text, host=text)


def test_a_program_gets_the_text_as_it_is() -> None:
    shown = render_table(["A"], [["\x1b[2J\u202e"]], "csv")
    assert shown == "A\n\x1b[2J\u202e"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("text", [*FORMULAS, *ESCAPES])
def test_a_report_holds_neither(text: str) -> None:
    rows = [row(text), row("pi5")]
    assert is_harmless(render_rows(rows, "plain"))
    assert is_harmless(render_rows(rows, "github"))
    shown = render_rows(rows, "csv")
    assert is_harmless(shown)
    cells = [cell for line in csv.reader(io.StringIO(shown)) for cell in line]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "@"))]
    assert is_harmless(render_rows(rows, "json"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("![x](http://x)", "!\\[x](http://x)"),
        ("a\nb", "a b"),
        ("`rm`", "\\`rm\\`"),
    ],
)
def test_no_cell_is_markup(text: str, shown: str) -> None:
    assert f"| {shown} " in render_table(["Output"], [[text]], "github")


def test_evidence_without_end_is_bounded() -> None:
    error = WrongInput("x" * 100_000, evidence="\n".join("y" * 100_000 for _ in range(1000)))
    assert len(str(error)) < 200_000

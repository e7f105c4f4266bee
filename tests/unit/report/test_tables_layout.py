from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.tables import fit_table, render_table
from piyard.core.text import text_width, wrap_text
from piyard.report.comments import comments_text
from piyard.report.formats import render_rows
from piyard.results.result import Reason, Verdict
from tests.support.sample_rows import row

ROOT = Path(__file__).resolve().parents[3]
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=12)
CELLS = st.lists(WORDS, max_size=12).map(" ".join)
SUSPECT = Verdict(
    state="SUSPECT",
    reasons=[
        Reason(code="hot", grade="SUSPECT", text="82 °C, near the limit of 85 °C"),
        Reason(code="load", grade="SUSPECT", text="load 1.4 of other processes"),
    ],
)


def widest(text: str) -> int:
    return max(map(text_width, text.splitlines()))


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_the_benchmark_table_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    rows = [row(), row(title="mobilenet_v2", verdict=SUSPECT, random_seed=20260101)]
    for long in (False, True):
        text = render_rows(rows, long=long)
        assert widest(text) <= width
        for word in ("mobilenet_v2", "20260101", "SUSPECT:", "GMACs", "19.84"):
            assert word in text


def test_a_terminal_decides_and_a_pipe_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    program = (
        "from piyard.core import tables; "
        "print(tables.render_table(['Name', 'Text'], [['a', 'word ' * 60]], 'plain'))"
    )
    argv = [sys.executable, "-c", program]
    piped = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert widest(piped) > 250

    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 77, 0, 0))
    subprocess.run(argv, stdout=theirs, cwd=ROOT, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert widest(shown) <= 77
    assert shown.split().count("word") == 60


def test_columns_without_a_value_go_first_and_are_named() -> None:
    rows = [["pi5-a", "N/A", "a fairly long remark here"], ["pi5-b", "N/A", "short"]]
    text = fit_table(("Board", "Accuracy of it", "Comments"), rows, 40)
    assert text.splitlines()[0].split() == ["Board", "Comments"]
    assert text.endswith("N/A in every row: Accuracy of it")
    assert "Accuracy of it" in fit_table(("Board", "Accuracy of it", "C"), rows, None)


def test_an_empty_column_goes_without_a_word() -> None:
    rows = [["disk", "ok", ""], ["a rather long name of something", "ok", ""]]
    text = fit_table(("Checked", "State", "What to do about it"), rows, 40)
    assert "What" not in text
    assert "N/A" not in text


def test_a_column_with_one_value_stays() -> None:
    rows = [["pi5-a", "N/A", "remark " * 9], ["pi5-b", "71.3", "short"]]
    assert "71.3" in fit_table(("Board", "Accuracy", "Comments"), rows, 60)


def test_what_cannot_be_wrapped_is_stacked() -> None:
    columns = [f"Column {n}" for n in range(12)]
    rows = [[f"value-{r}-{n}-whole" for n in range(12)] for r in range(2)]
    text = fit_table(columns, rows, 60)
    assert widest(text) <= 60
    assert text.count("-" * 60) == 1
    assert "Column 11  value-1-11-whole" in text


def test_a_path_is_never_cut() -> None:
    path = "/home/user/" + "deep/" * 30 + "file"
    assert path in fit_table(("Where", "State"), [[path, "ok"]], 60)


def test_chinese_takes_two_columns() -> None:
    lines = fit_table(("Name", "X"), [["杯子", "1"], ["cup", "2"]], 80).splitlines()
    assert [
        text_width(line[: line.index(mark)]) for line, mark in zip(lines[2:], "12", strict=True)
    ] == [6, 6]


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4))
def test_every_word_is_there_and_only_words_are_wider(rows: list[list[str]]) -> None:
    text = fit_table(("First", "Second one", "Third"), rows, 60)
    words = [word for cells in rows for cell in cells for word in cell.split()]
    assert set(words) - {"N/A"} <= set(text.split())
    assert widest(text) <= max(60, *map(text_width, [*words, ""]), 0) + len("Second one") + 2


@given(CELLS, st.integers(min_value=1, max_value=30))
def test_wrapping_keeps_the_words_in_order(text: str, width: int) -> None:
    lines = wrap_text(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(text_width(line) <= width or " " not in line for line in lines)


def test_the_comment_is_the_verdict_and_its_first_reason() -> None:
    doubtful = row(verdict=SUSPECT)
    brief, whole = comments_text(doubtful, long=False), comments_text(doubtful)
    assert brief == "SUSPECT: 82 °C, near the limit of 85 °C; 1 more reason; 4 threads"
    assert "load 1.4" in whole
    assert "cosine" in whole
    for form in ("github", "csv", "json"):
        assert "load 1.4" in render_rows([doubtful], form)
    assert "load 1.4" in render_rows([doubtful], "plain", long=True)
    assert "load 1.4" not in render_rows([doubtful], "plain")


def test_programs_get_the_same_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, rows = ["A", "B"], [["x " * 90, "N/A"]]
    for form in ("github", "csv", "json"):
        monkeypatch.delenv("COLUMNS", raising=False)
        wide = render_table(columns, rows, form)
        monkeypatch.setenv("COLUMNS", "50")
        assert render_table(columns, rows, form) == wide

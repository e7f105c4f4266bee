"""The benchmark of the index of pictures: adding one touches one row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import picture_index


def test_one_more_picture_adds_a_row_and_a_line(tmp_path: Path) -> None:
    row = picture_index.measure(1200, tmp_path / "index")
    assert (row.pictures, row.row_bytes, row.lines, row.kept) == (1200, 1024, 1, True)
    assert replace(row, search_ms=50.0).passed
    assert not replace(row, search_ms=50.1).passed
    assert not replace(row, search_ms=1.0, kept=False).passed
    assert not replace(row, search_ms=1.0, lines=2).passed


def test_it_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    picture_index.main(["--pictures", "20", "--format", "json"])
    assert json.loads(capsys.readouterr().out)["pictures"] == 20

"""``invoke attach`` and ``fetch``: what is printed of a run that has ended."""

from __future__ import annotations

import json

import msgspec
import pytest

from piyard import tables
from piyard.commands import runs
from tests import kept


def test_a_run_that_is_neither_benchmark_nor_pictures_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One of a proof: its outputs are nobody's benchmark."""
    record = kept.record("a", what={"task": "compute", "net": "model"})
    runs._print(record, "plain")
    told = capsys.readouterr().out
    assert told.startswith(f"{record.id} on {record.host}: ended, in ")
    assert told.count("\n") == 1


def test_an_exit_code_is_a_number_in_json() -> None:
    ended, running = (
        runs._row(msgspec.structs.replace(kept.record("a"), exit_code=code)) for code in (4, None)
    )
    told = json.loads(tables.render(runs.COLUMNS, [ended, running], "json"))
    assert [one["Exit code"] for one in told] == [4, None]

"""``invoke attach`` and ``fetch``: what is printed of a run that has ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.cli import stored_runs
from piyard.cli.stored_runs import RUN_COLUMNS, _print_results, _run_row, remove_runs
from piyard.core.errors import PiyardError, UnreadableLog, WrongInput
from piyard.core.tables import render_table
from piyard.results.history import stored_rows
from piyard.results.result_files import save_result
from piyard.run.run_folders import LOG_FILE, RECORD_FILE, read_record, run_folder, save_record
from tests.support import synthetic_results


def test_a_run_that_is_neither_benchmark_nor_pictures_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One of a proof: its outputs are nobody's benchmark."""
    record = synthetic_results.record("a", what={"task": "compute", "net": "model"})
    _print_results(record, "plain")
    output = capsys.readouterr().out
    assert output.startswith(f"{record.id} on {record.host}: ended, in ")
    assert output.count("\n") == 1


def test_an_exit_code_is_a_number_in_json() -> None:
    ended, running = (
        _run_row(msgspec.structs.replace(synthetic_results.record("a"), exit_code=code))
        for code in (4, None)
    )
    content = json.loads(render_table(RUN_COLUMNS, [ended, running], "json"))
    assert [each["Exit code"] for each in content] == [4, None]


# -- runs without a result -----------------------------------------------------------------------


def stored(run_id: str, **changes: Any) -> Path:
    """What is kept of a run, with two samples of how many there were to be."""
    record = synthetic_results.record(run_id, **changes)
    folder = run_folder(run_id)
    folder.mkdir(parents=True)
    save_record(record)
    head = json.dumps(synthetic_results.header() | {"type": "header"})
    lines = [head, *(f'{{"type": "sample", "ms": {ms}}}' for ms in (10, 12))]
    (folder / LOG_FILE).write_text("\n".join(lines) + "\n")
    (folder / "stderr.txt").write_text("out of memory\n")
    return folder


@pytest.fixture
def failed() -> list[Path]:
    return [
        stored("a-failed", exit_code=1),
        stored("b-cancelled", exit_code=None, state="cancelled"),
        stored("c-lost", exit_code=None, state="interrupted"),
    ]


def test_runs_without_a_result_are_counted_not_complained_of(
    failed: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    save_result(synthetic_results.result("z"))
    for _ in range(2):
        assert [row.run for row in stored_rows()] == ["z"]
        (output,) = capsys.readouterr().err.splitlines()
        assert output.startswith("3 runs that failed or were cancelled have no result")
        assert "left out" not in output


def test_those_that_failed_are_removed(
    failed: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    running = stored("d", exit_code=None, state="running")
    good = stored("e", exit_code=0, state="ended")
    remove_runs(["failed"], dry_run=True)
    assert all(folder.is_dir() for folder in failed)
    remove_runs(["failed"], dry_run=False)
    assert not any(folder.exists() for folder in failed)
    assert running.is_dir()
    assert good.is_dir()
    assert capsys.readouterr().out.count("removed ") == 3
    remove_runs(["e"], dry_run=False)
    assert not good.exists()
    with pytest.raises(WrongInput, match="d keeps running"):
        remove_runs(["d"], dry_run=False)
    assert running.is_dir()
    with pytest.raises(WrongInput, match="no run is named 'x'"):
        remove_runs(["x"], dry_run=False)


@pytest.mark.parametrize(
    ("run_id", "code", "said"),
    [("a-failed", 13, "out of memory"), ("b-cancelled", 17, "cancelled"), ("c-lost", 17, "lost")],
)
def test_attach_shows_what_there_is(
    failed: list[Path], capsys: pytest.CaptureFixture[str], run_id: str, code: int, said: str
) -> None:
    with pytest.raises(PiyardError) as caught:
        stored_runs.attach(run_id, "plain")
    assert caught.value.code == code
    assert said in str(caught.value)
    output = capsys.readouterr()
    assert str(run_folder(run_id)) in output.out
    assert "2 samples before it ended, median 11.00 ms: not a result" in output.err


def test_a_record_of_a_newer_piyard_is_refused_and_not_read_wrongly() -> None:
    folder = stored("a")
    record = json.loads((folder / RECORD_FILE).read_text())
    (folder / RECORD_FILE).write_text(json.dumps(record | {"schema": 2, "state": "paused"}))
    with pytest.raises(UnreadableLog, match="newer piyard: its schema is 2"):
        read_record(folder)

"""From a stored run to a Result, with no board: parsing, medians; and tables in general."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from piyard.board.facts import Facts
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.tables import check_format, render_table
from piyard.results.history import newest_rows, stored_rows
from piyard.results.result import read_run_result
from piyard.run.log import parse_log
from piyard.run.record import Record, TaskInfo
from piyard.run.run_folders import LOG_FILE, find_run, run_folder, save_record
from tests.support import pi5_results

HEADER = {
    "type": "header",
    "schema": 1,
    "threads": 4,
    "precision": {"requested": "fp16", "storage": "fp16", "arithmetic": "fp16", "label": "fp16"},
}


def lines(*samples: float, header: dict[str, Any] | None = None, whole: bool = True) -> str:
    result: list[dict[str, Any]] = [header or HEADER, {"type": "load", "ms": 12.5}]
    result += [{"type": "sample", "i": i, "ms": ms} for i, ms in enumerate(samples)]
    if whole:
        result.append({"type": "summary", "samples": len(samples), "peak_rss_kb": 40_000})
    return "".join(json.dumps(line) + "\n" for line in result)


def record(run_id: str = "20260101T000000-a", **changes: Any) -> Record:
    task = TaskInfo(task="bench", slug="resnet18-fp16-t4")
    facts = Facts(machine="aarch64")
    fields = {"id": run_id, "what": task, "before": facts, "after": None}
    return pi5_results.record(**(fields | changes))


def stored(text: str, of: Record) -> Path:
    save_record(of)
    (run_folder(of.id) / LOG_FILE).write_text(text)
    return run_folder(of.id)


def test_keeps_every_sample_and_derives_the_median() -> None:
    read = read_run_result(stored(lines(30.0, 10.0, 20.0, 900.0), record()))
    assert read.samples_ms == [30.0, 10.0, 20.0, 900.0]
    assert read.latency_ms == 25.0
    assert read.fps == 40.0
    assert (read.load_ms, read.peak_rss_kb) == (12.5, 40_000)


def test_knows_when_each_sample_began_where_the_log_tells() -> None:
    assert read_run_result(stored(lines(1.0), record())).starts_s == []
    timed = lines(1.0, 2.0).replace('"ms": 1.0', '"ms": 1.0, "at": 40.25')
    assert read_run_result(stored(timed, record())).starts_s == [40.25]


def test_a_run_that_goes_on_says_how_to_wait_for_it() -> None:
    folder = stored(lines(1.0, whole=False), record(state="running", exit_code=None))
    with pytest.raises(UnreadableLog, match="keeps running on pi5") as caught:
        read_run_result(folder)
    assert caught.value.remedy == "invoke attach 20260101T000000-a"


def test_what_was_computed_need_not_be_what_was_asked_for() -> None:
    header = HEADER | {"precision": {"requested": "fp16", "label": "fp32"}}
    assert read_run_result(stored(lines(1.0, header=header), record())).data_type == "fp32"


@pytest.mark.parametrize(
    ("text", "of", "said"),
    [
        (lines(1.0, whole=False), record(), "did not end well"),
        (lines(1.0), record(exit_code=13), "did not end well"),
        (lines(), record(), "did not end well"),
        ("", record(), "does not begin with nnrun's header"),
        ('{"type":"sample","ms":1}\n', record(), "does not begin"),
        ("nonsense\n", record(), "log.jsonl:1 is not a log line of nnrun"),
        ("[1]\n", record(), "log.jsonl:1 is not a log line of nnrun"),
        ("{}\n", record(), "missing required field `type`"),
    ],
)
def test_a_run_that_did_not_end_well_is_no_result(text: str, of: Record, said: str) -> None:
    with pytest.raises(UnreadableLog) as caught:
        read_run_result(stored(text, of))
    assert said in str(caught.value)
    assert caught.value.code == 15


def test_a_last_line_that_was_cut_is_left_out() -> None:
    read = parse_log(lines(1.0, 2.0, whole=False) + '{"type":"samp', "log")
    assert len(read.samples) == 2
    assert read.summary is None


def test_the_newest_run_of_each_row_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    stored(lines(10.0), record("20260101T000000-a"))
    stored(lines(20.0), record("20260102T000000-a"))
    stored(lines(5.0, whole=False), record("20260103T000000-a"))
    rows = stored_rows()
    assert [row.summary.median for row in rows] == [10.0, 20.0]
    assert [row.summary.median for row in newest_rows(rows)] == [20.0]
    assert capsys.readouterr().err.count("left out: ") == 1


def test_a_run_is_found_by_the_start_of_its_id() -> None:
    stored(lines(1.0), record("20260101T000000-a"))
    stored(lines(1.0), record("20260102T000000-b"))
    assert find_run("20260102").name == "20260102T000000-b"
    with pytest.raises(WrongInput, match="2 runs are named '2026'"):
        find_run("2026")
    with pytest.raises(WrongInput, match="no run is named 'x'"):
        find_run("x")


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(WrongInput, match="did you mean 'json'"):
        check_format("jsn")


def test_numbers_with_separators_and_long_cells_fit_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "79")
    rows = [["12,345", "word " * 30, "two\nlines"]]
    shown = render_table(("A", "B", "C"), rows, "plain")
    assert "12,345" in shown
    assert max(len(line) for line in shown.splitlines()) < 80
    assert " ".join(shown.split()).count("word") == 30

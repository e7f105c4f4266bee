"""The index over results: as new as the files, gone and made again, shared by several piyards."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.results import history, index_db
from piyard.results.derive import make_row
from piyard.results.history import (
    ALL_RESULTS,
    MAX_LISTED_PROBLEMS,
    index_version,
    newest_rows,
    query_history,
    remove_index,
    stored_rows,
)
from piyard.results.index_db import IndexEntry, ResultFilter, ResultIndex, parse_since, read_entry
from piyard.results.result import Row, Verdict
from piyard.results.result_files import (
    index_file,
    load_result,
    result_file,
    results_folder,
    save_result,
)
from tests.support import synthetic_results


@pytest.fixture(autouse=True)
def one_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "index_version", lambda: "one make")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose results are opened."""
    opened: list[str] = []
    really = read_entry

    def reading(run: str, stamp: Any) -> IndexEntry:
        opened.append(run)
        return really(run, stamp)

    monkeypatch.setattr(index_db, "read_entry", reading)
    return opened


def save(*runs: str, **changes: Any) -> None:
    for run in runs:
        save_result(synthetic_results.result(run, [2.0, 1.0, 3.0], **changes))


def runs(of: ResultFilter = ALL_RESULTS) -> list[str]:
    return [row.run for row in stored_rows(of)]


def test_no_result_is_no_row() -> None:
    assert runs() == []


def test_rows_come_whole_out_of_the_index() -> None:
    save("a")
    loaded = msgspec.json.encode(make_row(load_result("a")))
    for _ in range(2):
        assert [msgspec.json.encode(result) for result in stored_rows()] == [loaded]


def test_only_what_is_new_is_read(read: list[str]) -> None:
    save("a", "b")
    assert runs() == ["a", "b"]
    save("c")
    assert runs() == ["a", "b", "c"]
    assert runs() == ["a", "b", "c"]
    assert read == ["a", "b", "c"]


def test_what_was_rewritten_is_read_again_even_at_the_same_time_and_size(read: list[str]) -> None:
    save("a")
    stored_rows()
    before = result_file("a").stat()
    save_result(synthetic_results.result("a", [4.0, 4.0, 4.0]))
    os.utime(result_file("a"), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert result_file("a").stat().st_size == before.st_size
    assert [row.summary.median for row in stored_rows()] == [4.0]
    assert read == ["a", "a"]


def test_what_is_gone_is_gone() -> None:
    save("a", "b")
    stored_rows()
    result_file("a").unlink()
    assert runs() == ["b"]


def test_a_run_of_schema_1_is_a_row_and_no_other_task_is() -> None:
    synthetic_results.old_run(synthetic_results.record("a"), [1.0])
    synthetic_results.old_run(synthetic_results.record("b", what={"task": "classify"}), [1.0])
    (row,) = stored_rows()
    assert (row.run, row.verdict.state) == ("a", "SUSPECT")


def test_a_run_that_gets_a_file_is_one_row() -> None:
    synthetic_results.old_run(synthetic_results.record("a"), [1.0])
    assert [row.verdict.state for row in stored_rows()] == ["SUSPECT"]
    save("a")
    assert [row.verdict.state for row in stored_rows()] == ["VALID"]


def test_a_run_that_went_on_is_read_when_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    synthetic_results.old_run(synthetic_results.record("a", state="running", exit_code=None), [1.0])
    assert runs() == []
    assert "left out: a keeps running on pi5" in capsys.readouterr().err
    synthetic_results.old_run(synthetic_results.record("a"), [1.0])
    assert runs() == ["a"]
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema":2,"rec', "is not a complete result"),
        ('{"schema":3}', "made by a newer piyard"),
    ],
)
def test_a_file_that_does_not_load_is_said_each_time_and_kept(
    content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save("a")
    result_file("b").write_text(content)
    for _ in range(2):
        assert runs() == ["a"]
        output = capsys.readouterr().err
        assert output.count("left out: ") == 1
        assert said in output
        assert str(result_file("b")) in output
    assert result_file("b").read_text() == content


def test_a_header_that_is_not_nnruns_is_said_not_fatal(capsys: pytest.CaptureFixture[str]) -> None:
    save_result(synthetic_results.result("a", head={"type": "header"}))
    save("b")
    content = json.loads(result_file("b").read_text())
    content["header"]["precision"] = None
    result_file("b").write_text(json.dumps(content))
    save("c")
    assert runs() == ["c"]
    output = capsys.readouterr().err
    assert output.count("holds something that nnrun does not write") == 1
    assert "is not a complete result: Expected `object`, got `null` - at `$.header" in output


def test_a_renamed_file_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    save("a")
    result_file("a").rename(result_file("b"))
    assert runs() == []
    assert "the result of a is stored as that of b: was it renamed?" in capsys.readouterr().err


def test_many_that_do_not_load_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    save("good")
    for number in range(MAX_LISTED_PROBLEMS + 3):
        result_file(f"bad{number:02}").write_bytes(b"")
    assert runs() == ["good"]
    output = capsys.readouterr().err.splitlines()
    assert len(output) == MAX_LISTED_PROBLEMS + 1
    assert output[-1] == "left out: 3 more"


def test_drafts_are_no_results_and_old_ones_are_swept() -> None:
    save("a")
    draft = results_folder() / ".b.json.123"
    draft.write_bytes(result_file("a").read_bytes())
    assert runs() == ["a"]
    assert draft.exists()
    os.utime(draft, (0, 0))
    assert runs() == ["a"]
    assert not draft.exists()


# The index itself: whatever is wrong with it, the answer is the files'.


def not_a_database(file: Path) -> None:
    file.write_bytes(b"not a database, " * 1000)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def overwritten_in_the_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\x07" * (len(content) - 4096)
    file.write_bytes(bytes(content))


def rows_of_nonsense(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE results SET row = x'c1c1'")
    connection.close()


def another_make(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE made_by SET mark = 'another'")
        connection.execute("UPDATE results SET row = x'c1c1'")
    connection.close()


def no_tables(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE results")
        connection.execute("DROP TABLE made_by")
    connection.close()


def gone(file: Path) -> None:
    file.unlink()


HARM = (
    *(not_a_database, cut, empty, overwritten_in_the_middle, rows_of_nonsense),
    *(another_make, no_tables, gone),
)


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_a_harmed_index_is_made_again_from_the_files(harm: Any, read: list[str]) -> None:
    names = [f"run{number:03}" for number in range(60)]
    save(*names)
    assert runs() == names
    harm(index_file())
    assert runs() == names
    assert read == names * 2, "all of them are read again"
    assert runs() == names
    assert read == names * 2, "and only once"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, 40_000), junk=st.binary(min_size=1, max_size=300))
def test_bytes_changed_anywhere_never_crash_it(at: int, junk: bytes) -> None:
    names = [f"run{number}" for number in range(8)]
    if not results_folder().exists():
        save(*names)
    stored_rows()
    content = bytearray(index_file().read_bytes())
    at %= len(content)
    content[at : at + len(junk)] = junk
    index_file().write_bytes(bytes(content))
    stored_rows()
    remove_index()
    assert runs() == names


def test_it_is_made_again_when_told_so(read: list[str]) -> None:
    save("a")
    stored_rows()
    assert query_history(lambda c: c.runs(), rebuild=True) == ["a"]
    assert read == ["a", "a"]


def test_a_changed_make_makes_it_again(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    save("a")
    stored_rows()
    monkeypatch.setattr(history, "index_version", lambda: "another")
    assert runs() == ["a"]
    assert runs() == ["a"]
    assert read == ["a", "a"]


def test_where_it_cannot_be_written_every_file_is_read_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("a", "b")
    index_file().mkdir()
    assert runs() == ["a", "b"]
    assert "the index of results cannot be used (unable to open" in capsys.readouterr().err


def test_one_that_is_locked_for_too_long_is_done_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a")
    stored_rows()
    save("b")
    monkeypatch.setattr(history, "INDEX_WAIT_S", 0.01)
    holder = sqlite3.connect(index_file(), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert runs() == ["a", "b"]
    holder.execute("ROLLBACK")
    holder.close()
    assert "cannot be used (database is locked)" in capsys.readouterr().err
    assert runs() == ["a", "b"]


def test_another_make_of_piyard_may_empty_it_while_files_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a")
    stored_rows()
    save("b")
    really, emptied = read_entry, list[str]()

    def interrupted(run: str, stamp: Any) -> IndexEntry:
        if not emptied:
            emptied.append(run)
            with sqlite3.connect(index_file()) as connection:
                ResultIndex(connection).reset("another make")
            connection.close()
        return really(run, stamp)

    monkeypatch.setattr(index_db, "read_entry", interrupted)
    assert runs() == ["a", "b"]


WRITER = """
import sys
from piyard.results import history, result_files
from tests.support import synthetic_results
history.index_version = lambda: "one make"
for number in range(15):
    result_files.save_result(synthetic_results.result(f"{sys.argv[1]}-{number:02}"))
    mine = [row.run for row in history.stored_rows() if row.run.startswith(sys.argv[1])]
    assert mine == [f"{sys.argv[1]}-{n:02}" for n in range(number + 1)], mine
"""


def test_several_piyards_write_and_read_at_once() -> None:
    root = Path(__file__).resolve().parents[3]
    names = ["a", "b", "c"]
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, name], cwd=root, stderr=subprocess.PIPE)
        for name in names
    ]
    ends = [(each.communicate(timeout=120)[1], each.returncode) for each in started]
    assert ends == [(b"", 0)] * 3
    assert runs() == [f"{name}-{number:02}" for name in names for number in range(15)]


# Questions.


def test_filters_pick_by_name_and_glob() -> None:
    save("a", host="pi5-a")
    save("b", host="pi5-b")
    save("c", host="[::1]:22")
    save("d", host="pi5-a", model="squeezenet1_1")
    assert runs(ResultFilter(hosts=["pi5-a"])) == ["a", "d"]
    assert runs(ResultFilter(hosts=["pi5-*"])) == ["a", "b", "d"]
    assert runs(ResultFilter(hosts=["[::1]:22", "pi5-b"])) == ["b", "c"]
    assert runs(ResultFilter(hosts=["pi5-a"], models=["squeeze*"])) == ["d"]
    assert runs(ResultFilter(hosts=["it's \" odd"])) == []


def test_filters_pick_by_day_and_number() -> None:
    for day in ("2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"):
        save(day, day=day)
    assert runs(ResultFilter(since="2026-11-01")) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert runs(ResultFilter(since="2026-11-02T12:00:00")) == ["2026-11-02", "2026-11-03"]
    assert runs(ResultFilter(since="2026-11-02T12:00:01")) == ["2026-11-03"]
    assert runs(ResultFilter(last=2)) == ["2026-11-02", "2026-11-03"]


def test_the_order_is_that_of_time_then_id() -> None:
    save("b", "a", day="2026-11-02")
    save("c", day="2026-11-01")
    assert runs() == ["c", "a", "b"]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01.11.2026"])
def test_a_day_that_is_none_is_said(text: str) -> None:
    with pytest.raises(WrongInput, match="--since takes a day"):
        parse_since(text)


def test_a_day_that_is_one_stays() -> None:
    assert parse_since("") == ""
    assert parse_since("2026-11-01 08:00") == "2026-11-01T08:00"


JOBS = st.tuples(
    st.sampled_from(["pi5", "pi4"]),
    st.sampled_from(["resnet18", "squeezenet1_1"]),
    st.sampled_from([1, 4]),
    st.integers(1, 28),
)


@settings(max_examples=25, deadline=None)
@given(jobs=st.lists(JOBS, min_size=1, max_size=12), last=st.integers(0, 4))
def test_the_index_finds_the_newest_as_a_loop_over_all_does(
    jobs: list[tuple[str, str, int, int]], last: int
) -> None:
    for file in results_folder().glob("*"):
        file.unlink()
    for number, (host, model, threads, day) in enumerate(jobs):
        head = synthetic_results.header(threads=threads)
        save(f"run{number:02}", host=host, model=model, head=head, day=f"2026-11-{day:02}")
    every = stored_rows()
    newest = newest_rows(every)
    request = ResultFilter(newest=True, last=last)
    result, number_of_jobs = query_history(lambda c: (c.rows(request), c.count(request)))
    assert [row.run for row in result] == [row.run for row in newest[-last:]]
    assert number_of_jobs == len(newest)
    assert query_history(lambda c: c.count(ALL_RESULTS)) == len(jobs)
    formers = query_history(lambda c: [c.previous(row) for row in every])
    assert formers == [_former(row, every[:at]) for at, row in enumerate(every)]


def _former(row: Row, before: list[Row]) -> Row | None:
    return next((each for each in reversed(before) if each.job == row.job), None)


def test_names_that_have_results() -> None:
    save("a", host="pi5-b")
    save("b", host="pi5-a", model="squeezenet1_1")
    save_result(synthetic_results.result("c", verdict=Verdict(state="INVALID")))
    assert query_history(lambda c: c.hosts()) == ["pi5", "pi5-a", "pi5-b"]
    assert query_history(lambda c: c.models()) == ["resnet18", "squeezenet1_1"]
    assert query_history(lambda c: c.runs()) == ["a", "b", "c"]


def test_the_mark_changes_with_the_code_and_the_inventory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("piyard.core.paths.ROOT", tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    code, fleet = tmp_path / "piyard" / "result.py", tmp_path / "config" / "piyard" / "fleet.yaml"
    marks = [index_version()]
    for file in (code, fleet):
        file.parent.mkdir(parents=True)
        file.write_text("1")
        marks.append(index_version())
        file.write_text("22")
        marks.append(index_version())
    assert len(set(marks)) == 5
    (tmp_path / "piyard" / "result.pyc").touch()
    assert index_version() == marks[-1]

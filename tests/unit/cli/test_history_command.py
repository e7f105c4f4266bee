"""``invoke history``: what it lists, how it names runs, and what became of each job's time."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.cli.desk_requests import HistoryRequest
from piyard.cli.stored import HISTORY_COLUMNS, list_results
from piyard.core.errors import WrongInput
from piyard.results.comparison import JobChange, change_since
from piyard.results.derive import make_row
from piyard.results.result import Reason, Result, Row, Verdict
from piyard.results.result_files import (
    index_file,
    resolve_run_id,
    result_file,
    save_result,
    short_run_id,
)
from piyard.results.significance import compare_samples
from tests.support import synthetic_results
from tests.unit.test_tasks import invoke

HOT = Verdict(
    state="INVALID", reasons=[Reason(code="hot", grade="INVALID", text="85 °C: cool the board")]
)


def save(run: str, median: float = 20.0, **changes: Any) -> None:
    save_result(synthetic_results.result(run, synthetic_results.around(median), **changes))


def listed(**flags: Any) -> None:
    usual = {"host": [], "model": [], "since": "", "last": "", "rebuild": False, "format": "plain"}
    list_results(HistoryRequest.parse(usual | flags))


def describe(capsys: pytest.CaptureFixture[str], **flags: Any) -> list[dict[str, Any]]:
    listed(format="json", **flags)
    output: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return output


def refused(**flags: Any) -> WrongInput:
    with pytest.raises(WrongInput) as caught:
        listed(**flags)
    return caught.value


def a_row(median: float = 20.0, **changes: Any) -> Row:
    return make_row(synthetic_results.result("r", synthetic_results.around(median), **changes))


def change_of(a: Result, b: Result) -> JobChange:
    stored = {"a": a, "b": b}
    before, now = (msgspec.structs.replace(make_row(stored[run]), run=run) for run in "ab")
    return change_since(before, now, stored.__getitem__)


# The change.


def test_the_first_of_a_job_is_the_first() -> None:
    assert change_since(None, a_row()) == JobChange(text="first")


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        (20.0, 22.0, "↑ 10.0 % slower"),
        (20.0, 18.0, "↓ 10.0 % faster"),
        (357.0, 63.0, "↓ faster: from 357 to 62.9 ms"),
        (4.0, 14.188, "↑ slower: from 4 to 14.2 ms"),
        (20.0, 20.0, "→ +0.0 %"),
        (20.0, 20.02, "→ +0.1 %"),
        (20.0, 20.4, "→ +2.0 %"),
    ],
)
def test_the_change_is_told_in_words(before: float, now: float, text: str) -> None:
    result = change_of(
        *(
            synthetic_results.result("r", synthetic_results.around(median))
            for median in (before, now)
        )
    )
    assert result.text == text
    assert result.percent == pytest.approx(100 * (now / before - 1))


@given(ratio=st.floats(0.8, 1.25), spread=st.floats(0.0005, 0.2), count=st.integers(3, 40))
def test_a_change_is_one_when_compare_says_so(ratio: float, spread: float, count: int) -> None:
    """Also where the medians' own intervals lie apart, and where they overlap."""
    a = synthetic_results.result("r", synthetic_results.around(20.0, count, spread=spread))
    b = synthetic_results.result(
        "r", synthetic_results.around(20.0 * ratio, count, seed=1, spread=spread)
    )
    verdict = compare_samples(a.samples_ms, b.samples_ms).verdict
    text = change_of(a, b).text
    assert text.startswith("→") == (verdict == "not significant")
    assert verdict == "not significant" or verdict in text


def test_a_change_names_what_else_is_not_the_same() -> None:
    a = synthetic_results.result("r", synthetic_results.around(20.0), build="b1")
    b = synthetic_results.result("r", synthetic_results.around(22.0), build="b2")
    assert change_of(a, b).text == "↑ 10.0 % slower (other build)"


def test_a_result_whose_samples_are_gone_is_not_compared() -> None:
    result = change_since(a_row(20.0), a_row(30.0))
    assert result == JobChange(text="not comparable: the samples cannot be read")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": HOT}, "not comparable: INVALID"),
        ({"model_key": "m2"}, "not comparable: another conversion"),
        (
            {"head": synthetic_results.header(requested="fp16", data_type="fp32")},
            "not comparable: was fp16",
        ),
        ({"emulated": True}, "not comparable: times of an emulator"),
        (
            {"model_key": "m2", "verdict": HOT},
            "not comparable: INVALID, another conversion",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(changes: dict[str, Any], said: str) -> None:
    result = change_since(a_row(), a_row(**changes))
    assert (result.text, result.percent) == (said, None)


def test_a_change_is_since_the_last_believable_one(capsys: pytest.CaptureFixture[str]) -> None:
    save("1", 20.0, day="2026-11-01")
    save("2", 40.0, day="2026-11-02", verdict=HOT)
    save("3", 22.0, day="2026-11-03")
    save("4", 22.0, day="2026-11-04", model="squeezenet1_1")
    output = {each["run"]: each["change"] for each in describe(capsys)}
    assert output == {
        "1": "first",
        "2": "not comparable: INVALID",
        "3": "↑ 10.0 % slower",
        "4": "first",
    }


def test_a_change_is_known_though_the_one_before_is_not_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("1", 20.0, day="2026-11-01")
    save("2", 22.0, day="2026-11-02")
    (only,) = describe(capsys, last="1")
    assert (only["run"], only["change"]) == ("2", "↑ 10.0 % slower")


# The names.


def test_a_run_is_named_by_its_time_where_that_is_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("20261120T120000-resnet18-fp16-t4-aaaaaa")
    save("20261120T120001-resnet18-fp16-t4-bbbbbb")
    save("20261120T120001-resnet18-fp32-t4-cccccc", head=synthetic_results.header(requested="fp32"))
    listed()
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert shown == [
        "20261120T120000",
        "20261120T120001-resnet18-fp1",
        "20261120T120001-resnet18-fp3",
    ]


RUNS = st.lists(st.text(alphabet="2T0-ab", min_size=1, max_size=24), min_size=1, unique=True)


@given(runs=RUNS.map(sorted), at=st.integers(0, 100))
def test_what_is_shown_finds_the_run_again(runs: list[str], at: int) -> None:
    run = runs[at % len(runs)]
    assert resolve_run_id(short_run_id(run, runs), runs) == run


@given(runs=RUNS.map(sorted), start=st.text(alphabet="2T0-ab", max_size=4))
def test_a_start_means_the_only_run_that_begins_so(runs: list[str], start: str) -> None:
    result = [run for run in runs if run.startswith(start)]
    if start in runs or (start and len(result) == 1):
        assert resolve_run_id(start, runs) == (start if start in runs else result[0])
    else:
        with pytest.raises(WrongInput):
            resolve_run_id(start, runs)


# Filters.


@pytest.fixture
def several() -> None:
    save("1", day="2026-11-01", host="pi5-a")
    save("2", day="2026-11-02", host="pi5-b")
    save("3", day="2026-11-03", host="pi5-b", model="squeezenet1_1")
    save("4", day="2026-11-04", host="pi4")


@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        ({}, "1234"),
        ({"host": ["pi5-b"]}, "23"),
        ({"host": ["pi5-*"]}, "123"),
        ({"host": ["pi4", "pi5-a"]}, "14"),
        ({"model": ["squeeze*"]}, "3"),
        ({"host": ["pi5-*"], "model": ["resnet18"]}, "12"),
        ({"since": "2026-11-03"}, "34"),
        ({"since": "2026-11-02 13:00"}, "34"),
        ({"last": "2"}, "34"),
        ({"host": ["pi5-*"], "last": "1"}, "3"),
        ({"rebuild": True}, "1234"),
    ],
)
def test_filters_choose_what_is_listed_newest_last(
    several: None, capsys: pytest.CaptureFixture[str], flags: dict[str, Any], runs: str
) -> None:
    assert "".join(each["run"] for each in describe(capsys, **flags)) == runs


def test_a_tag_means_the_boards_of_the_inventory(
    several: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        "boards:\n"
        "  pi5-a: {host: pi5-a.local, target: rpi5, tags: [lab]}\n"
        "  pi4: {host: pi4.local, target: rpi4, tags: [lab]}\n"
    )
    monkeypatch.setenv("PIYARD_FLEET", str(fleet))
    assert [each["run"] for each in describe(capsys, host=["@lab"])] == ["1", "4"]
    assert "no board has the tag 'lib'" in refused(host=["@lib"]).what


def test_a_long_list_is_cut_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(33):
        save(f"{number:02}")
    listed()
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 + 30
    assert "3 older results are left out: --last 33 shows all" in err
    assert len(describe(capsys, last="33")) == 33


def test_with_rebuild_a_damaged_index_does_not_matter(
    several: None, capsys: pytest.CaptureFixture[str]
) -> None:
    listed()
    index_file().write_bytes(b"nonsense")
    capsys.readouterr()
    listed(rebuild=True)
    assert not capsys.readouterr().err


# Formats.


def test_a_line_tells_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    save("1", verdict=HOT)
    listed()
    head, _, line = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "Run"
    for cell in ("1", "2026-11-20 12:00", "pi5", "resnet18", "fp16", "4", "INVALID", "first"):
        assert f"{cell}  " in f"{line}  "
    assert " ± " in line


def test_few_samples_have_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    save_result(synthetic_results.result("1", [20.0, 20.0, 20.0]))
    listed()
    out = capsys.readouterr().out
    assert "20.00" in out
    assert "±" not in out


def test_programs_get_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    save("1", day="2026-11-01")
    save("2", 22.0, day="2026-11-02", verdict=HOT)
    first, second = describe(capsys)
    assert first["low_ms"] < first["median_ms"] < first["high_ms"]
    assert (first["samples"], first["threads"], first["change_percent"]) == (40, 4, None)
    assert second["reasons"] == "85 °C: cool the board"
    listed(format="csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(rows[0]["median_ms"]) == first["median_ms"]
    assert rows[0]["change_percent"] == ""
    assert rows[0].keys() == first.keys()


def test_markdown_is_a_table(several: None, capsys: pytest.CaptureFixture[str]) -> None:
    listed(format="github")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    titled = [column for column in HISTORY_COLUMNS if column.title]
    assert {line.count("|") for line in lines} == {len(titled) + 1}


# Mistakes.


def test_nothing_stored_says_what_makes_some() -> None:
    error = refused()
    assert (error.what, error.remedy) == (
        "no results are stored yet",
        "invoke deploy-bench makes some",
    )


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"host": ["pi5-aa"]}, "no result of board pi5-aa, did you mean 'pi5-a'?"),
        ({"host": ["zero*"]}, "no result of board zero*"),
        ({"model": ["resnet-18"]}, "no result of model resnet-18, did you mean 'resnet18'?"),
        ({"since": "2027-01-01"}, "no result passes these filters"),
        ({"host": ["pi4"], "model": ["squeezenet1_1"]}, "no result passes these filters"),
        ({"since": "soon"}, "--since takes a day, not 'soon'"),
        ({"last": "few"}, "--last takes a whole number from 1, not 'few'"),
        ({"last": "0"}, "--last takes a whole number from 1, not '0'"),
        ({"format": "yaml"}, "unknown format 'yaml'"),
    ],
)
def test_a_mistake_is_said_with_the_nearest(
    several: None, flags: dict[str, Any], what: str
) -> None:
    error = refused(**flags)
    assert error.what.startswith(what)
    assert error.remedy


def test_the_names_there_are_follow(several: None) -> None:
    assert refused(host=["nobody"]).remedy == "there are results of pi4, pi5-a, pi5-b"


def test_what_does_not_load_is_said_beside_the_rest(
    several: None, capsys: pytest.CaptureFixture[str]
) -> None:
    result_file("2").write_text('{"schema":2,')
    assert [each["run"] for each in describe(capsys)] == ["1", "3", "4"]
    listed()
    assert "is not a complete result" in capsys.readouterr().err


def test_it_works_as_typed(several: None) -> None:
    done = invoke("history", "--host", "pi5-b", "--host", "pi4", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["run"] for each in json.loads(done.stdout)] == ["2", "3", "4"]
    wrong = invoke("history", "--host", "pi6")
    assert wrong.returncode == 3
    assert "Traceback" not in wrong.stderr

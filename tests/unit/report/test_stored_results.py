"""``invoke report``: what is stored, chosen, rendered, printed or put into a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from piyard.cli.desk_requests import ReportRequest
from piyard.cli.report import print_report
from piyard.core import paths
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.results.result_files import save_result
from tests.support import sample_rows

SAMPLES = [20.0, 20.1, 20.2, 20.2, 20.3, 20.4, 20.5]


def store(run: str, **changes: Any) -> None:
    of = sample_rows.row(run=run, when=f"{run[:4]}-01-01T00:00:00+00:00", **changes)
    save_result(sample_rows.result(of, SAMPLES))


@pytest.fixture
def two_boards() -> None:
    store("20260101T000000-a", host="pi5-a")
    store("20250101T000000-b", host="pi5-a")
    store("20260102T000000-c", host="pi5-b", model="mobilenet_v2")


def reprint(format: str = "plain", **flags: Any) -> None:  # noqa: A002
    print_report(ReportRequest.parse({"format": format} | flags))


def printed(capsys: pytest.CaptureFixture[str], **flags: Any) -> Any:
    reprint("json", **flags)
    return json.loads(capsys.readouterr().out)


def test_the_newest_of_each_row_is_printed(
    two_boards: None, capsys: pytest.CaptureFixture[str]
) -> None:
    output = printed(capsys)
    assert sorted(row["run"] for row in output) == ["20260101T000000-a", "20260102T000000-c"]
    assert output[0]["samples_ms"] == SAMPLES


def test_every_run_can_be_asked_for(two_boards: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(printed(capsys, all=True)) == 3


@pytest.mark.parametrize("flags", [{"host": ["*-b"]}, {"model": ["mobile*"]}])
def test_boards_and_models_are_chosen_by_name_or_glob(
    two_boards: None, capsys: pytest.CaptureFixture[str], flags: dict[str, Any]
) -> None:
    assert [row["run"] for row in printed(capsys, **flags)] == ["20260102T000000-c"]


def test_a_page_goes_where_it_is_said(
    two_boards: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = tmp_path / "new" / "page.html"
    reprint("html", output=str(where))
    assert capsys.readouterr().out == f"{where}\n"
    assert where.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [left.name for left in where.parent.iterdir()] == ["page.html"]


def test_a_page_without_a_place_goes_to_the_artifacts(
    two_boards: None, capsys: pytest.CaptureFixture[str]
) -> None:
    reprint("html")
    assert capsys.readouterr().out == f"{paths.artifacts() / 'report.html'}\n"
    assert (paths.artifacts() / "report.html").is_file()


def test_older_rows_of_a_page_bring_no_samples(two_boards: None) -> None:
    reprint("html", all=True)
    text = (paths.artifacts() / "report.html").read_text(encoding="utf-8")
    block = text.split('type="application/json">')[1].split("</script>")[0]
    carried = {e["row"]["run"]: len(e["samples"]) for e in json.loads(block)["entries"]}
    assert carried == {"20260101T000000-a": 7, "20250101T000000-b": 0, "20260102T000000-c": 7}


def test_any_format_can_go_into_a_file(two_boards: None, tmp_path: Path) -> None:
    reprint("csv", output=str(tmp_path / "rows.csv"))
    assert (tmp_path / "rows.csv").read_text().startswith("Hardware,Model,")


def test_nothing_stored_says_what_makes_some() -> None:
    with pytest.raises(WrongInput, match="no results are stored yet") as caught:
        reprint("plain")
    assert caught.value.remedy == "invoke deploy-bench makes some"


def test_nothing_of_that_name_is_said_so(two_boards: None) -> None:
    with pytest.raises(WrongInput, match="no stored result is of that board and model"):
        reprint(host=["nobody"])


def test_a_wrong_format_is_said_before_any_work() -> None:
    with pytest.raises(WrongInput, match="did you mean 'junit'"):
        reprint("junt")


def test_one_run_is_found_by_the_start_of_its_id(
    two_boards: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row["run"] for row in printed(capsys, run="2025")] == ["20250101T000000-b"]


def test_a_run_that_is_not_there_is_named() -> None:
    with pytest.raises((WrongInput, UnreadableLog), match="no run is named '2031'"):
        reprint(run="2031")

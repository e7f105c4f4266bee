"""Rows as tables, CSV and JSON: the thirteen columns, and what a reader must not overlook."""

from __future__ import annotations

import csv
import io
import json
import shlex
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.core.tables import FORMATS
from piyard.core.text import format_digits, format_percent
from piyard.report.columns import COLUMNS, shown_columns
from piyard.report.comments import row_comments
from piyard.report.formats import REPORT_FORMATS, render_rows, require_format
from piyard.report.page import rerun_command
from piyard.results import summary
from piyard.results.result import (
    Cost,
    EnergyUse,
    OutputMatch,
    ReferenceTime,
    Roofline,
    Row,
    Verdict,
)
from piyard.run.record import BenchInfo, JobInfo, TaskInfo
from tests.support import sample_rows
from tests.support.sample_rows import BUSY, THROTTLED, row

INVALID = Verdict(state="INVALID", reasons=[THROTTLED])
SUSPECT = Verdict(state="SUSPECT", reasons=[BUSY])
EMULATED: dict[str, Any] = {"emulated": True, "verdict": Verdict(state="EMULATED")}
TITLES = [column.title for column in COLUMNS if column.title]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
NASTY = "a|b\n<script>alert('x')</script> \"q\" \x1b[31mü\u202e\r\x00"


def shown(of: Row) -> dict[str, str]:
    return {column.title: column.text_of(of) for column in shown_columns([of])}


def comments_of(**changes: Any) -> str:
    return "; ".join(row_comments(row(**changes)))


def test_a_bare_row_has_the_users_columns() -> None:
    expected = {
        "Hardware": "Raspberry Pi 5",
        "Model": "resnet18",
        "Input Resolution": "224x224",
        "Batch": "1",
        "Data type": "fp16",
        "Params": "11.69 M",
        "GFLOPs/MACs": "1.81 GMACs",
        "Accuracy": "N/A",
        "FPS": "50.40",
        "Latency (ms)": "19.84 ±0.8 %",
        "Energy": "N/A",
        "Cost ($)": "N/A",
        "Comments": "VALID; 4 threads, 7 runs, median; output as the original's (cosine 0.999980)",
    }
    assert list(expected.items()) == [item for item in shown(row()).items() if item[0] in expected]


def test_a_full_row_shows_energy_cost_and_what_it_compares_with() -> None:
    full = shown(row(**sample_rows.every_field()))
    assert full["Accuracy"] == "69.76 % top-1"
    assert full["Energy"] == "0.213 J (PMIC)"
    assert full["Cost ($)"] == "80 (2026-01-15)"
    assert "1.00x the published 19.84 ms; 3.4x the compute floor" in full["Comments"]
    assert "$0.0175 of energy a million inferences" in full["Comments"]


def test_what_is_unknown_is_never_guessed() -> None:
    cells = shown(row(params=None, macs=None, cost=Cost(board=None), check=None))
    for column in ("Params", "GFLOPs/MACs", "Accuracy", "Energy", "Cost ($)"):
        assert cells[column] == "N/A"
    assert "output not checked" in cells["Comments"]


def test_a_price_without_a_date_stands_alone() -> None:
    assert shown(row(cost=Cost(board=59.5)))["Cost ($)"] == "59.50"


def test_an_invalid_figure_says_so_itself_wherever_it_is_copied_from() -> None:
    cells = shown(row(verdict=INVALID))
    assert cells["FPS"] == "INVALID 50.40"
    assert cells["Latency (ms)"].startswith("INVALID 19.84")
    assert cells["Comments"].startswith(f"INVALID: {THROTTLED.text}; ")


@pytest.mark.parametrize(
    ("verdict", "begin"),
    [
        (Verdict(state="VALID"), "VALID; 4 threads"),
        (SUSPECT, f"SUSPECT: {BUSY.text}; 4 threads"),
        (Verdict(state="SUSPECT"), "SUSPECT; 4 threads"),
        (Verdict(state="INVALID", reasons=[THROTTLED, BUSY]), f"INVALID: {THROTTLED.text}; other"),
        (Verdict(state="EMULATED", reasons=[BUSY]), "EMULATED: not a Pi's time; 4 threads"),
    ],
)
def test_the_verdict_comes_first(verdict: Verdict, begin: str) -> None:
    assert comments_of(verdict=verdict).startswith(begin)


def test_only_an_invalid_row_marks_its_figures() -> None:
    for verdict in (SUSPECT, Verdict(state="VALID"), Verdict(state="EMULATED")):
        assert shown(row(verdict=verdict))["FPS"] == "50.40"


def test_random_weights_are_said() -> None:
    assert "random weights (seed 7)" in comments_of(random_seed=7)


def test_a_precision_that_fell_back_is_said() -> None:
    assert "fp16 asked for" in comments_of(data_type="fp32")
    assert "asked for" not in comments_of(precision="fp16", data_type="fp16 storage")


def test_a_wrong_output_is_said() -> None:
    result = comments_of(check=OutputMatch(ok=False, cosine=0.2))
    assert "OUTPUT DIFFERS from the original's (cosine 0.200000)" in result
    result = comments_of(check=OutputMatch(ok=True, cosine=1.0, blind="a single number"))
    assert "output as the original's (by its difference: it is a single number)" in result
    result = comments_of(check=OutputMatch(ok=True, cosine=1.0, empty="it is constant"))
    assert "output check proves nothing: it is constant" in result


def test_a_row_that_is_off_names_the_likely_causes() -> None:
    off = ReferenceTime(ms=11.0, source="s", likely=["desktop running (labwc)", "3 A supply"])
    result = comments_of(published=off)
    assert "1.80x the published 11.00 ms: desktop running (labwc), 3 A supply" in result


def test_an_emulated_time_is_compared_with_nothing() -> None:
    floor, published = (
        Roofline(ms=5.9, bound="compute", source="s"),
        ReferenceTime(ms=9, source="s"),
    )
    result = comments_of(floor=floor, published=published, **EMULATED)
    assert "published" not in result
    assert "floor" not in result


def test_too_few_samples_have_no_interval() -> None:
    few = row(summary=sample_rows.summary([20.0, 20.0, 20.0, 20.0, 20.0]))
    assert shown(few)["Latency (ms)"] == "20.00"
    assert json.loads(render_rows([few], "json"))[0]["Latency (ms)"] == 20.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (19.8412, "19.84"),
        (8922.0, "8922.00"),
        (1.0, "1.00"),
        (0.2134, "0.213"),
        (0.0001234, "0.000123"),
        (0.0, "0.00"),
        (float("nan"), "N/A"),
        (float("inf"), "N/A"),
    ],
)
def test_a_figure_keeps_three_digits(value: float, text: str) -> None:
    assert format_digits(value) == text


@given(st.floats(1e-9, 1e9))
def test_a_figure_is_never_off_by_more_than_its_digits(value: float) -> None:
    assert float(format_digits(value)) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("part", "text"), [(0.254, "25.4"), (0.004, "0.4"), (0.0006, "0.06"), (0.0, "0.0")]
)
def test_a_narrow_interval_is_not_rounded_to_nothing(part: float, text: str) -> None:
    assert format_percent(part) == text


def test_where_there_are_several_boards_each_row_names_its_own() -> None:
    both = render_rows([row(host="pi5-a"), row(host="pi5-b")], "github")
    assert "on pi5-a; " in both
    assert "on pi5-b; " in both
    assert "on pi5" not in render_rows([row()], "github")


@pytest.mark.parametrize("form", ["plain", "github"])
def test_tables_for_people_hold_all_columns(form: str) -> None:
    text = render_rows([row()], form)
    assert all(title.split()[0] in text for title in TITLES)
    assert (form == "github") == text.startswith("|")


@given(NAMES)
@example(NASTY)
def test_no_name_breaks_a_markdown_table(name: str) -> None:
    text = render_rows([row(title=name, host=name), row()], "github")
    lines = text.split("\n")
    assert len(lines) == 4
    assert all(line.replace("\\|", "").count("|") == len(TITLES) + 1 for line in lines)
    assert "<" not in text


@given(NAMES)
@example(NASTY)
def test_no_name_commands_the_terminal(name: str) -> None:
    text = render_rows([row(title=name)], "plain")
    assert all(
        char.isprintable() or char == "\n" for char in text.replace("\N{NO-BREAK SPACE}", "")
    )


@given(NAMES, NAMES)
@example(NASTY, NASTY)
def test_csv_reads_back_with_plain_numbers(title: str, host: str) -> None:
    of = row(title=title, host=host, **sample_rows.every_field())
    (read,) = csv.DictReader(io.StringIO(render_rows([of], "csv"), newline=""))
    assert list(read)[: len(TITLES)] == TITLES
    assert [read["Model"].removeprefix("'"), read["board"].removeprefix("'")] == [
        name.replace("\r\n", "\n").replace("\r", "\n").removeprefix("'") for name in (title, host)
    ]
    assert float(read["Latency (ms)"]) == of.summary.median
    assert float(read["FPS"]) == of.fps
    assert float(read["Energy"]) == 0.213
    assert float(read["Cost ($)"]) == 80
    assert int(read["Params"]) == 11_689_512
    assert float(read["interval_half_width"]) == pytest.approx(of.summary.half_width)


def test_csv_says_not_known_in_each_column_it_does_not_know() -> None:
    (read,) = csv.DictReader(io.StringIO(render_rows([row()], "csv")))
    assert {read[name] for name in ("Energy", "Cost ($)", "published_ms", "wall_w")} == {"N/A"}


def test_csv_of_no_rows_is_its_header() -> None:
    assert render_rows([], "csv").split(",")[0] == "Hardware"


def test_csv_keeps_the_verdict_apart() -> None:
    rows = [row(verdict=Verdict(state="INVALID", reasons=[THROTTLED, BUSY])), row(**EMULATED)]
    first, second = csv.DictReader(io.StringIO(render_rows(rows, "csv")))
    assert (first["verdict"], first["reasons"]) == ("INVALID", "throttled load")
    assert (second["verdict"], second["emulated"]) == ("EMULATED", "True")


def test_json_carries_everything_of_a_row() -> None:
    of = row(verdict=SUSPECT, **sample_rows.every_field())
    (read,) = json.loads(render_rows([of], "json"))
    assert list(read)[: len(TITLES)] == TITLES
    again = msgspec.convert(read["row"], Row)
    assert msgspec.json.encode(again) == msgspec.json.encode(of)
    assert "samples_ms" not in read


def test_json_carries_the_samples_and_the_run() -> None:
    of = row()
    result = sample_rows.result(of, [2.0, 1.0])
    (read,) = json.loads(render_rows([of], "json", [result]))
    assert read["samples_ms"] == [2.0, 1.0]
    assert read["run"] == of.run
    assert read["result"]["record"]["model"]["key"] == of.model_key


def test_json_has_null_where_nothing_is_known() -> None:
    (read,) = json.loads(render_rows([row(params=None)], "json"))
    assert read["Energy"] is None
    assert read["Params"] is None


def test_json_has_no_number_that_json_has_not() -> None:
    odd = msgspec.structs.replace(row().summary, p99=float("inf"))
    text = render_rows([row(summary=odd)], "json")

    def refuse(name: str) -> float:
        raise AssertionError(name)

    assert json.loads(text, parse_constant=refuse)[0]["row"]["summary"]["p99"] is None


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(WrongInput, match="did you mean 'html'"):
        require_format("htm")
    assert set(FORMATS) < set(REPORT_FORMATS)


def test_the_table_needs_nothing_of_the_page() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from tests.support.sample_rows import row;"
        "from piyard.report.formats import render_rows;"
        "render_rows([row()]); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"plotly", "numpy", "torch", "piyard.report.page"} & set(done.stdout.split())


# The command that measures a row again


def test_the_command_names_all_that_makes_the_row() -> None:
    assert shlex.join(rerun_command(row(threads=2))) == (
        "invoke bench --host pi5 --target rpi5 --model resnet18 --precision fp16 --threads 2"
    )


def test_the_command_of_a_result_measures_as_long() -> None:
    of = row(random_seed=3)
    command = shlex.join(rerun_command(of, sample_rows.result(of, [1.0])))
    assert command.endswith("--threads 4 --random-weights --budget 10 --warmup 8")


def test_an_emulated_board_tells_its_target_itself() -> None:
    of = row(host="emulated:rpi5", **EMULATED)
    assert "--target" not in rerun_command(of)


def test_a_fixed_number_of_loops_is_repeated() -> None:
    of = row()
    result = sample_rows.result(of, [1.0])
    what = TaskInfo(task="bench", job=JobInfo(bench=BenchInfo(loops=3, warmup=0)))
    repeated = msgspec.structs.replace(result.record, what=what)
    result = msgspec.structs.replace(result, record=repeated)
    assert rerun_command(of, result)[-4:] == ["--loops", "3", "--warmup", "0"]


@given(NAMES)
def test_a_shell_reads_the_command_as_it_is(host: str) -> None:
    command = rerun_command(row(host=host))
    assert shlex.split(shlex.join(command)) == command


def test_the_command_is_one_that_exists() -> None:
    """Invoke's own parser takes every flag of it."""
    from invoke.collection import Collection
    from invoke.parser import Parser

    from piyard.cli import board_tasks

    of = row(random_seed=1)
    command = rerun_command(of, sample_rows.result(of, [1.0]))
    program, *argv = command
    (context,) = Parser(contexts=Collection(board_tasks.bench).to_contexts()).parse_argv(argv)
    given_flags = {name: arg.value for name, arg in context.args.items() if arg.got_value}
    assert program == "invoke"
    assert given_flags["host"] == ["pi5"]
    assert given_flags["threads"] == ["4"]
    assert given_flags["random-weights"] is True
    assert given_flags["budget"] == "10"


def test_power_without_a_wall_is_shown_all_the_same() -> None:
    power = EnergyUse(
        joules=1.5, above_idle_joules=1, average_w=9, idle_w=3, wall_w=None, source="my meter"
    )
    assert shown(row(power=power))["Energy"] == "1.50 J (my meter)"


def test_the_whole_and_the_first_answer_have_times_of_their_own() -> None:
    result = comments_of(end_to_end=summary.summarize([25.0] * 8), cold_ms=312.5)
    assert "end to end 25.00 ms; cold start 312.50 ms" in result
    assert "end to end" not in comments_of()
    assert "cold" not in comments_of()


def test_a_time_below_the_compute_floor_is_explained() -> None:
    below = comments_of(floor=Roofline(ms=40.0, bound="compute", source="s"))
    assert "0.5x the compute floor (by Winograd)" in below
    assert "Winograd" not in comments_of(floor=Roofline(ms=5.9, bound="compute", source="s"))
    assert "Winograd" not in comments_of(floor=Roofline(ms=40.0, bound="memory", source="s"))

"""The sides of a comparison: runs, sets, and which results of the two belong together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.results import selection
from piyard.results.conditions import CONDITIONS, IMPLIED_CONDITIONS, implied_by, root_conditions
from piyard.results.derive import make_row
from piyard.results.result import Row
from piyard.results.result_files import save_result
from piyard.results.selection import KEY_TESTS, TIME_KEYS, Pairing, Side, pair_results, parse_side
from tests.support import synthetic_results
from tests.unit.results.test_compare_results import HOT, compare, refused, save


def a_row(run: str = "r", **changes: Any) -> Row:
    return make_row(synthetic_results.result(run, [1.0, 2.0, 3.0], **changes))


# The language.


def test_a_text_without_an_equals_sign_is_a_run() -> None:
    assert parse_side(" 2026 ") == Side(text="2026", run="2026")


def test_a_set_is_conditions_joined_by_commas() -> None:
    parsed = parse_side("host=pi5, model-key = ab,BUILD=2c")
    assert parsed.conditions == {"host": "pi5", "model_key": "ab", "build": "2c"}
    assert not parsed.run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a side of the comparison is empty"),
        ("  ", "a side of the comparison is empty"),
        ("host=", "'host=' in 'host=' is not KEY=VALUE"),
        ("=pi5", "'=pi5' in '=pi5' is not KEY=VALUE"),
        ("host=a,", "'' in 'host=a,' is not KEY=VALUE"),
        ("host=a,pi5", "'pi5' in 'host=a,pi5' is not KEY=VALUE"),
        ("hots=a", "unknown key 'hots', did you mean 'host'?"),
        ("host=a,host=b", "'host=a,host=b' says host twice"),
        ("model_key=a,model-key=b", "says model_key twice"),
        ("since=yesterday", "since= takes a day, not 'yesterday'"),
        ("on=2026-13-01", "on= takes a day, not '2026-13-01'"),
    ],
)
def test_what_means_nothing_is_said(text: str, said: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_side(text)
    assert said in caught.value.what
    assert caught.value.remedy


@given(text=st.text() | st.text(alphabet="hostbuildsinceon=, -0123456789*[]T:+"))
def test_any_text_is_a_side_or_one_clear_error(text: str) -> None:
    try:
        parsed = parse_side(text)
    except WrongInput as caught:
        error = caught
    else:
        assert bool(parsed.run) != bool(parsed.conditions)
        assert parsed.conditions.keys() <= KEY_TESTS.keys()
        parsed.holds(a_row())
        return
    assert error.what
    assert error.remedy


@given(
    conditions=st.dictionaries(
        st.sampled_from([key for key in KEY_TESTS if key not in TIME_KEYS]),
        st.text(alphabet="abc123:@[]*.", min_size=1),
        min_size=1,
    )
)
def test_what_is_written_is_what_is_read(conditions: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in conditions.items())
    assert parse_side(text).conditions == conditions


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("host=pi5", True),
        ("host=pi*", True),
        ("host=pi", False),
        ("model=resnet18,threads=4", True),
        ("model=resnet18,threads=2", False),
        ("build=2cc", True),
        ("build=cc", False),
        ("model_key=m1", True),
        ("precision=fp16", True),
        ("precision=fp32", False),
        ("on=2026-11-20", True),
        ("on=2026-11-2", None),
        ("on=2026-11-21", False),
        ("since=2026-11-20", True),
        ("since=2026-11-20T12:00", True),
        ("since=2026-11-20 12:00:01", False),
        ("since=2026-11-20T13:30+02:00", True),
        ("since=2026-11-20T14:30+02:00", False),
    ],
)
def test_which_results_are_in_a_set(text: str, holds: bool | None) -> None:
    if holds is None:
        with pytest.raises(WrongInput, match="takes a day"):
            parse_side(text)
    else:
        assert parse_side(text).holds(a_row(build="2cc76dbb")) is holds


def test_an_ipv6_address_is_a_name() -> None:
    assert parse_side("host=[::1]:22").holds(a_row(host="[::1]:22"))


# Which results are meant.


def test_a_run_is_found_by_its_start_and_no_other() -> None:
    save("20261120T1-a")
    save("20261121T1-b", seed=1)
    compare("20261120", "20261121T1")
    assert refused("2026", "20261121").what == "several results begin with '2026'"
    assert refused("2027", "20261121").what == "no stored result is named '2027'"


def test_a_run_and_a_set_can_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    save("1", build="b1")
    save("2", build="b2", day="2026-11-21")
    save("3", build="b2", day="2026-11-22")
    save("4", build="b2", model="squeezenet1_1", day="2026-11-22")
    compare("1", "build=b2", format="json")
    out, err = capsys.readouterr()
    assert [job["runs_b"] for job in json.loads(out)] == [["3"]]
    assert "only on side B: pi5: squeezenet1_1" in err


def test_the_start_of_a_build_must_mean_one() -> None:
    save("1", build="aa1")
    save("2", build="aa2")
    save("3", build="b")
    error = refused("build=aa", "build=b")
    assert error.what == "several of build begin with 'aa'"
    assert error.evidence == "aa1\naa2"


def test_a_set_without_results_says_which_key_has_none() -> None:
    save("1", build="b1")
    error = refused("build=b1", "build=b2")
    assert error.what == "no stored result is in 'build=b2': no build is b2, did you mean 'b1'?"
    assert error.remedy == "there are results of b1"
    assert refused("build=b1", "since=2027-01-01").what == (
        "no stored result is in 'since=2027-01-01'"
    )
    both = refused("build=b1", "host=pi5,on=2025-01-01")
    assert both.what == "no stored result is in 'host=pi5,on=2025-01-01'"


def test_many_names_are_not_all_listed() -> None:
    rows = [a_row(f"{n:02}", build=f"b{n:02}") for n in range(20)]
    with pytest.raises(WrongInput) as caught:
        selection.select(parse_side("build=x"), rows, [row.run for row in rows])
    assert caught.value.remedy.endswith("b11 and 8 more")


def test_of_each_job_the_newest_counts() -> None:
    rows = [
        a_row("1"),
        a_row("2"),
        a_row("3", head=synthetic_results.header(threads=2)),
        a_row("4", host="pi5-b"),
        a_row("5", verdict=HOT),
    ]
    result = selection.select(parse_side("build=b1"), rows, [])
    assert [row.run for row in result.rows] == ["2", "3", "4"]
    assert [each.run for each in result.left_out] == ["5"]


# What belongs together.


def paired(a: str, b: str, rows: list[Row]) -> Pairing:
    sides = parse_side(a), parse_side(b)
    runs = sorted(row.run for row in rows)
    of_a, of_b = (selection.select(side, rows, runs).rows for side in sides)
    return pair_results(*sides, of_a, of_b)


def ids(pairing: Pairing) -> list[tuple[str, str]]:
    return [(pair.a.run, pair.b.run) for pair in pairing.pairs]


def test_jobs_are_paired_by_model_precision_threads_and_host() -> None:
    rows = [
        a_row(f"{build}-{host}-{model}-{threads}", build=build, host=host, model=model, head=head)
        for build in ("b1", "b2")
        for host in ("pi5-a", "pi5-b")
        for model in ("resnet18", "squeezenet1_1")
        for threads, head in (
            (1, synthetic_results.header(threads=1)),
            (4, synthetic_results.header()),
        )
    ]
    result = paired("build=b1", "build=b2", rows)
    assert len(result.pairs) == 8
    assert all(a.removeprefix("b1") == b.removeprefix("b2") for a, b in ids(result))
    assert not [*result.only_a, *result.only_b, *result.same]


def test_hosts_that_are_compared_are_no_part_of_the_job() -> None:
    rows = [a_row("1", host="pi5-a"), a_row("2", host="pi5-b"), a_row("3", host="pi5-c")]
    assert ids(paired("host=pi5-a", "host=pi5-b", rows)) == [("1", "2")]
    assert ids(paired("host=pi5-a", "2", rows)) == [("1", "2")]


def test_several_hosts_on_one_side_are_ambiguous_when_hosts_are_compared() -> None:
    rows = [a_row("1", host="pi5-a"), a_row("2", host="pi5-b"), a_row("3", host="pi4")]
    with pytest.raises(WrongInput) as caught:
        paired("host=pi5-*", "host=pi4", rows)
    assert caught.value.what == "'host=pi5-*' means several of host: pi5-a, pi5-b"
    assert caught.value.remedy == "name one of them: host=pi5-a"


def test_a_host_that_both_sides_have_is_part_of_the_job() -> None:
    rows = [
        a_row("1", host="pi5-a", build="b1"),
        a_row("2", host="pi5-a", build="b2"),
        a_row("3", host="pi5-b", build="b2"),
    ]
    result = paired("host=pi5-a,build=b1", "build=b2", rows)
    assert ids(result) == [("1", "2")]
    assert [each.run for each in result.only_b] == ["3"]


def test_precisions_and_models_can_be_compared_too() -> None:
    rows = [
        a_row("1"),
        a_row("2", head=synthetic_results.header(requested="fp32")),
        a_row("3", model="resnet34"),
    ]
    assert ids(paired("precision=fp32", "precision=fp16,model=resnet18", rows)) == [("2", "1")]
    assert ids(paired("model=resnet18,precision=fp16", "model=resnet34", rows)) == [("1", "3")]


def test_a_result_on_both_sides_is_set_against_nothing() -> None:
    rows = [a_row("1"), a_row("2", model="squeezenet1_1")]
    result = paired("since=2026-01-01", "model=resnet18", rows)
    assert not result.pairs
    assert [each.run for each in result.same] == ["1"]


def test_the_same_run_twice_is_refused() -> None:
    save("1")
    save("2")
    assert refused("1", "1").what == "'1' and '1' are the same result"


def test_no_common_job_is_refused_with_what_there_is() -> None:
    save("1", build="b1")
    save("2", build="b2", model="squeezenet1_1")
    error = refused("build=b1", "build=b2")
    assert error.what == "the two sides have no job in common"
    assert error.evidence.splitlines() == [
        "only on side A: pi5: resnet18 fp16, 4 threads",
        "only on side B: pi5: squeezenet1_1 fp16, 4 threads",
    ]


# What may differ between sets.


def test_what_the_sets_name_may_differ_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("1", build="b1")
    save("2", build="b2", facts={"kernel": "6.99"})
    assert "kernel" in refused("build=b1", "build=b2").evidence
    compare("build=b1", "build=b2", across="kernel")
    assert "compared: build b1 and b2; kernel" in capsys.readouterr().err


def test_a_key_that_both_sets_say_alike_is_not_compared() -> None:
    save("1", build="b1", model_key="m1")
    save("2", build="b2", model_key="m2", day="2026-11-21")
    error = refused("model=resnet18,on=2026-11-20", "model=resnet18,on=2026-11-21")
    assert error.remedy.endswith("--across build,model-key")


def test_between_days_one_thing_may_differ_the_same_in_all_jobs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("1", build="b1")
    save("2", build="b2", day="2026-11-21")
    save("3", build="b1", model="squeezenet1_1")
    save("4", build="b2", model="squeezenet1_1", day="2026-11-21")
    compare("on=2026-11-20", "since=2026-11-21")
    assert "compared: build b1 and b2\n" in capsys.readouterr().err
    save("4", build="b1", model="squeezenet1_1", day="2026-11-21", facts={"kernel": "6.99"})
    error = refused("on=2026-11-20", "since=2026-11-21")
    assert len(error.evidence.splitlines()) == 2
    assert error.remedy.endswith("--across build,kernel")


def test_what_a_condition_brings_are_conditions() -> None:
    named = {name for brought in IMPLIED_CONDITIONS.values() for name in brought}
    assert named | IMPLIED_CONDITIONS.keys() <= CONDITIONS.keys()


def test_a_chain_ends_where_something_is_equal() -> None:
    assert implied_by(["host"], ["host", "hardware", "kernel"]) == {*("host", "hardware", "kernel")}
    assert implied_by(["host"], ["host", "kernel"]) == {"host"}
    assert implied_by(["host"], ["kernel"]) == frozenset()
    assert root_conditions(["host", "kernel"]) == {"host", "kernel"}


@given(names=st.sets(st.sampled_from(sorted(CONDITIONS))))
def test_the_roots_bring_all_that_differs(names: set[str]) -> None:
    roots = root_conditions(names)
    assert roots <= names == implied_by(roots, names)


def test_results_of_before_are_compared_as_far_as_they_tell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    synthetic_results.old_run(
        synthetic_results.record("1", build="b1"), synthetic_results.around(20.0)
    )
    save_result(synthetic_results.result("2", synthetic_results.around(25.0), build="b2"))
    compare("1", "2", format="json")
    (job,) = json.loads(capsys.readouterr().out)
    assert job["verdict"] == "slower"

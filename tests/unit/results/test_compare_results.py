"""``invoke compare``: what is set against what, what is refused and why, and what it says."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import pytest

from piyard.board.lease import Governor
from piyard.cli.desk_requests import CompareRequest
from piyard.cli.stored import compare_stored
from piyard.core.errors import PiyardError, SlowerThanAllowed, WrongInput
from piyard.results.conditions import CONDITIONS, EMULATION
from piyard.results.result import Reason, Verdict
from piyard.results.result_files import save_result
from tests.support import synthetic_results
from tests.unit.test_tasks import invoke

A, B = "20261120T120000-a", "20261121T120000-b"
HOT = Verdict(
    state="INVALID",
    reasons=[Reason(code="throttled", grade="INVALID", text="the firmware throttled")],
)
BUSY = Verdict(
    state="SUSPECT", reasons=[Reason(code="load", grade="SUSPECT", text="0.2 cores of others")]
)


def save(run: str = A, median: float = 20.0, *, seed: int = 0, **changes: Any) -> None:
    """A result; ``facts`` are changes of the usual board's."""
    facts = msgspec.structs.replace(synthetic_results.FACTS, **changes.pop("facts", {}))
    samples = synthetic_results.around(median, seed=seed)
    save_result(synthetic_results.result(run, samples, facts=facts, **changes))


def compare(a: str = A, b: str = B, **flags: Any) -> None:
    usual = {"across": "", "fail_above": "", "emulated": False, "format": "plain"}
    compare_stored(CompareRequest.parse({"a": a, "b": b, **usual, **flags}))


def describe(capsys: pytest.CaptureFixture[str], a: str = A, b: str = B, **flags: Any) -> Any:
    compare(a, b, format="json", **flags)
    return json.loads(capsys.readouterr().out)


def refused(a: str = A, b: str = B, **flags: Any) -> PiyardError:
    with pytest.raises(WrongInput) as caught:
        compare(a, b, **flags)
    return caught.value


# What became of the time.


def test_a_slower_build_is_slower(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, 20.0, build="b1")
    save(B, 21.0, build="b2", seed=1)
    (job,) = describe(capsys)
    assert job["verdict"] == "slower"
    assert job["effect_percent"] == pytest.approx(5, abs=0.5)
    assert job["low_percent"] < job["effect_percent"] < job["high_percent"]
    assert 0 <= job["p"] < 0.001
    assert job["u"] == 40 * 40
    assert (job["runs_a"], job["runs_b"]) == ([A], [B])


def test_the_other_way_round_it_is_faster(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, 20.0, build="b1")
    save(B, 21.0, build="b2", seed=1)
    (job,) = describe(capsys, B, A)
    assert job["verdict"] == "faster"
    assert job["u"] == 0


def test_not_significant_is_said_with_why(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, 20.0)
    save(B, 20.0, seed=1)
    compare()
    out = capsys.readouterr().out
    assert "not significant: p = " in " ".join(out.split())


def test_too_few_samples_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    save(A)
    save_result(synthetic_results.result(B, [40.0, 41.0, 42.0]))
    (job,) = describe(capsys)
    assert job["verdict"] == "not significant"
    assert "at least 7 are needed" in job["why"]


def test_a_suspect_result_enters_and_its_reason_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(A)
    save(B, verdict=BUSY)
    compare()
    assert f"{B} is SUSPECT: 0.2 cores of others" in capsys.readouterr().err


# What must be the same.

OTHER_OPTIONS = {"winograd": "off", "use_winograd63_convolution": False}
UNLIKE: dict[str, tuple[dict[str, Any], str]] = {
    "host": ({"host": "pi5-b", "facts": {"serial": "2"}}, "host pi5 and pi5-b"),
    "hardware": ({"hardware": "Raspberry Pi 4"}, "hardware Raspberry Pi 5 and Raspberry Pi 4"),
    "cpu": (
        {"head": synthetic_results.header(cpu={"features": ["asimdhp"], "count": 4})},
        "CPU features asimddp asimdhp and asimdhp",
    ),
    "model": ({"model": "squeezenet1_1"}, "model resnet18 and squeezenet1_1"),
    "model-key": ({"model_key": "m2"}, "conversion m1 and m2"),
    "input": (
        {
            "head": synthetic_results.header(
                input={"shape": [3, 320, 320], "source": "splitmix64", "seed": 1}
            )
        },
        "input 3x224x224 and 3x320x320",
    ),
    "precision": (
        {"head": synthetic_results.header(requested="fp32", data_type="fp16")},
        "precision asked for fp16 and fp32",
    ),
    "data-type": (
        {"head": synthetic_results.header(requested="fp16", data_type="fp32")},
        "data type fp16 and fp32; storage fp16 and fp32; arithmetic fp16 and fp32",
    ),
    "threads": ({"head": synthetic_results.header(threads=2)}, "threads 4 and 2"),
    "powersave": ({"head": synthetic_results.header(powersave=2)}, "powersave 0 and 2"),
    "options": (
        {"head": synthetic_results.header(options=OTHER_OPTIONS)},
        "winograd auto and off; use_winograd63_convolution True and False",
    ),
    "build": ({"build": "b2"}, "build b1 and b2"),
    "governor": (
        {"governor": Governor(before="performance", during="ondemand")},
        "governor performance and ondemand",
    ),
    "clock": ({"facts": {"high_khz": 2_800_000}}, "highest clock 2400 MHz and 2800 MHz"),
    "kernel": ({"facts": {"kernel": "6.18.1"}}, "kernel 6.12.47+rpt-rpi-2712 and 6.18.1"),
    "page-size": ({"facts": {"page_size": 4096}}, "page size 16384 and 4096"),
    "cmdline": (
        {"facts": {"cmdline": "root=PARTUUID=3-02 isolcpus=3"}},
        "kernel's command line numa=fake=8 and isolcpus=3",
    ),
    "firmware": (
        {"facts": {"firmware": "2025/01/01 00:00:00"}},
        "firmware 2026/05/11 12:00:00 and 2025/01/01 00:00:00",
    ),
}
CPU = {"features": ["asimdhp", "asimddp"], "count": 4}
SECOND = {"kernel": "6.99"}


def both(name: str, *, and_kernel: bool = False) -> str:
    """Two results that differ in one condition, or in that and the kernel; what differs, said."""
    changes, said = UNLIKE[name]
    first: dict[str, Any] = {"head": synthetic_results.header(cpu=CPU)} if name == "cpu" else {}
    save(A, **first)
    facts = changes.get("facts", {}) | (SECOND if and_kernel else {})
    save(B, **changes | {"facts": facts})
    return said


OF_LANGUAGE = ("test", "engine")
"""Conditions of language models' results: tests/unit/measure/test_language_bench.py."""


def test_every_condition_has_a_case() -> None:
    assert UNLIKE.keys() | {EMULATION, *OF_LANGUAGE} == CONDITIONS.keys()


@pytest.mark.parametrize("name", UNLIKE)
def test_one_thing_may_differ_between_two_runs_and_it_is_said(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = both(name)
    compare()
    assert f"compared: {said}" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in UNLIKE if name not in {"hardware", "kernel"}])
def test_two_things_are_refused_and_both_are_named(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = both(name, and_kernel=True)
    error = refused()
    assert said in error.evidence
    assert "kernel 6.12.47+rpt-rpi-2712 and 6.99" in error.evidence
    assert f"--across {','.join(sorted([name, 'kernel']))}" in error.remedy
    assert error.code == 3
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in UNLIKE if name != "kernel"])
def test_the_remedy_of_a_refusal_works(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    both(name, and_kernel=True)
    (job,) = describe(capsys, across=f" {name.upper().replace('-', '_')}, kernel")
    assert {difference["condition"] for difference in job["differences"]} == {name, "kernel"}


def test_only_what_was_named_may_differ() -> None:
    both("build")
    error = refused(across="kernel")
    assert error.evidence.endswith("build b1 and b2")
    assert error.remedy.endswith("--across build,kernel")


def test_another_kind_of_board_brings_its_kernel_and_a_host_its_kind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(A)
    of_a_pi4 = {"serial": "4", "kernel": "6.12-v8", "page_size": 4096, "firmware": "2025"}
    save(B, host="pi4", hardware="Raspberry Pi 4", facts=of_a_pi4)
    (job,) = describe(capsys)
    assert job["host_b"] == "pi4"
    compare()
    err = capsys.readouterr().err
    assert "compared: host pi5 and pi4; serial 1000000000000001 and 4\n" in err
    assert "differs with that: hardware Raspberry Pi 5 and Raspberry Pi 4; kernel" in err


def test_another_board_of_the_same_kind_does_not_excuse_its_kernel() -> None:
    save(A)
    save(B, host="pi5-b", facts={"serial": "2", "kernel": "6.99"})
    assert refused().remedy.endswith("--across host,kernel")


def test_a_board_with_another_name_is_the_same_board(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, build="b1")
    save(B, host="pi5.local", build="b2")
    (job,) = describe(capsys)
    assert [difference["condition"] for difference in job["differences"]] == ["build"]


def test_another_board_behind_the_same_name_is_another_board(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(A)
    save(B, facts={"serial": "2"})
    (job,) = describe(capsys)
    assert [(d["condition"], d["facet"]) for d in job["differences"]] == [("host", "serial")]


def test_what_one_side_does_not_tell_is_said_not_held_against_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(A, facts={"kernel": None, "governor": None})
    save(B)
    compare()
    assert "reported by one side only, assumed equal: governor, kernel" in capsys.readouterr().err


def test_disks_and_consoles_of_the_command_line_do_not_matter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(A)
    save(B, facts={"cmdline": "console=ttyAMA0 root=PARTUUID=9-02 numa=fake=8"})
    (job,) = describe(capsys)
    assert job["differences"] == []


def test_the_governor_of_the_run_counts_not_the_one_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(A, facts={"governor": "performance"})
    during = Governor(before="ondemand", during="performance")
    save(B, facts={"governor": "ondemand"}, governor=during)
    (job,) = describe(capsys)
    assert job["differences"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("governer", "unknown condition 'governer', did you mean 'governor'?"),
        ("build,hosts", "unknown condition 'hosts', did you mean 'host'?"),
        ("emulation", "an emulator's time is never compared with a board's"),
    ],
)
def test_across_takes_conditions_there_are(text: str, said: str) -> None:
    assert said in refused(across=text).what


# Emulated boards.


def save_emulated(run: str, median: float = 2000.0, **changes: Any) -> None:
    save_result(synthetic_results.emulated(run, synthetic_results.around(median), **changes))


def test_emulated_against_emulated_is_refused_unless_asked_for() -> None:
    save_emulated(A)
    save_emulated(B, build="b2")
    error = refused()
    assert "an emulated board's times say nothing about a Pi" in error.what
    assert "--emulated" in error.remedy


def test_emulated_against_emulated_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    save_emulated(A)
    save_emulated(B, 2200.0, build="b2")
    compare(emulated=True)
    out, err = capsys.readouterr()
    assert "slower (emulated)" in out
    assert "an emulated board's times say nothing about a Pi" in err


@pytest.mark.parametrize("flags", [{}, {"emulated": True}, {"across": "host,hardware"}])
def test_emulated_against_a_pi_is_always_refused(flags: dict[str, Any]) -> None:
    save(A)
    save_emulated(B)
    error = refused(**flags)
    assert error.what == "an emulator's time is never compared with a board's"
    assert "emulated real and emulated" in error.evidence


def test_of_sets_emulated_pairs_are_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    save("1", build="b1")
    save("2", build="b2")
    save_emulated("3", build="b1")
    save_emulated("4", build="b2")
    compare("build=b1", "build=b2", format="json")
    out, err = capsys.readouterr()
    assert [job["host_a"] for job in json.loads(out)] == ["pi5"]
    assert "left out: 1 of 2 pairs are of emulated boards" in err
    compare("build=b1", "build=b2", format="json", emulated=True)
    assert len(json.loads(capsys.readouterr().out)) == 2


# INVALID.


def test_an_invalid_run_never_enters() -> None:
    save(A)
    save(B, verdict=HOT)
    error = refused()
    assert "has only INVALID results" in error.what
    assert f"{B} is INVALID: the firmware throttled" in error.evidence


def test_why_a_side_is_left_out_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, build="b1")
    save(B, build="b2", verdict=HOT)
    error = refused("build=b1", "build=b2")
    everything = capsys.readouterr().err + str(error)
    assert everything.count("the firmware throttled") == 1


def test_of_a_set_the_newest_believable_one_counts(capsys: pytest.CaptureFixture[str]) -> None:
    save("1", build="b1")
    save("2", build="b2", day="2026-11-21")
    save("3", build="b2", day="2026-11-22", verdict=BUSY)
    save("4", build="b2", day="2026-11-23", verdict=HOT)
    save("5", build="b2", day="2026-11-18", verdict=HOT)
    compare("build=b1", "build=b2", format="json")
    out, err = capsys.readouterr()
    assert [job["runs_b"] for job in json.loads(out)] == [["3"]]
    assert "left out: 4 is INVALID: the firmware throttled" in err
    assert "left out: 5" not in err


def test_a_job_that_is_only_invalid_is_left_out_beside_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("1", build="b1")
    save("2", build="b2")
    save("3", build="b1", model="squeezenet1_1")
    save("4", build="b2", model="squeezenet1_1", verdict=HOT)
    compare("build=b1", "build=b2", format="json")
    out, err = capsys.readouterr()
    assert [job["model_a"] for job in json.loads(out)] == ["resnet18"]
    assert "left out: 4 is INVALID" in err
    assert "only on side A: pi5: squeezenet1_1 fp16, 4 threads" in err


def test_an_emulated_run_with_wrong_outputs_does_not_enter() -> None:
    wrong = Reason(code="output", grade="INVALID", text="the outputs are not torch's")
    save_emulated(A)
    save_result(
        msgspec.structs.replace(
            synthetic_results.emulated(B), verdict=Verdict(state="EMULATED", reasons=[wrong])
        )
    )
    error = refused(emulated=True)
    assert "the outputs are not torch's" in error.evidence


# --fail-above.


def test_slower_than_allowed_ends_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, 20.0, build="b1")
    save(B, 21.6, build="b2", seed=1)
    with pytest.raises(SlowerThanAllowed) as caught:
        compare(fail_above="5%")
    assert caught.value.code == 19
    assert caught.value.what == "1 of 1 jobs is slower by more than 5 %"
    assert "pi5: resnet18 fp16, 4 threads: +" in caught.value.evidence
    assert "slower" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("median", "limit"), [(21.6, "9"), (20.3, "0"), (18.0, "0"), (21.6, "10.5 %"), (21.6, "")]
)
def test_not_slower_faster_or_less_than_the_limit_is_well(median: float, limit: str) -> None:
    save(A, 20.0, build="b1")
    save(B, median, build="b2", seed=1)
    compare(fail_above=limit)


@pytest.mark.parametrize("text", ["five", "-1", "nan", "inf", "%", "5%%"])
def test_a_limit_that_is_none_is_said(text: str) -> None:
    assert "--fail-above takes a percentage" in refused(fail_above=text).what


def test_the_code_and_the_table_reach_the_shell() -> None:
    save(A, 20.0, build="b1")
    save(B, 21.6, build="b2", seed=1)
    done = invoke("compare", A, B, "--fail-above", "5%")
    assert done.returncode == 19
    assert "slower" in done.stdout
    assert "1 of 1 jobs is slower by more than 5 %" in done.stderr
    assert "Traceback" not in done.stderr
    assert invoke("compare", "build=b1", "build=b2", "--fail-above", "12").returncode == 0


def test_without_results_it_says_what_makes_some() -> None:
    done = invoke("compare", "a", "b")
    assert done.returncode == 3
    assert "no results are stored yet" in done.stderr


# Formats.


def test_a_refused_pair_fails_after_the_others_were_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("1", build="b1")
    save("2", build="b2", seed=1)
    save("3", build="b1", model="squeezenet1_1")
    save("4", build="b2", model="squeezenet1_1", facts={"kernel": "6.99"})
    error = refused("build=b1", "build=b2", format="json")
    assert [job["model_a"] for job in json.loads(capsys.readouterr().out)] == ["resnet18"]
    assert error.what == "unlike conditions: 1 job not compared"
    assert error.evidence.startswith("pi5: squeezenet1_1 fp16, 4 threads: kernel")
    assert error.remedy.endswith("--across kernel")


def test_csv_has_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, build="b1")
    save(B, 25.0, build="b2")
    compare(format="csv")
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert float(row["effect_percent"]) == pytest.approx(25, abs=1)
    assert (row["runs_a"], row["runs_b"], row["differences"]) == (A, B, "build b1 and b2")


def test_markdown_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    save(A, build="b1")
    save(B, build="b2")
    compare(format="github")
    head, line, row = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        *("Job", "A (ms)", "B (ms)", "Effect", "95 % interval", "U", "p", "Verdict")
    ]
    assert set(line) <= set("|-:")
    assert "pi5: resnet18 fp16, 4 threads" in row


def test_a_wrong_format_is_said_before_any_work() -> None:
    assert "did you mean 'json'" in refused(format="jsn").what

"""The command line: every mistake is exit 2 and one line that says what to do."""

from __future__ import annotations

import pytest

from tests.runner.nets import small
from tests.runner.outcome import Run, assert_refused

MODEL = ["--param", "a", "--bin", "b"]
BENCH = ["bench", *MODEL, "--shape", "3,8,8"]
ONCE = [*BENCH, "--loops", "1"]
UNTIL_KNOWN = [*BENCH, "--budget", "9", "--interval", "0.01"]
CLASSIFY = ["classify", *MODEL, "x.jpg"]

MISTAKES = [
    ([], ["verb"]),
    (["bnech"], ["bnech", "bench"]),
    (["bench", "--thread", "4"], ["--thread", "--threads"]),
    (["bench", "-x"], ["-x"]),
    ([*ONCE, "extra"], ["extra"]),
    (["bench", *MODEL, "--loops", "1"], ["--shape", "required"]),
    (["bench", "--shape", "3", "--loops", "1"], ["--param", "required"]),
    ([*BENCH, "--loops"], ["--loops", "needs a value"]),
    ([*BENCH, "--loops", "--warmup", "1"], ["--loops", "needs a value"]),
    ([*BENCH, "--loops="], ["--loops", "needs a value"]),
    (BENCH, ["--loops", "--budget"]),
    ([*ONCE, "--budget", "1"], ["--loops", "--budget"]),
    ([*ONCE, "--min-loops", "2"], ["--min-loops", "--budget"]),
    ([*ONCE, "--loops", "2"], ["--loops", "twice"]),
    ([*ONCE, "--interval", "0.01"], ["--interval", "--budget"]),
    ([*BENCH, "--interval", "0.01"], ["--loops", "--budget"]),
    ([*BENCH, "--budget", "9", "--min-seconds", "4"], ["--min-seconds", "--interval"]),
    ([*UNTIL_KNOWN, "--min-seconds", "-1"], ["--min-seconds", "-1"]),
    ([*UNTIL_KNOWN, "--min-seconds", "nan"], ["--min-seconds", "nan"]),
    ([*BENCH, "--budget", "1", "--interval", "0"], ["--interval", "0.0001"]),
    ([*BENCH, "--budget", "1", "--interval", "2"], ["--interval", "2"]),
    ([*ONCE, "--warmup", "some"], ["--warmup", "some"]),
    ([*ONCE, "--warmup-budget", "1"], ["--warmup-budget", "--warmup auto"]),
    ([*ONCE, "--warmup", "4", "--warmup-budget", "1"], ["--warmup-budget", "--warmup auto"]),
    ([*ONCE, "--warmup", "auto", "--warmup-budget", "0"], ["--warmup-budget", "0"]),
    ([*ONCE, "--cold=1"], ["--cold", "no value"]),
    ([*ONCE, "--cold", "--cold"], ["--cold", "twice"]),
    ([*ONCE, "--cold", "yes"], ["yes"]),
    ([*ONCE, "--resize", "8"], ["--resize", "--picture"]),
    ([*ONCE, "--end-to-end", "8"], ["--end-to-end", "--picture"]),
    ([*ONCE, "--picture", "a", "--end-to-end", "0"], ["--end-to-end", "0"]),
    ([*ONCE, "--picture", "a", "--crop", "0"], ["--crop", "0"]),
    (["watch"], ["--pid", "--seconds"]),
    (["watch", "--pid", "1", "--seconds", "1"], ["--pid", "--seconds"]),
    (["watch", "--pid", "0"], ["--pid", "0"]),
    (["watch", "--pid", "1", "--interval", "0.1"], ["--interval", "0.5"]),
    (["watch", "--pid", "1", "--start", "-4"], ["--start", "-4"]),
    (["watch", "--seconds", "1", "--start", "4"], ["--start", "--pid"]),
    (["watch", "--seconds", "0"], ["--seconds", "0"]),
    ([*BENCH, "--loops", "0"], ["--loops", "1"]),
    ([*BENCH, "--loops", "3x"], ["--loops", "3x"]),
    ([*BENCH, "--loops", "99999999999999999999"], ["--loops"]),
    ([*BENCH, "--budget", "nan"], ["--budget", "nan"]),
    ([*BENCH, "--budget", "-1"], ["--budget", "-1"]),
    ([*ONCE, "--warmup", "-1"], ["--warmup", "-1"]),
    ([*ONCE, "--threads", "0"], ["--threads", "1"]),
    ([*ONCE, "--threads", "100000"], ["--threads", "100000"]),
    ([*ONCE, "--powersave", "3"], ["--powersave", "2"]),
    ([*ONCE, "--precision", "fp8"], ["--precision", "fp32, fp16, bf16", "fp8"]),
    ([*ONCE, "--seed", "-1"], ["--seed", "-1"]),
    (["bench", *MODEL, "--loops", "1", "--shape", "3,0,8"], ["--shape", "3,0,8"]),
    (["bench", *MODEL, "--loops", "1", "--shape", "3,,8"], ["--shape", "3,,8"]),
    (["bench", *MODEL, "--loops", "1", "--shape", "3,99999999999,8"], ["--shape"]),
    (["bench", *MODEL, "--loops", "1", "--shape", "1,2,3,4"], ["--shape"]),
    (["classify", *MODEL], ["image"]),
    ([*CLASSIFY, "--crop", "2x2x2"], ["--crop", "2x2x2"]),
    ([*CLASSIFY, "--resize", "0"], ["--resize", "0"]),
    ([*CLASSIFY, "--mean", "1,2"], ["--mean", "3"]),
    ([*CLASSIFY, "--mean", "1,2,z"], ["--mean", "1,2,z"]),
    ([*CLASSIFY, "--norm", "1,2,inf"], ["--norm"]),
    ([*CLASSIFY, "--order", "gbr"], ["--order", "rgb, bgr", "gbr"]),
    ([*CLASSIFY, "--resample", "cubic"], ["--resample", "bicubic"]),
    ([*CLASSIFY, "--activation", "yes"], ["--activation", "auto"]),
    ([*CLASSIFY, "--topk", "0"], ["--topk", "0"]),
]


@pytest.mark.parametrize(("args", "parts"), MISTAKES, ids=" ".join)
def test_a_mistake_is_exit_2(nnrun: Run, args, parts):
    outcome = nnrun(*args)
    assert_refused(outcome, 2, *parts)
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    "args",
    [
        *(["--help"], ["-h"], ["bench", "--help"], ["classify", "-h"], ["watch", "-h"]),
        ["bench", "--shape", "3", "-h"],
    ],
    ids=" ".join,
)
def test_help_is_a_success(nnrun: Run, args):
    outcome = nnrun(*args)
    assert outcome.code == 0
    assert "nnrun" in outcome.stdout
    assert outcome.stderr == ""


def test_help_of_a_verb_names_its_flags(nnrun: Run):
    shown = nnrun("bench", "--help").stdout
    for flag in ("--param", "--threads", "--precision", "--shape", "--interval", "--cold"):
        assert flag in shown


def test_version_names_nnrun_and_ncnn(nnrun: Run):
    shown = nnrun("--version").stdout
    assert shown.startswith("nnrun 0.1.0")
    assert "ncnn 1.0.20261020" in shown


def test_a_flag_may_use_an_equals_sign(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    outcome = nnrun("bench", *flags, "--shape=3,8,8", "--loops=2", "--warmup=0")
    assert outcome.line("summary")["samples"] == 2


def test_a_negative_value_is_no_flag(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    outcome = nnrun("classify", *flags, "--mean", "-1,-2,-3", tmp_path / "none.jpg")
    assert_refused(outcome, 4, "none.jpg")

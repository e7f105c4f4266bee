"""How long nnrun bench measures, and what it says of it: warm-up, interval, bounds, clock."""

from __future__ import annotations

import json
import subprocess
import time
from itertools import pairwise
from typing import Any

import pytest

from piyard.results.summary import Summary
from tests.runner.nets import small
from tests.runner.outcome import Outcome, Run
from tests.support.median_intervals import median_interval

BLOCK_LOOPS, BLOCK_S, BLOCKS = 5, 0.1, 3
FEWEST = 6
"""Samples that an interval is told from."""


@pytest.fixture
def bench(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), "--shape", "3,32,32", "--threads", "1"]

    def run(*more: object) -> Outcome:
        outcome = nnrun("bench", *flags, *more)
        assert outcome.code == 0, outcome
        assert outcome.line("summary")["samples"] == len(outcome.of("sample"))
        return outcome

    return run


def times(outcome: Outcome) -> list[float]:
    """nnrun's own samples."""
    return [line["ms"] for line in outcome.of("sample")]


def half_width(taken: list[float]) -> float:
    """As Python has it."""
    samples = sorted(taken)
    low, high = median_interval(samples)
    middle = (samples[(len(samples) - 1) // 2] + samples[len(samples) // 2]) / 2
    return (high - low) / 2 / middle


def first_known(samples: list[float], fraction: float) -> int:
    """How many samples it took: nnrun looks from six on, more seldom the more there are."""
    count = FEWEST
    while half_width(samples[:count]) > fraction:
        count += max(1, count // 16)
    return count


@pytest.mark.parametrize("loops", [6, 7, 8, 9, 10, 11, 24, 25, 101, 1000, 20001])
def test_the_interval_is_pythons(bench, loops):
    outcome = bench("--loops", loops, "--warmup", 1)
    result = outcome.line("summary")
    assert result["half_width"] == pytest.approx(half_width(times(outcome)), rel=1e-6)
    assert result["stopped"] == "loops"


def test_five_samples_have_no_interval(bench):
    assert bench("--loops", 5).line("summary")["half_width"] is None


def test_it_stops_when_the_median_is_known(bench):
    outcome = bench("--budget", 60, "--interval", 0.05, "--warmup", 100)
    result = outcome.line("summary")
    assert result["stopped"] == "interval"
    assert result["half_width"] <= 0.05
    assert result["samples"] == first_known(times(outcome), 0.05)


def test_the_least_number_of_loops_comes_first(bench):
    few = bench("--budget", 60, "--interval", 1, "--warmup", 100)
    many = bench("--budget", 0.001, "--interval", 1, "--min-loops", 300).line("summary")
    assert few.line("summary")["stopped"] == "interval"
    assert len(times(few)) == first_known(times(few), 1)
    assert (many["samples"], many["stopped"]) == (300, "interval")


AT_ONCE = ["--interval", 1, "--warmup", 100]
"""An interval that the first samples keep."""


def lasted(outcome: Outcome) -> float:
    """Seconds from the begin of the first sample to the end of the last."""
    samples = outcome.of("sample")
    begin: float = samples[0]["at"]
    end: float = samples[-1]["at"] + samples[-1]["ms"] / 1000
    return end - begin


def ends(summary: dict[str, Any], fraction: float) -> set[str]:
    """What may have ended it: a quiet machine reaches any fraction, maybe with the last sample."""
    return {"interval", "budget"} if summary["half_width"] <= fraction else {"budget"}


def test_a_known_median_is_no_reason_to_stop_before_the_least_time(bench):
    outcome = bench("--budget", 60, "--min-seconds", 0.5, *AT_ONCE)
    assert outcome.line("summary")["stopped"] == "interval"
    # The clock of a sample is rounded to a millisecond.
    assert lasted(outcome) >= 0.5 - 0.002
    assert (
        outcome.line("summary")["samples"]
        > bench("--budget", 60, *AT_ONCE).line("summary")["samples"]
    )


def test_no_least_time_is_none(bench):
    without = times(bench("--budget", 60, *AT_ONCE))
    with_none = times(bench("--budget", 60, "--min-seconds", 0, *AT_ONCE))
    assert len(without) == first_known(without, 1)
    assert len(with_none) == first_known(with_none, 1)


def test_the_budget_bounds_the_least_time(bench):
    result = bench("--budget", 0.2, "--min-seconds", 100, *AT_ONCE).line("summary")
    assert result["stopped"] == "budget"


def test_an_interval_that_is_not_kept_goes_on_beyond_the_least_time(bench):
    outcome = bench("--budget", 0.2, "--min-seconds", 0.05, "--interval", 0.0001)
    result = outcome.line("summary")
    assert result["stopped"] in ends(result, 0.0001)
    assert lasted(outcome) >= (0.15 if result["stopped"] == "budget" else 0.05 - 0.002)


def test_samples_and_telemetry_share_a_clock(nnrun_path, tmp_path):
    """``at`` of a sample and ``uptime_s`` of a moment: CLOCK_BOOTTIME, which suspend stops not."""
    line = [nnrun_path, "bench", *small().write(tmp_path), "--shape", "3,32,32", "--threads", "1"]
    run = [*line, "--budget", "2", "--warmup", "0"]
    log = tmp_path / "log.jsonl"
    with log.open("w") as file, subprocess.Popen(run, stdout=file) as process:
        watch = [nnrun_path, "watch", "--pid", str(process.pid), "--interval", "0.5"]
        watched = subprocess.run(watch, capture_output=True, text=True, check=True, timeout=60)
    outcome = Outcome(process.returncode, log.read_text(), "")
    moments = [json.loads(result)["uptime_s"] for result in watched.stdout.splitlines()]
    begin, end = outcome.line("header")["uptime_s"], outcome.of("sample")[-1]["at"]
    assert [moment for moment in moments if begin <= moment <= end]
    assert all(begin - 60 <= moment <= end + 60 for moment in moments)


def test_the_budget_bounds_an_interval_out_of_reach(nnrun: Run, tmp_path):
    """A large picture leaves time for fewer samples than it takes to know one."""
    large = ["bench", *small().write(tmp_path), "--shape", "3,2048,2048", "--threads", "1"]
    outcome = nnrun(*large, "--budget", 0.001, "--interval", 1).line("summary")
    assert outcome["samples"] < FEWEST
    assert (outcome["stopped"], outcome["half_width"]) == ("budget", None)


def test_the_summary_says_what_ended_it(bench):
    result = bench("--budget", 0.05, "--interval", 0.0001).line("summary")
    assert result["stopped"] in ends(result, 0.0001)


def test_a_plain_budget_says_so(bench):
    result = bench("--budget", 0.05).line("summary")
    assert (result["stopped"], result["warmup"]) == ("budget", "fixed")


def test_warm_up_goes_on_until_it_is_stable(bench):
    outcome = bench("--loops", 1, "--warmup", "auto", "--warmup-budget", 100)
    assert outcome.line("summary")["warmup"] == "stable"
    warmups = outcome.of("warmup")
    assert [line["i"] for line in warmups] == list(range(len(warmups)))
    assert len(warmups) >= BLOCKS * BLOCK_LOOPS
    # The clock of the first line is the start of the first block, that of the sample the end of
    # the last; each is rounded to a millisecond.
    lasted = outcome.line("sample")["at"] - warmups[0]["at"]
    assert lasted >= BLOCKS * BLOCK_S - 0.002


def test_warm_up_is_bounded(bench):
    outcome = bench("--loops", 1, "--warmup", "auto", "--warmup-budget", 0.001)
    assert outcome.line("summary")["warmup"] == "bound"
    assert outcome.of("warmup")


def test_every_sample_has_its_place_on_the_boards_clock(bench):
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    outcome = bench("--loops", 50, "--warmup", 5)
    after = time.clock_gettime(time.CLOCK_BOOTTIME)
    lines = [*outcome.of("warmup"), *outcome.of("sample")]
    moments = [outcome.line("header")["uptime_s"], *(line["at"] for line in lines)]
    assert moments == sorted(moments)
    assert before - 0.001 <= moments[0] <= moments[-1] <= after + 0.001
    assert all(round(moment, 3) == moment for moment in moments)
    for each, next_one in pairwise(lines):
        assert next_one["at"] >= each["at"] + each["ms"] / 1000 - 0.002


def test_summary_has_the_same_half_width():
    """The field's meaning in Python and in nnrun's summary line is one."""
    figures = dict.fromkeys(("min", "p10", "p90", "p99", "max", "mad"), 0.0)
    assert Summary(count=9, median=4.0, low=3.0, high=5.0, **figures).half_width == 0.25

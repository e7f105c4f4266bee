"""The setting at the edge of a budget."""

from pathlib import Path

import pytest

from piyard.compress.budget import KNOBS, Budget, Trial, find_value, read_budget, with_knob
from piyard.compress.method import CompressOptions
from piyard.core.errors import WrongInput

PRUNE = KNOBS["prune"]
ORIGINAL = Trial(accuracy=90.0, time_ms=10.0)


def judge(value):
    """Accuracy falls faster and faster, time falls evenly."""
    return Trial(accuracy=90 - 20 * value**2, time_ms=10 - 8 * value)


def find(**limits):
    tried = []

    def counted(value):
        tried.append(value)
        return judge(value)

    return find_value(PRUNE, Budget(**limits), ORIGINAL, counted), tried


def test_the_most_that_keeps_the_accuracy():
    value, tried = find(keep_accuracy=0.99)
    fitting = [each for each in PRUNE.values if judge(each).accuracy >= 0.99 * 90]
    assert value == max(fitting)
    assert len(tried) == len(set(tried)) <= 5


def test_the_least_that_is_in_time():
    value, tried = find(max_latency_ms=6.0)
    assert value == min(each for each in PRUNE.values if judge(each).time_ms <= 6.0)
    assert len(tried) <= 6


def test_what_is_fast_enough_is_not_compressed():
    with pytest.raises(WrongInput, match=r"100ms: the model takes 10\.00 ms as it is"):
        find(max_latency_ms=100.0)


def test_a_time_that_nothing_knows_is_no_limit():
    with pytest.raises(WrongInput, match="nothing here measures or counts a time"):
        find_value(PRUNE, Budget(max_latency_ms=5.0), Trial(accuracy=90.0, time_ms=None), judge)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"keep_accuracy": 1.0}, "does not keep 100 % of the accuracy: 89.8 % of 90.0 %"),
        ({"max_latency_ms": 1.0}, "even --ratio 0.9 takes 2.80 ms"),
        ({"max_latency_ms": 4.0, "keep_accuracy": 0.95}, "does not keep 95 %"),
    ],
)
def test_a_budget_that_nothing_keeps_to_is_refused(limits, why):
    with pytest.raises(WrongInput, match=why):
        find(**limits)


def options(*methods, **more):
    return CompressOptions(model="net", methods=methods, data=Path("pics"), **more)


def test_what_is_turned():
    read = read_budget(options("prune", keep_accuracy=0.99))
    assert read is not None
    budget, knob = read
    assert (budget.keep_accuracy, knob.option) == (0.99, "ratio")
    chosen = with_knob(options("prune", keep_accuracy=0.99), knob, 0.3)
    assert (chosen.ratio, chosen.keep_accuracy) == (0.3, None)
    assert read_budget(options("prune")) is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (options("prune", "lowrank", keep_accuracy=0.9), "for one of prune and lowrank"),
        (options("prune", keep_accuracy=0.9, ratio=0.4), "--ratio says how much"),
        (options("lowrank", keep_accuracy=0.9, rank=8), "--energy says how much"),
    ],
)
def test_two_ways_to_say_how_much_are_refused(wrong, why):
    with pytest.raises(WrongInput, match=why):
        read_budget(wrong)

"""What an inference draws, against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.run.telemetry import (
    WALL_SOURCE,
    EnergyRun,
    PowerSample,
    average_w,
    inference_energy,
    parse_meter_watts,
    wall_estimate_w,
)


def power(at: float, watts: float) -> PowerSample:
    return PowerSample(uptime_s=at, rails_w={"VDD_CORE": 0.75 * watts, "DDR_VDD2": 0.25 * watts})


def steady(watts: float, *, begin: float = 100.0, count: int = 5) -> list[PowerSample]:
    return [power(begin + n / 2, watts) for n in range(count)]


def measured(
    idle: list[PowerSample], busy: list[PowerSample], samples: list[float], **changes
) -> EnergyRun:
    result = {"source": "pmic"} | changes
    return EnergyRun(idle=idle, busy=busy, samples_ms=samples, **result)


def test_by_hand():
    """2 W idle and 5 W busy over inferences of 20 ms: 0.1 J, 0.06 J of them above idle."""
    result = inference_energy(measured(steady(2.0), steady(5.0), [20.0] * 50))
    assert result is not None
    assert result.idle_w == pytest.approx(2)
    assert result.average_w == pytest.approx(5)
    assert result.joules == pytest.approx(0.1)
    assert result.above_idle_joules == pytest.approx(0.06)
    assert result.wall_w == pytest.approx(5 * 1.1451 + 0.5879)
    assert result.wall_joules == pytest.approx(0.02 * (5 * 1.1451 + 0.5879))
    assert result.wall_is_estimate


def test_rails_add_up():
    assert PowerSample(uptime_s=0, rails_w={"a": 1.25, "b": 0.5, "c": 0.0}).watts == 1.75


def test_the_walls_estimate_names_its_source():
    """4.51 W of rails under load, as the Pi's documentation shows, are 5.75 W at the wall."""
    assert wall_estimate_w(4.51) == pytest.approx(5.7523, abs=1e-4)
    assert "estimate" in WALL_SOURCE
    assert "jfikar/RPi5-power" in WALL_SOURCE


def test_a_meter_measures_the_wall_itself():
    result = inference_energy(
        measured(steady(3.0), steady(8.0), [10.0], source="meter", meter="plug --watts")
    )
    assert result is not None
    assert result.wall_w == result.average_w == pytest.approx(8)
    assert result.wall_joules == result.joules == pytest.approx(0.08)
    assert not result.wall_is_estimate


def test_hiccups_draw_energy_too():
    """The mean time, not the median: nine inferences of 10 ms and one of 110 take 200 ms."""
    result = inference_energy(measured(steady(1.0), steady(5.0), [10.0] * 9 + [110.0]))
    assert result is not None
    assert result.joules == pytest.approx(5 * 0.020)


@pytest.mark.parametrize(
    ("idle", "busy", "samples"),
    [([], steady(5), [20.0]), (steady(2), [], [20.0]), (steady(2), steady(5), [])],
)
def test_without_one_of_the_series_nothing_is_known(idle, busy, samples):
    assert inference_energy(measured(idle, busy, samples)) is None


def test_power_counts_for_as_long_as_it_lasts():
    """Trapezoids: 1 s rising from 2 to 4 W and 3 s at 4 W are 15 J in 4 s."""
    moments = [power(10, 2), power(11, 4), power(14, 4)]
    assert average_w(moments) == pytest.approx(15 / 4)


def test_one_moment_is_its_own_average():
    assert average_w([power(3, 4.5)]) == pytest.approx(4.5)


def test_moments_without_time_between_count_alike():
    assert average_w([power(3, 4), power(3, 8)]) == pytest.approx(6)


def test_no_moments_have_no_average():
    assert average_w([]) is None


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.1, 30)), min_size=1, max_size=30))
def test_an_average_lies_between_least_and_most(steps):
    at, moments = 0.0, []
    for passed, watts in steps:
        at += passed
        moments.append(PowerSample(uptime_s=at, rails_w={"all": watts}))
    result = average_w(moments)
    assert result is not None
    watts_seen = [watts for _, watts in steps]
    assert min(watts_seen) <= result + 1e-9
    assert result <= max(watts_seen) + 1e-9


@given(st.floats(0.1, 30), st.floats(0.1, 30), st.lists(st.floats(0.1, 1e4), min_size=1))
def test_idle_and_what_is_above_it_are_the_whole(idle, busy, samples):
    result = inference_energy(measured(steady(idle), steady(busy), samples))
    assert result is not None
    of_idle = result.idle_w * math.fsum(samples) / len(samples) / 1000
    assert result.above_idle_joules + of_idle == pytest.approx(result.joules)
    assert result.wall_joules > result.joules


@pytest.mark.parametrize(
    ("text", "watts"),
    [
        ("5.31", 5.31),
        ("5.31\n", 5.31),
        ("power: 5.31 W\n", 5.31),
        ("5.31W", 5.31),
        ("It draws 5.31.", 5.31),
        ("old 9\n12:30:05 voltage 230 power 7\n\n", 7.0),
        ('{"apower": 4.2}', 4.2),
        ("5.31e0", 5.31),
        ("50e-1", 5.0),
    ],
)
def test_a_meters_last_number_is_its_watts(text, watts):
    assert parse_meter_watts(text) == watts


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "off", "0", "-3.2", "1000", "nan", "5,31 W", "1,234.5", "5.3.1", "error 5x\n?"],
)
def test_what_is_no_power_is_refused(text):
    with pytest.raises(WrongInput, match="did not print watts") as error:
        parse_meter_watts(text)
    assert "5.31" in error.value.remedy
    assert error.value.evidence == text

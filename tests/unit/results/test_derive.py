"""A Result's row: every field from where it belongs, and nothing where nothing is known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from piyard.board.facts import Facts
from piyard.core.errors import UnreadableLog
from piyard.core.target import load_target
from piyard.report.comments import row_comments
from piyard.results import reference_times, summary
from piyard.results.derive import make_row, roofline_of
from piyard.results.judge import judge_result
from piyard.results.result import Cost, OutputMatch, Reason, Result, Row, Verdict
from piyard.run.log import LogHeader, PrecisionInfo
from piyard.run.record import BoardPrice, OutputCheck
from piyard.run.telemetry import WALL_SOURCE, EnergyRun, PowerSample
from tests.support import pi5_results, synthetic_results
from tests.support.pi5_results import PRECISION, record, result

HOT = Verdict(state="INVALID", reasons=[Reason(code="hot", grade="INVALID", text="84 °C")])
RANDOM = {"weights": {"kind": "random", "seed": 20260101}}


def watts(*values: float) -> list[PowerSample]:
    return [
        PowerSample(uptime_s=100.0 + n, rails_w={"all": value}) for n, value in enumerate(values)
    ]


ENERGY = EnergyRun(source="pmic", idle=watts(2, 2), busy=watts(5, 5), samples_ms=[20.0, 20.0])

MODEL = synthetic_results.keys_of(pi5_results.record().model)


def full(**changes: Any) -> Result:
    """A result in which everything was measured."""
    reference = {
        "end_to_end_ms": [25.0, 27.0, 26.0],
        "load_ms": 120.0,
        "first_ms": 35.0,
        "peak_rss_kb": 98_304,
        "energy": ENERGY,
    }
    return result(record(paid=BoardPrice(price=80.0, date="2026-02-01")), **(reference | changes))


def bare() -> Result:
    """A result of which only the samples are known."""
    model = {"name": "mine", "title": "mine", "input": [3, 32, 32]}
    head = {"threads": 1, "precision": {"requested": "fp32", "arithmetic": "fp32", "label": "fp32"}}
    unknown = Facts(machine="aarch64")
    return Result(
        record=record(model=model, before=unknown, after=None, check=None, target="gone"),
        samples_ms=[10.0],
        header=msgspec.convert(head, LogHeader),
    )


def of_record(**changes: Any) -> Row:
    return make_row(result(record(**changes)))


def test_every_field_of_a_full_result():
    of = full()
    row = make_row(of)
    same = "id when host target hardware emulated".split()
    names = "run when host target hardware emulated".split()
    for name, source in zip(names, same, strict=True):
        assert getattr(row, name) == getattr(of.record, source), name
    assert (row.model, row.title, list(row.input)) == ("resnet18", "resnet18", [3, 224, 224])
    assert (row.params, row.macs) == (11_689_512, 1_814_073_344)
    assert (row.model_key, row.build) == ("m", "b")
    assert (row.precision, row.data_type, row.threads) == ("fp16", "fp16", 4)
    assert row.summary == summary.summarize(of.samples_ms)
    assert row.end_to_end == summary.summarize([25.0, 26.0, 27.0])
    assert (row.cold_ms, row.peak_rss_kb) == (155.0, 98_304)
    assert row.check == OutputMatch(ok=True, cosine=0.99998)
    assert row.cost == Cost(board=80.0, board_date="2026-02-01")
    assert row.verdict == Verdict(state="VALID")
    assert row.random_seed is None
    assert row.accuracy is None


def test_its_energy():
    power = make_row(full()).power
    assert power is not None
    assert power.joules == pytest.approx(0.1)
    assert power.above_idle_joules == pytest.approx(0.06)
    assert (power.average_w, power.idle_w, power.source) == (5, 2, "PMIC")
    assert power.wall_w == pytest.approx(6.3134)
    assert power.wall_joules == pytest.approx(0.126268)
    assert power.wall_source == WALL_SOURCE


def test_its_floor_and_what_was_published():
    row = make_row(full())
    kind = load_target("rpi5")
    assert kind.peaks is not None
    assert row.floor == reference_times.roofline(
        kind.peaks,
        macs=1_814_073_344,
        params=11_689_512,
        precision=msgspec.convert(PRECISION, PrecisionInfo),
        threads=4,
        khz=2_400_000,
    )
    assert row.published is not None
    assert row.published.ms == 19.84
    assert row.published_ratio == pytest.approx(row.summary.median / 19.84)
    assert row.floor_ratio == pytest.approx(row.summary.median / 11.81, rel=1e-3)
    assert row.fps == pytest.approx(1000 / row.summary.median)


def test_a_result_of_which_hardly_anything_is_known():
    row = make_row(bare())
    unknown = (
        "params macs random_seed end_to_end cold_ms peak_rss_kb accuracy check power cost floor "
        "published published_ratio floor_ratio"
    ).split()
    assert {name: getattr(row, name) for name in unknown} == dict.fromkeys(unknown)
    assert row.summary == summary.summarize([10.0])
    assert row.verdict.state != "VALID"
    assert (row.model_key, row.fps) == ("", 100)


def test_a_result_without_samples_has_no_row():
    with pytest.raises(UnreadableLog, match="has no samples"):
        make_row(result(samples_ms=[]))


def test_a_row_survives_being_written_and_read():
    row = make_row(full())
    again = msgspec.json.decode(msgspec.json.encode(row), type=Row)
    assert msgspec.json.encode(again) == msgspec.json.encode(row)


def test_random_weights_have_their_seed():
    assert of_record(model=MODEL | RANDOM).random_seed == 20260101


@pytest.mark.parametrize("weights", [None, {"kind": "file"}, {"kind": "file", "seed": 1}])
def test_real_weights_have_none(weights):
    assert of_record(model=MODEL | {"weights": weights}).random_seed is None


def test_of_several_nets_the_row_is_about_the_one_that_was_measured():
    output = MODEL | {"main": {"params": 5, "macs": 7}}
    detected = of_record(model=output)
    assert (detected.params, detected.macs) == (5, 7)
    assert detected.title == f"{output['title']} (first net)"


def test_the_worst_output_counts():
    check = OutputCheck(ok=False, threshold=0.999, cosine={"a": 0.9999, "b": 0.5}, max_abs={})
    assert of_record(check=check).check == OutputMatch(ok=False, cosine=0.5)


def test_a_check_without_outputs_is_as_bad_as_can_be():
    more = {"blind": {"a": "a single number"}, "empty": {"a": "always the same"}}
    check = OutputCheck(ok=True, threshold=0.999, cosine={"a": 1.0}, max_abs={}, **more)
    assert of_record(check=check).check == OutputMatch(
        ok=True, cosine=1.0, blind="a single number", empty="always the same"
    )
    check = OutputCheck(ok=True, threshold=0.999, cosine={"a": 1.0, "b": 0.99}, max_abs={}, **more)
    detected = of_record(check=check).check
    assert detected
    assert (detected.cosine, detected.blind, detected.empty) == (0.99, "", "")
    check = OutputCheck(ok=False, threshold=0.999, cosine={}, max_abs={})
    assert of_record(check=check).check == OutputMatch(ok=False, cosine=0.0)


@pytest.mark.parametrize("fields", [{"load_ms": 120.0}, {"first_ms": 35.0}, {}])
def test_half_a_cold_start_is_none(fields):
    assert make_row(result(**fields)).cold_ms is None


# Verdict


def test_a_stored_verdict_stays():
    assert make_row(full(verdict=HOT)).verdict == HOT


def test_a_result_that_was_never_judged_is_judged_by_its_targets_limits():
    hot = result(telemetry=pi5_results.during(range(24), temperature_mc=84_000))
    assert make_row(hot).verdict == judge_result(hot, load_target("rpi5").conditions)
    assert make_row(hot).verdict.state == "INVALID"


# Energy


def test_a_meters_figures_name_its_command():
    metered = msgspec.structs.replace(ENERGY, source="meter", meter="plug --watts")
    power = make_row(full(energy=metered)).power
    assert power is not None
    assert (power.source, power.wall_source) == ("meter plug", "meter plug")
    assert power.wall_w == power.average_w


def test_an_energy_run_that_saw_nothing_is_no_energy():
    assert make_row(full(energy=msgspec.structs.replace(ENERGY, busy=[]))).power is None


# An emulated board


def test_an_emulated_board_has_neither_energy_nor_floor_nor_peers():
    row = make_row(msgspec.structs.replace(full(), record=record(emulated=True)))
    assert (row.power, row.floor, row.published) == (None, None, None)
    assert row.verdict.state == "EMULATED"


# Floor


def test_threads_beyond_the_cores_help_nobody():
    def floor_ms(threads: int) -> float:
        detected = roofline_of(result(header=pi5_results.HEADER | {"threads": threads}))
        assert detected is not None
        return detected.ms

    assert floor_ms(8) == floor_ms(4) < floor_ms(1)


def test_the_boards_own_clock_counts_and_else_its_kinds():
    def floor_ms(max_khz: int | None) -> float:
        detected = roofline_of(result(record(before=pi5_results.facts(max_khz=max_khz))))
        assert detected is not None
        return detected.ms

    assert floor_ms(None) == floor_ms(2_400_000)
    assert floor_ms(3_000_000) == pytest.approx(0.8 * floor_ms(2_400_000))


@pytest.mark.parametrize("missing", [{"macs": None}, {"params": None}])
def test_a_network_of_unknown_size_has_no_floor(missing):
    assert of_record(model=MODEL | missing).floor is None


def test_a_kind_of_board_that_is_gone_has_neither_floor_nor_peers():
    detected = of_record(target="gone")
    assert (detected.floor, detected.published) == (None, None)


# In words


def test_comments_tell_how_near_the_floor_and_the_published_time_are():
    output = row_comments(make_row(full()))
    assert "1.01x the published 19.84 ms" in output
    assert "1.7x the compute floor" in output


def test_comments_tell_why_a_board_is_off():
    slow = result(
        record(before=pi5_results.facts(supply_ma=3000, desktop="labwc")),
        samples_ms=pi5_results.samples(middle=25.0),
    )
    assert (
        "1.26x the published 19.84 ms: a desktop session runs (labwc), "
        "a supply of 3 A instead of 5 A"
    ) in row_comments(make_row(slow))

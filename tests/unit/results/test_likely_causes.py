"""Why a board may be off: each cause from the fact that suggests it, and from no other."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from piyard.board.lease import Governor
from piyard.results.reference_times import BOARD_CODES, NO_CAUSE_KNOWN, likely_causes
from piyard.results.result import Reason, ReasonCode, Result, Verdict
from tests.support import pi5_results
from tests.support.pi5_results import PRECISION, facts, record, result

VALID = Verdict(state="VALID")
THEIR_KHZ = 2_400_000


def with_facts(**changes: Any) -> Result:
    return result(record(before=facts(**changes)))


def of_slow(of: Result, verdict: Verdict = VALID) -> tuple[str, ...]:
    return likely_causes(of, verdict, THEIR_KHZ, slower=True)


def of_fast(of: Result) -> tuple[str, ...]:
    return likely_causes(of, VALID, THEIR_KHZ, slower=False)


def describe(code: ReasonCode) -> Verdict:
    return Verdict(state="SUSPECT", reasons=[Reason(code=code, grade="SUSPECT", text="…")])


def test_a_board_that_is_as_it_should_be_has_no_cause_and_says_so():
    assert of_slow(result()) == (NO_CAUSE_KNOWN,)


@pytest.mark.parametrize("code", ["throttled", "under-voltage", "hot", "clock", "load", "swap"])
def test_what_was_seen_during_the_run(code):
    assert of_slow(result(), describe(code)) == (f"{code} during the run",)


@pytest.mark.parametrize("code", ["drift", "bimodal", "interval", "output", "telemetry"])
def test_what_is_no_property_of_the_board(code):
    assert of_slow(result(), describe(code)) == (NO_CAUSE_KNOWN,)


def test_every_reason_is_a_cause_or_none_on_purpose():
    aside = {"drift", "bimodal", "interval", "output", "telemetry", "governor"}
    assert set(get_args(ReasonCode)) == aside | set(BOARD_CODES)


@pytest.mark.parametrize("which", ["high_khz", "max_khz"])
def test_a_lower_clock(which):
    expected = "the clock goes up to 1500 MHz instead of 2400"
    assert of_slow(with_facts(**{which: 1_500_000})) == (expected,)


def test_a_clock_that_is_nearly_theirs():
    assert of_slow(with_facts(max_khz=2_360_000)) == (NO_CAUSE_KNOWN,)


@pytest.mark.parametrize("governor", ["ondemand", "powersave", "schedutil"])
def test_a_governor_that_changes_the_clock(governor):
    assert of_slow(with_facts(governor=governor)) == (f"governor {governor}",)


def test_a_governor_that_was_replaced_for_the_run():
    switched = Governor(before="ondemand", during="performance")
    of = record(before=facts(governor="ondemand"), governor=switched)
    assert of_slow(result(of)) == (NO_CAUSE_KNOWN,)


def test_a_governor_that_could_not_be_replaced():
    kept = Governor(before="ondemand", during="ondemand")
    of = record(before=facts(governor="ondemand"), governor=kept)
    assert of_slow(result(of)) == ("governor ondemand",)


def test_a_desktop():
    assert of_slow(with_facts(desktop="labwc")) == ("a desktop session runs (labwc)",)


def test_little_memory():
    assert of_slow(with_facts(available_kb=150 * 1024)) == ("150 MiB of free memory only",)


def test_a_weak_supply():
    assert of_slow(with_facts(supply_ma=3000)) == ("a supply of 3 A instead of 5 A",)


def test_old_firmware():
    detected = of_slow(with_facts(firmware="2023/10/30 16:45:10"))
    assert detected == ("firmware of 2023: newer ones drive the memory faster",)


@pytest.mark.parametrize("firmware", ["2025/01/01 00:00:00", "2026/05/11 12:00:00", "unknown"])
def test_firmware_that_is_new_or_does_not_tell(firmware):
    assert of_slow(with_facts(firmware=firmware)) == (NO_CAUSE_KNOWN,)


@pytest.mark.parametrize("cmdline", ["console=tty1", "", "numa=off"])
def test_memory_that_is_not_interleaved(cmdline):
    (detected,) = of_slow(with_facts(cmdline=cmdline))
    assert "not interleaved" in detected


@pytest.mark.parametrize("target", ["rpi4", "rpi3", "zero2w"])
def test_supply_firmware_and_memory_are_a_pi_5s(target):
    old = facts(supply_ma=3000, firmware="2020/09/03 13:11:43", cmdline="console=tty1")
    assert of_slow(result(record(target=target, before=old))) == (NO_CAUSE_KNOWN,)


def test_layers_that_compute_in_fp32():
    head = pi5_results.HEADER | {"precision": PRECISION | {"arithmetic": "mixed-fp16-fp32"}}
    assert of_slow(result(header=head)) == ("some layers compute in fp32 for accuracy",)


def test_a_winograd_that_stops_early():
    head = pi5_results.HEADER | {"options": {"use_winograd63_convolution": False}}
    assert of_slow(result(header=head)) == ("Winograd stops at F(4x4,3x3) for accuracy",)


def test_what_was_seen_comes_before_what_is_suspected():
    everything = with_facts(
        governor="ondemand",
        desktop="labwc",
        supply_ma=3000,
        high_khz=1_500_000,
        firmware="2023/10/30 16:45:10",
        cmdline="",
        available_kb=1024,
    )
    detected = of_slow(everything, describe("throttled"))
    assert len(detected) == 8
    starts = ["throttled", "the clock", "governor", "a desktop", "1 MiB", "a supply", "firmware"]
    for each, start in zip(detected, [*starts, "memory"], strict=True):
        assert each.startswith(start)
        assert "," not in each


def test_a_board_that_tells_nothing_has_no_known_cause():
    silent = dict.fromkeys(
        "high_khz max_khz governor desktop available_kb supply_ma firmware cmdline".split()
    )
    assert of_slow(with_facts(**silent)) == (NO_CAUSE_KNOWN,)


# Faster than others


def test_newer_software_and_memory_make_a_board_faster():
    interleaved, newer = of_fast(result())
    assert "interleaved" in interleaved
    assert newer == "ncnn 1.0.20261020 is newer than theirs"


def test_a_higher_clock_makes_it_faster():
    of = with_facts(max_khz=3_000_000, high_khz=3_000_000, cmdline="")
    assert of_fast(of)[0] == "the clock goes up to 3000 MHz instead of 2400"


def test_a_limit_below_a_higher_clock_counts():
    of = with_facts(max_khz=3_000_000, high_khz=2_400_000, cmdline="")
    assert of_fast(of) == ("ncnn 1.0.20261020 is newer than theirs",)


def test_what_makes_slow_explains_no_speed():
    slow = with_facts(desktop="labwc", supply_ma=3000, cmdline="", governor="ondemand")
    assert of_fast(slow) == ("ncnn 1.0.20261020 is newer than theirs",)


def test_speed_that_nothing_explains():
    head = {name: output for name, output in pi5_results.HEADER.items() if name != "ncnn"}
    assert of_fast(result(record(before=facts(cmdline="")), header=head)) == (NO_CAUSE_KNOWN,)

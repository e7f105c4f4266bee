"""Every reason against a row: from what it follows exactly, and from what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.facts import Facts
from piyard.core.target import Conditions, load_target
from piyard.results.judge import is_believable, judge_result
from piyard.results.result import Reason, Result, Verdict
from piyard.run.record import OutputCheck
from piyard.run.telemetry import Sample
from tests.support import pi5_results
from tests.support.pi5_results import during, facts, moments, record, result, samples

LIMITS = load_target("rpi5").conditions
AT_WORK = range(2, 22)
"""The moments among the samples."""


def describe(of: Result, limits: Conditions = LIMITS) -> list[tuple[str, str]]:
    return [(reason.code, reason.grade) for reason in judge_result(of, limits).reasons]


def text_of(of: Result) -> str:
    (reason,) = judge_result(of, LIMITS).reasons
    return reason.text


def test_a_clean_run_is_valid_without_reasons() -> None:
    assert judge_result(result(), LIMITS) == Verdict(state="VALID")


def with_facts(before: Facts | None = None, after: Facts | None = None, **changes: Any) -> Result:
    of = record(before=before or pi5_results.FACTS, after=after or before or pi5_results.FACTS)
    return result(of, **changes)


# Throttle word


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("0x1", [("under-voltage", "INVALID")]),
        ("0x2", [("throttled", "INVALID")]),
        ("0x4", [("throttled", "INVALID")]),
        ("0x8", [("throttled", "INVALID")]),
        ("0x5", [("throttled", "INVALID"), ("under-voltage", "INVALID")]),
        ("0x10000", [("under-voltage", "INVALID")]),
        ("0x20000", [("throttled", "INVALID")]),
        ("0x40000", [("throttled", "INVALID")]),
        ("0x80000", [("throttled", "INVALID")]),
        ("0x50005", [("throttled", "INVALID"), ("under-voltage", "INVALID")]),
        ("0x0", []),
        ("nonsense", []),
        ("", []),
    ],
)
def test_a_bit_in_one_moment_is_enough(word: str, expected: list[tuple[str, str]]) -> None:
    assert describe(result(telemetry=during([7], throttled=word))) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0x0", "0x10000", [("under-voltage", "INVALID")]),
        ("0x0", "0x40000", [("throttled", "INVALID")]),
        ("0x40000", "0x50000", [("under-voltage", "INVALID")]),
        ("0x10000", "0x10000", [("under-voltage", "SUSPECT")]),
        ("0xe0000", "0xe0000", []),
        ("0x0", None, []),
        (None, "0x0", []),
    ],
)
def test_a_bit_since_boot_counts_when_it_is_new(
    before: str | None, after: str | None, expected: list[tuple[str, str]]
) -> None:
    moments_ = moments(throttled=before or "0x0")
    of = with_facts(facts(throttled=before), facts(throttled=after), telemetry=moments_)
    assert describe(of) == expected


def test_what_was_so_before_the_run_only_is_past() -> None:
    of = with_facts(facts(throttled="0x4"), facts(throttled="0x0"))
    assert describe(of) == []


def test_the_word_is_shown_with_what_to_do() -> None:
    text = text_of(result(telemetry=during([7], throttled="0x20002")))
    assert "0x20002" in text
    assert "capped the Arm's clock" in text
    assert "cool the board" in text


# Clock


@pytest.mark.parametrize(
    ("which", "mhz", "expected"),
    [
        (AT_WORK, 2400, []),
        (AT_WORK, 2360, []),  # 1.7 %
        (AT_WORK, 2345, [("clock", "INVALID")]),  # 2.3 %
        (AT_WORK, 2460, [("clock", "INVALID")]),
        ([9, 10], 1500, [("clock", "INVALID")]),
        ([9], 1500, [("clock", "SUSPECT")]),  # one of 20 is 5 %
        ([0, 1, 22, 23], 1500, []),  # idle before and after
    ],
)
def test_only_the_clock_of_moments_at_work_counts(
    which: Sequence[int], mhz: int, expected: list[tuple[str, str]]
) -> None:
    assert describe(result(telemetry=during(which, arm_hz=mhz * 10**6))) == expected


def test_where_the_firmware_is_silent_the_kernels_clock_counts() -> None:
    of = result(telemetry=moments(arm_hz=None, khz=1_800_000))
    assert describe(of) == [("clock", "INVALID")]
    assert "was 1800 instead of 2400 MHz in 20 of 20" in text_of(of)


@pytest.mark.parametrize("own", [1_500_000, 2_900_000])
def test_the_boards_own_highest_clock_is_the_nominal_one(own: int) -> None:
    board = facts(max_khz=own, high_khz=own)
    limits = msgspec.structs.replace(LIMITS, clock_khz=1_800_000)
    assert describe(with_facts(board, telemetry=moments(arm_hz=own * 1000)), limits) == []


def test_without_the_boards_own_clock_the_targets_counts() -> None:
    board = facts(max_khz=None, high_khz=None)
    assert describe(with_facts(board)) == []
    assert describe(with_facts(board, telemetry=moments(arm_hz=10**9))) == [("clock", "INVALID")]


def test_a_clock_that_is_held_down_is_suspect() -> None:
    of = with_facts(facts(high_khz=1_500_000), telemetry=moments(arm_hz=1_500_000_000))
    assert describe(of) == [("clock", "SUSPECT")]
    assert "limited to 1500 of 2400 MHz" in text_of(of)


def test_a_board_that_could_be_overclocked_and_is_not_is_nominal() -> None:
    assert describe(with_facts(facts(max_khz=2_600_000, high_khz=2_400_000))) == []


# Heat


@pytest.mark.parametrize(
    ("millidegrees", "expected"),
    [
        (74_999, []),
        (75_000, [("hot", "SUSPECT")]),
        (79_999, [("hot", "SUSPECT")]),
        (80_000, [("hot", "INVALID")]),
        (91_000, [("hot", "INVALID")]),
    ],
)
def test_heat(millidegrees: int, expected: list[tuple[str, str]]) -> None:
    assert describe(result(telemetry=during([19], temperature_mc=millidegrees))) == expected


def test_heat_is_told_in_degrees() -> None:
    assert "reached 81.3 °C" in text_of(result(telemetry=during([5], temperature_mc=81_300)))


# Others' work


def busy(cores: float, *, where: range = range(24)) -> list[Sample]:
    """Others take so many cores at these moments."""
    ticks, result_ = 0.0, []
    for i, moment in enumerate(moments()):
        ticks += 50 * cores if i in where else 0
        own = moment.own_ticks or 0
        result_.append(msgspec.structs.replace(moment, busy_ticks=9000 + own + round(ticks)))
    return result_


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        (0.0, []),
        (0.09, []),
        (0.12, [("load", "SUSPECT")]),
        (0.48, [("load", "SUSPECT")]),
        (0.52, [("load", "INVALID")]),
        (4.0, [("load", "INVALID")]),
    ],
)
def test_others_work_counts_by_its_size(cores: float, expected: list[tuple[str, str]]) -> None:
    assert describe(result(telemetry=busy(cores))) == expected


def test_others_work_before_and_after_the_run_does_not_count() -> None:
    assert describe(result(telemetry=busy(4.0, where=range(2)))) == []
    assert describe(result(telemetry=busy(4.0, where=range(22, 24)))) == []


def test_ticks_of_the_run_that_are_booked_late_are_no_others() -> None:
    late = [msgspec.structs.replace(m, busy_ticks=9000 + (m.own_ticks or 0) - i * 3)
            for i, m in enumerate(moments())]  # fmt: skip
    assert describe(result(telemetry=late)) == []


# Swap


@pytest.mark.parametrize(
    ("before", "later", "expected"),
    [
        (0, 0, []),
        (5000, 5000, []),
        (5000, 3000, []),
        (0, 4, [("swap", "SUSPECT")]),
        (0, 1023, [("swap", "SUSPECT")]),
        (100, 1124, [("swap", "INVALID")]),
        (0, 90_000, [("swap", "INVALID")]),
    ],
)
def test_swap_counts_when_it_grows(
    before: int, later: int, expected: list[tuple[str, str]]
) -> None:
    grown = [
        msgspec.structs.replace(moment, swap_kb=before if i < 10 else later)
        for i, moment in enumerate(moments())
    ]
    assert describe(result(telemetry=grown)) == expected


# Governor


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("performance", []),
        ("ondemand", [("governor", "SUSPECT")]),
        ("powersave", [("governor", "SUSPECT")]),
        (None, []),
    ],
)
def test_governor(name: str | None, expected: list[tuple[str, str]]) -> None:
    assert describe(with_facts(facts(governor=name))) == expected


# Samples


def drifting(by: float) -> list[float]:
    steady = samples()
    return [ms * (1 + by * i / len(steady)) for i, ms in enumerate(steady)]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (drifting(0.0), []),
        (drifting(0.01), []),
        (drifting(0.06), [("drift", "SUSPECT")]),
        (drifting(-0.06), [("drift", "SUSPECT")]),
        (drifting(0.3), [("drift", "INVALID")]),
    ],
)
def test_drift(series: list[float], expected: list[tuple[str, str]]) -> None:
    of = result(samples_ms=series)
    assert [each for each in describe(of) if each[0] != "interval"] == expected


def test_a_drift_is_told_by_its_times() -> None:
    """From 357 to 63 ms is 254.7 % of the median between them, which says nothing to anybody."""
    series = [357.0 - 294.0 * i / 99 for i in range(100)]
    reasons = judge_result(result(samples_ms=series), LIMITS).reasons
    (text,) = (each.text for each in reasons if each.code == "drift")
    assert "became faster during the run, from 329 to 91.2 ms" in text
    assert "%" not in text


def two_levels(apart: float) -> list[float]:
    return [ms * (1 + apart * (i * 7 % 10 < 3)) for i, ms in enumerate(samples())]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (two_levels(0.0), []),
        (two_levels(0.01), []),
        (two_levels(0.06), [("bimodal", "SUSPECT")]),
        (two_levels(0.3), [("bimodal", "INVALID")]),
    ],
)
def test_two_levels(series: list[float], expected: list[tuple[str, str]]) -> None:
    assert describe(result(samples_ms=series)) == expected


def test_what_two_levels_are_is_told() -> None:
    text = text_of(result(samples_ms=two_levels(0.3)))
    assert "(70%)" in text
    assert "(30%)" in text


def spread(half_width: float, count: int = 40) -> list[float]:
    """Evenly spread and well mixed: the order statistics at 14 and 27 of 40 bound the median."""
    even = [20 * (1 + half_width * 6.3 * (2 * i / (count - 1) - 1) / 2) for i in range(count)]
    return [even[i * 11 % count] for i in range(count)]


@pytest.mark.parametrize("stopped", ["budget", "loops", ""])
@pytest.mark.parametrize(
    ("half_width", "expected"),
    [
        (0.009, []),
        (0.02, [("interval", "SUSPECT")]),
        (0.09, [("interval", "INVALID")]),
    ],
)
def test_the_interval_counts_however_sampling_stopped(
    stopped: str, half_width: float, expected: list[tuple[str, str]]
) -> None:
    of = result(samples_ms=spread(half_width), stopped=stopped)
    assert [each for each in describe(of) if each[0] == "interval"] == expected


def test_too_few_samples_have_no_interval() -> None:
    few = [2000.0, 2001.0, 2002.0, 2000.0, 2001.0]
    assert describe(result(samples_ms=few)) == [("interval", "SUSPECT")]
    assert describe(result(samples_ms=[*few, 2001.5])) == []


def test_no_samples_at_all() -> None:
    assert ("interval", "INVALID") in describe(result(samples_ms=[]))


# Output


def checked(check: OutputCheck | None) -> Result:
    return result(record(check=check))


def wrong(**cosine: float) -> OutputCheck:
    return OutputCheck(ok=False, threshold=0.999, cosine=cosine, max_abs={})


def test_an_output_that_differs_is_invalid_and_told_by_the_worst() -> None:
    of = checked(wrong(a=0.99, b=0.5))
    assert describe(of) == [("output", "INVALID")]
    assert "cosine 0.500000, 0.999 is needed" in text_of(of)


def test_an_output_without_any_blob_is_no_match() -> None:
    assert describe(checked(wrong())) == [("output", "INVALID")]


def test_an_output_of_one_number_is_told_by_its_difference() -> None:
    of = OutputCheck(
        ok=False, threshold=0.999, cosine={"a": 1.0}, max_abs={}, blind={"a": "one number"}
    )
    assert describe(checked(of)) == [("output", "INVALID")]
    assert "by more than 4.5% of its largest value" in text_of(checked(of))


def test_an_output_that_agrees_whatever_is_computed_is_suspect() -> None:
    of = OutputCheck(
        ok=True, threshold=0.999, cosine={"a": 1.0}, max_abs={}, empty={"a": "constant"}
    )
    assert describe(checked(of)) == [("output", "SUSPECT")]
    assert "proves nothing: a: constant" in text_of(checked(of))
    another = msgspec.structs.replace(of, cosine={"a": 1.0, "b": 0.9999})
    assert describe(checked(another)) == []


def test_an_output_that_nobody_checked_is_suspect() -> None:
    assert describe(checked(None)) == [("output", "SUSPECT")]


# Telemetry


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"temperature_mc": None}, "the temperature"),
        ({"arm_hz": 0, "khz": 0}, "the clock"),
        ({"arm_hz": None, "khz": None}, "the clock"),
        ({"throttled": None}, "the throttle word"),
        ({"own_ticks": None}, "what others computed"),
        ({"busy_ticks": None}, "what others computed"),
    ],
)
def test_what_is_not_known_is_suspect(changes: dict[str, Any], missing: str) -> None:
    of = result(telemetry=moments(**changes))
    assert describe(of) == [("telemetry", "SUSPECT")]
    assert missing in text_of(of)


def asked_by_turns(**before: Any) -> list[Sample]:
    """Clock asked in every third moment; what the firmware said before the samples."""
    seen = [
        msgspec.structs.replace(m, throttled=None, arm_hz=m.arm_hz if i % 3 == 2 else None)
        for i, m in enumerate(moments())
    ]
    seen[1] = msgspec.structs.replace(seen[1], **before)
    return seen


def test_an_idle_clock_before_the_samples_is_not_held_for_the_first_of_them() -> None:
    of = result(telemetry=asked_by_turns(arm_hz=1_500_000_000, throttled="0x0"))
    assert describe(of) == []


def test_a_throttle_word_of_any_moment_will_do() -> None:
    assert describe(result(telemetry=asked_by_turns(throttled="0x0"))) == []
    assert describe(result(telemetry=asked_by_turns())) == [("telemetry", "SUSPECT")]


def test_a_clock_that_was_off_when_it_was_asked_is_held_for_its_turn() -> None:
    by_turns = asked_by_turns(throttled="0x0")
    by_turns[11] = msgspec.structs.replace(by_turns[11], arm_hz=1_500_000_000)
    of = result(telemetry=by_turns)
    assert describe(of) == [("clock", "INVALID")]
    assert "in 3 of 20 samples" in text_of(of)


def test_the_kernels_belief_does_not_stand_in_for_a_clock_that_was_measured() -> None:
    """Asked for the last time one moment before the end, and only then."""
    late = [msgspec.structs.replace(m, arm_hz=None, khz=1_500_000) for m in moments()]
    late[20] = msgspec.structs.replace(late[20], arm_hz=2_400_033_024)
    assert describe(result(telemetry=late)) == []


def test_no_telemetry_at_all() -> None:
    of = result(telemetry=[])
    assert describe(of) == [("telemetry", "SUSPECT")]
    assert "anything about the board" in text_of(of)


def test_telemetry_that_ended_early() -> None:
    of = result(telemetry=moments()[:8])
    assert describe(of) == [("telemetry", "SUSPECT")]
    assert "but for 2 of 10 s" in text_of(of)


def test_a_run_too_short_to_be_watched() -> None:
    of = result(samples_ms=samples(20))
    assert describe(of) == [("telemetry", "SUSPECT")]
    assert "(0.4 s: let it run for longer)" in text_of(of)


def test_a_run_whose_samples_have_no_times_was_not_watched() -> None:
    assert describe(result(starts_s=[])) == [("telemetry", "SUSPECT")]


@pytest.mark.parametrize("unknown", ["load", "available_kb", "swap_kb", "khz"])
def test_what_the_verdict_does_not_need_may_be_unknown(unknown: str) -> None:
    without: dict[str, Any] = {unknown: None}
    assert describe(result(telemetry=moments(**without))) == []


def test_a_desktop_has_no_firmware_to_ask() -> None:
    limits = load_target("desktop").conditions
    silent: dict[str, Any] = {
        "throttled": None,
        "arm_hz": None,
        "khz": None,
        "temperature_mc": None,
    }
    of = with_facts(facts(throttled=None, max_khz=None, high_khz=None), telemetry=moments(**silent))
    assert describe(of, limits) == []


# The whole


def test_the_gravest_come_first_and_decide() -> None:
    of = with_facts(facts(governor="ondemand"), telemetry=during([3], temperature_mc=85_000))
    assert describe(of) == [("hot", "INVALID"), ("governor", "SUSPECT")]
    assert judge_result(of, LIMITS).state == "INVALID"
    assert judge_result(with_facts(facts(governor="ondemand")), LIMITS).state == "SUSPECT"


def test_limits_are_the_targets() -> None:
    warm = result(telemetry=during([3], temperature_mc=62_000))
    assert describe(warm) == []
    limits = msgspec.structs.replace(LIMITS, hot_c=60.0, governors=["schedutil"])
    assert describe(warm, limits) == [("hot", "INVALID"), ("governor", "SUSPECT")]


SILENT: dict[str, Any] = {"throttled": None, "temperature_mc": 90_000, "arm_hz": 10**9}


@pytest.mark.parametrize("series", [drifting(0.3), two_levels(0.3), [1.0, 9.0, 30.0]])
@pytest.mark.parametrize("watched", [[], moments(**SILENT)])
def test_nothing_is_said_of_the_times_of_an_emulated_board(
    series: list[float], watched: list[Sample]
) -> None:
    plain = record(
        emulated=True,
        hardware="Raspberry Pi 5 (emulated)",
        before=facts(throttled=None, governor="powersave"),
    )
    of = result(plain, samples_ms=series, telemetry=watched)
    assert judge_result(of, LIMITS) == Verdict(state="EMULATED")


def test_an_emulated_boards_output_counts() -> None:
    of = result(record(emulated=True, check=wrong(a=0.1)))
    detected = judge_result(of, LIMITS)
    assert detected.state == "EMULATED"
    assert [reason.code for reason in detected.reasons] == ["output"]
    assert not is_believable(detected)


def test_an_emulated_board_that_plays_a_pi_is_judged_by_what_it_plays() -> None:
    of = result(record(emulated=True), telemetry=during([7], throttled="0x4", swap_kb=5000))
    detected = judge_result(of, LIMITS)
    assert detected.state == "EMULATED"
    assert [reason.code for reason in detected.reasons] == ["throttled", "swap"]


def test_a_container_of_this_machines_own_kind_is_no_board_either() -> None:
    of = result(record(emulated=True, hardware="x86-64 desktop (container)"), telemetry=[])
    limits = load_target("desktop").conditions
    assert judge_result(of, limits).state == "EMULATED"


def reason(grade: Any) -> Reason:
    return Reason(code="hot", grade=grade, text="warm")


@pytest.mark.parametrize(
    ("state", "grades", "expected"),
    [
        ("VALID", [], True),
        ("SUSPECT", ["SUSPECT"], True),
        ("INVALID", ["SUSPECT", "INVALID"], False),
        ("EMULATED", [], True),
        ("EMULATED", ["SUSPECT"], True),
        ("EMULATED", ["INVALID"], False),
    ],
)
def test_only_what_is_not_invalid_is_believable(
    state: Any, grades: list[str], expected: bool
) -> None:
    said = Verdict(state=state, reasons=[reason(grade) for grade in grades])
    assert is_believable(said) is expected


# Any board, however silent or strange

NUMBERS = st.none() | st.integers(-(10**12), 10**12)
WORDS = st.none() | st.sampled_from(["0x0", "0x50005", "0xfffff", "", "0x", "x"]) | st.text()
MOMENTS = st.builds(
    Sample,
    uptime_s=st.floats(allow_nan=False),
    temperature_mc=NUMBERS,
    khz=NUMBERS,
    arm_hz=NUMBERS,
    throttled=WORDS,
    load=st.none() | st.floats(),
    available_kb=NUMBERS,
    swap_kb=NUMBERS,
    busy_ticks=NUMBERS,
    own_ticks=NUMBERS,
)
BOARDS = st.builds(
    Facts,
    machine=st.just("aarch64"),
    throttled=WORDS,
    governor=WORDS.filter(lambda word: "\n" not in (word or "")),  # facts come line by line
    max_khz=NUMBERS,
    high_khz=NUMBERS,
)
CHECKS = st.builds(
    OutputCheck,
    ok=st.booleans(),
    threshold=st.floats(),
    cosine=st.dictionaries(st.text(), st.floats()),
    max_abs=st.just({}),
)


@given(
    series=st.lists(st.floats(0, 1e9), max_size=60),
    watched=st.lists(MOMENTS, max_size=8),
    before=BOARDS,
    after=st.none() | BOARDS,
    check=st.none() | CHECKS,
    emulated=st.booleans(),
    limits=st.sampled_from([LIMITS, Conditions(), load_target("desktop").conditions]),
)
def test_no_board_is_too_strange_to_be_judged(
    series: list[float],
    watched: list[Sample],
    before: Facts,
    after: Facts | None,
    check: OutputCheck | None,
    emulated: bool,
    limits: Conditions,
) -> None:
    of = result(
        record(before=before, after=after, check=check, emulated=emulated),
        samples_ms=series,
        telemetry=watched,
    )
    detected = judge_result(of, limits)
    assert (detected.state == "VALID") == (not detected.reasons and not emulated)
    assert all(each.text and "\n" not in each.text for each in detected.reasons)
    assert msgspec.json.decode(msgspec.json.encode(detected), type=Verdict).state == detected.state

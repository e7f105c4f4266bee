"""Telemetry of a run, as it comes back: whole, cut, old, or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import BoardCommandFailed
from piyard.run.telemetry import (
    TELEMETRY_FILE,
    PowerSample,
    Sample,
    forward_filled,
    idle_power,
    read_power,
    read_telemetry,
    samples_between,
    watch_command,
)
from tests.support.local_board import new_board

OLD = (
    '{"uptime_s":489,"temperature_mc":52100,"khz":2400000,"load":2.10,"available_kb":23474180,'
    '"throttled":""}\n'
)
NOW = (
    '{"uptime_s":12.345,"temperature_mc":61250,"khz":2400000,"arm_hz":2400033792,'
    '"throttled":"0x50005","load":1.5,"available_kb":7000000,"swap_kb":0,"busy_ticks":4211,'
    '"own_ticks":390}\n'
)
numbers = st.none() | st.integers(-(2**40), 2**40)
moments = st.builds(
    Sample,
    uptime_s=st.floats(0, 1e9).map(lambda seconds: round(seconds, 3)),
    temperature_mc=numbers,
    khz=numbers,
    arm_hz=numbers,
    throttled=st.none() | st.from_regex(r"0x[0-9a-f]{1,5}", fullmatch=True),
    load=st.none() | st.floats(0, 1000),
    available_kb=numbers,
    swap_kb=numbers,
    busy_ticks=numbers,
    own_ticks=numbers,
)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / TELEMETRY_FILE
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(of: list[Sample]) -> str:
    return "".join(f"{msgspec.json.encode(moment).decode()}\n" for moment in of)


@given(st.lists(moments, max_size=5))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, of: list[Sample]
) -> None:
    path = written(tmp_path_factory.mktemp("run"), lines(of))
    assert read_telemetry(path) == sorted(of, key=lambda moment: moment.uptime_s)


@given(st.lists(moments, min_size=1, max_size=3), st.data())
def test_a_cut_costs_the_line_it_hits_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, of: list[Sample], data: st.DataObject
) -> None:
    text = lines(sorted(of, key=lambda moment: moment.uptime_s)).encode()
    at = data.draw(st.integers(0, len(text)))
    whole = text[:at].count(b"\n")
    telemetry = read_telemetry(written(tmp_path_factory.mktemp("run"), text[:at]))
    assert len(telemetry) in {whole, whole + 1}  # only the end of the line may be missing
    assert lines(telemetry).encode() == text[: len(lines(telemetry))]


def test_a_moment_of_nnrun_watch_is_read(tmp_path: Path) -> None:
    (moment,) = read_telemetry(written(tmp_path, NOW))
    assert msgspec.to_builtins(moment) == json.loads(NOW)


def test_a_run_of_before_is_read(tmp_path: Path) -> None:
    (moment,) = read_telemetry(written(tmp_path, OLD))
    assert moment == Sample(
        uptime_s=489, temperature_mc=52100, khz=2400000, load=2.1, available_kb=23474180
    )


@pytest.mark.parametrize("junk", [b"\0\0\0", b"{}", b"null", b'{"uptime_s":"soon"}', b"\xff{"])
def test_what_is_no_moment_is_left_out(tmp_path: Path, junk: bytes) -> None:
    path = written(tmp_path, NOW.encode() + junk + b"\n" + NOW.encode())
    assert len(read_telemetry(path)) == 2


def test_a_run_that_nobody_watched_has_no_moments(tmp_path: Path) -> None:
    assert read_telemetry(tmp_path / TELEMETRY_FILE) == []


@given(st.binary())
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    assert isinstance(read_telemetry(written(tmp_path_factory.mktemp("run"), raw)), list)


POWER = [
    '{"uptime_s":1.5,"temperature_mc":50000,"rails_w":{"VDD_CORE":0.5,"HDMI":0.02}}',
    '{"uptime_s":2.0,"temperature_mc":50000,"rails_w":null}',
    '{"uptime_s":2.5,"temperature_mc":50000,"rails_w":{"VDD_CORE":0.75,"HDMI":0.02}}',
]
EXPECTED = [
    PowerSample(uptime_s=1.5, rails_w={"VDD_CORE": 0.5, "HDMI": 0.02}),
    PowerSample(uptime_s=2.5, rails_w={"VDD_CORE": 0.75, "HDMI": 0.02}),
]


def test_the_energy_run_tells_power_and_moments(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(POWER))
    assert read_power(path) == EXPECTED
    assert [moment.temperature_mc for moment in read_telemetry(path)] == [50000] * 3


def test_moments_of_a_stretch_of_time(tmp_path: Path) -> None:
    assert samples_between(EXPECTED, 2, 3) == EXPECTED[1:]
    assert samples_between(EXPECTED, 1.5, 2.5) == EXPECTED
    assert samples_between(EXPECTED, 3, 2) == []


def test_the_idle_power_is_watched_on_the_board(tmp_path: Path) -> None:
    board = new_board(tmp_path / "board")
    said = "\n".join(f"echo '{line}'" for line in POWER)
    board.has_tool(
        "nnrun", f'[ "$*" = "watch --interval 0.5 --pmic --seconds 7" ] || exit 2\n{said}'
    )
    assert idle_power(board, "nnrun", seconds=7) == EXPECTED


def test_a_program_that_cannot_watch_is_an_error(tmp_path: Path) -> None:
    board = new_board(tmp_path / "board")
    board.has_tool("nnrun", "echo unknown verb >&2; exit 64")
    with pytest.raises(BoardCommandFailed, match="nnrun"):
        idle_power(board, "nnrun", seconds=1)


def test_a_watch_is_no_finer_than_it_may_be() -> None:
    assert watch_command("./nnrun") == ["./nnrun", "watch", "--interval", "1"]
    assert watch_command("./nnrun", pmic=True) == [
        *("./nnrun", "watch", "--interval", "0.5", "--pmic")
    ]


def by_turns(count: int) -> list[Sample]:
    """As nnrun watch asks: both at first, then each in every third moment."""
    return [
        Sample(
            uptime_s=at,
            khz=2_400_000 + at,
            arm_hz=2_400_000_000 + at if at == 0 or at % 3 == 2 else None,
            throttled=f"{at:#x}" if at % 3 == 0 else None,
        )
        for at in range(count)
    ]


def test_what_the_firmware_said_holds_until_it_is_asked_again() -> None:
    result = forward_filled(by_turns(7))
    assert [m.arm_hz - 2_400_000_000 for m in result if m.arm_hz] == [0, 0, 2, 2, 2, 5, 5]
    assert [m.throttled for m in result] == ["0x0", "0x0", "0x0", "0x3", "0x3", "0x3", "0x6"]
    assert [m.khz for m in result] == [2_400_000 + at for at in range(7)]


def test_it_does_not_hold_for_longer_than_a_round() -> None:
    fell_silent = [by_turns(1)[0], *(Sample(uptime_s=at) for at in range(1, 5))]
    result = forward_filled(fell_silent)
    assert [m.throttled for m in result] == ["0x0", "0x0", "0x0", None, None]
    assert [m.arm_hz is None for m in result] == [False, False, False, True, True]


@given(st.lists(st.sampled_from(["0x0", "0x50005", None])))
def test_what_was_told_stays_as_it_was_told(words: list[str | None]) -> None:
    result = [Sample(uptime_s=at, throttled=word) for at, word in enumerate(words)]
    detected = forward_filled(result)
    assert [m.uptime_s for m in detected] == [m.uptime_s for m in result]
    for before, after in zip(result, detected, strict=True):
        assert before.throttled in {None, after.throttled}

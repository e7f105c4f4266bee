"""benchmarks/fp16_instructions.py: what is a problem, and the Pi's caches that counts depend on."""

from __future__ import annotations

import json

import pytest

from benchmarks import fp16_instructions
from benchmarks.fp16_instructions import Row
from piyard.measure.counted import pi5

M = 1_000_000


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        (Row("mobilenet_v2", 101 * M, 64 * M), []),
        (Row("mobilenet_v2", 101 * M, 65 * M), []),
        (Row("mobilenet_v2", 101 * M, 66 * M), ["above its bar"]),
        (Row("mobilenet_v2", 101 * M, 131 * M), ["fp16 takes more than fp32", "above its bar"]),
        (Row("resnet18", 243 * M, 243 * M + 1), ["fp16 takes more than fp32"]),
        (Row("resnet18", 243 * M, 132 * M), []),
    ],
)
def test_fp16_is_never_above_fp32_nor_above_its_bar(row: Row, problems: list[str]) -> None:
    assert row.problems == problems
    (content,) = json.loads(fp16_instructions.shown([row], "json"))
    assert content["fp16"] == row.fp16
    assert content["problems"] == problems
    assert ("well" in fp16_instructions.shown([row], "plain")) == (not problems)


def test_the_counted_board_has_a_pi_5s_caches() -> None:
    files = pi5.files()
    cache = "sys/devices/system/cpu/cpu{}/cache/index{}/{}"
    assert [files[cache.format(3, n, "size")] for n in range(4)] == [
        *("64K\n", "64K\n", "512K\n", "2048K\n")
    ]
    assert files[cache.format(2, 2, "shared_cpu_map")] == "4\n"
    assert files[cache.format(2, 3, "shared_cpu_list")] == "0-3\n"
    assert files["sys/devices/system/cpu/online"] == "0-3\n"

"""Figures that others published: all of them kept, each with its source, and only like compared."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.core.paths import ROOT
from piyard.core.target import load_target
from piyard.results.reference_times import (
    CPU_DEVICE,
    PUBLISHED_FILE,
    PUBLISHED_NETWORKS,
    SAME_WORK,
    PublishedTime,
    find_reference,
    published_times,
)
from piyard.results.result import ReferenceTime, Result, Verdict
from tests.support import pi5_results, synthetic_results
from tests.support.pi5_results import PRECISION, facts, record, result

VALID = Verdict(state="VALID")
GATHERED = ROOT.parent / "shared" / "facts" / "published-ncnn-pi.csv"
"""The figures as they were gathered from ncnn's table; beside the project where it is developed."""
SOURCE = re.compile(
    r"Tencent/ncnn benchmark/README\.md, commit [0-9a-f]{9} of 20\d\d-\d\d-\d\d( \(#\d+\))?"
)
THEIRS = "device threads powersave gpu_device loops model min_ms max_ms avg_ms".split()
UNCHANGED = "1b92638c2cb02569a2e0fc3c14eb6441b891e1cac7989db2456ae86df419d23d"
MOBILENET = {"name": "mobilenet_v2", "input": [3, 224, 224], "macs": 300_774_272}
SQUEEZENET = {"name": "squeezenet1_1", "input": [3, 224, 224], "macs": 349_151_936}


def rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def computing(arithmetic: str, **more: Any) -> dict[str, Any]:
    return PRECISION | {"arithmetic": arithmetic, "storage": arithmetic, "label": arithmetic} | more


def on(
    target_name: str = "rpi5",
    model: dict[str, Any] | None = None,
    *,
    threads: int = 4,
    precision: dict[str, Any] | None = None,
    **changes: Any,
) -> Result:
    """A clean result of a network on a kind of board."""
    reference = synthetic_results.keys_of(pi5_results.record().model)
    of = record(target=target_name, model=reference | (model or {}), **changes)
    head = pi5_results.HEADER | {"threads": threads, "precision": precision or PRECISION}
    return result(of, header=head)


def find(of: Result, median_ms: float = 20.0) -> ReferenceTime | None:
    return find_reference(of, VALID, median_ms)


def ms(of: Result) -> float | None:
    output = find(of)
    return output.ms if output else None


# The file


def test_every_gathered_row_is_there_and_nothing_else():
    if not GATHERED.is_file():
        pytest.skip("the figures as they were gathered are not on this machine")
    gathered = [[row[name] for name in THEIRS] for row in rows(GATHERED)]
    assert [[row[name] for name in THEIRS] for row in of_ncnn()] == gathered


def is_of_ncnn(figure: PublishedTime) -> bool:
    return SOURCE.fullmatch(figure.source) is not None


def of_ncnn() -> list[dict[str, str]]:
    """The rows of ncnn's own table, the first of the file; others' may follow."""
    return [row for row in rows(PUBLISHED_FILE) if SOURCE.fullmatch(row["source"])]


def test_all_of_ncnns_table_of_raspberry_pis_is_there():
    assert len(of_ncnn()) == 371


def test_no_figure_of_theirs_was_changed():
    """Of what is theirs in every row, as it was when it was compared with their table."""
    output = "\n".join(",".join(row[name] for name in THEIRS) for row in of_ncnn())
    assert hashlib.sha256(output.encode()).hexdigest() == UNCHANGED


def test_every_row_says_where_it_comes_from():
    """A commit or a date is what makes a figure one that can be looked up."""
    for figure in published_times():
        assert re.search(r"commit [0-9a-f]{7,40}\b|20\d\d-\d\d", figure.source), figure


def test_every_row_is_of_a_kind_of_board_that_there_is():
    for figure in published_times():
        kind = load_target(figure.target)
        assert figure.device.startswith(tuple(kind.device_tree_models)), figure
        clock = re.search(r"(\d\.\d) ?ghz", figure.device.lower())
        assert not clock or figure.khz == round(float(clock[1]) * 1e6), figure


def test_every_row_is_a_time():
    for figure in published_times():
        assert 0 < figure.min_ms <= figure.avg_ms <= figure.max_ms, figure


def computed_in(figure: PublishedTime) -> str:
    """By ncnn's rules: int8 stays on the CPU, and fp16 is taken where there is arithmetic of it."""
    if figure.model.endswith("_int8"):
        return "int8"
    if figure.target != "rpi5":
        return "fp32"
    return "fp16" if figure.gpu_device == CPU_DEVICE else "fp16-storage"


def test_every_precision_of_ncnns_is_what_that_board_computes_in():
    for figure in filter(is_of_ncnn, published_times()):
        assert figure.precision == computed_in(figure), figure


def test_no_row_is_there_twice():
    output = [
        (
            published_time.target,
            published_time.khz,
            published_time.precision,
            published_time.threads,
            published_time.gpu_device,
            published_time.model,
        )
        for published_time in published_times()
    ]
    assert len(set(output)) == len(output)


# What is compared


@pytest.mark.parametrize(
    ("kind", "model", "threads", "precision", "expected"),
    [
        ("rpi5", {}, 4, computing("fp16"), 19.84),
        ("rpi5", {}, 1, computing("fp16"), 29.54),
        ("rpi5", {}, 4, computing("fp32", quantized_layers=20), 16.68),
        ("rpi5", MOBILENET, 4, computing("fp16"), 10.46),
        ("rpi5", MOBILENET, 4, computing("mixed-fp16-fp32"), 10.46),
        ("rpi4", {}, 4, computing("fp32"), 122.27),
        ("rpi4", {}, 4, computing("fp32", quantized_layers=20), 82.19),
        ("rpi4", MOBILENET, 4, computing("fp32"), 61.63),
        ("rpi3", {}, 4, computing("fp32"), 270.86),
        ("zero2w", {}, 1, computing("fp32"), 653.62),
    ],
)
def test_like_is_found(kind, model, threads, precision, expected):
    output = on(kind, model, threads=threads, precision=precision, before=facts(max_khz=None))
    assert ms(output) == expected


@pytest.mark.parametrize(
    "of",
    [
        on(threads=2),
        on(threads=3),
        on(precision=computing("fp32")),
        on(precision=computing("bf16")),
        on("rpi4", precision=computing("fp16")),
        on("desktop"),
        on(emulated=True),
        on(model={"name": "resnet50"}),
        on(model={"input": [3, 256, 256]}),
        on(model={"input": [1, 224, 224]}),
        on(model={"macs": None}),
        on(model={"macs": 2 * 1_814_073_344}),
        on(model=MOBILENET, precision=computing("fp32", quantized_layers=20)),
    ],
)
def test_unlike_is_not_compared(of):
    assert find(of) is None


@pytest.mark.parametrize("side", [224, 227])
@pytest.mark.parametrize("name", ["squeezenet1_1", "squeezenet"])
def test_squeezenet_is_another_network_there(name, side):
    """Theirs reads 227x227 and pads its last convolution: a fifth more work."""
    assert find(on(model=SQUEEZENET | {"name": name, "input": [3, side, side]})) is None
    assert any(figure.model == "squeezenet" for figure in published_times())


@pytest.mark.parametrize("network", PUBLISHED_NETWORKS.values(), ids=PUBLISHED_NETWORKS)
def test_networks_that_are_compared_do_nearly_the_same_work(network):
    ours = {"resnet18": 1_814_073_344, "mobilenet_v2": 300_774_272}[network.name]
    assert abs(ours / network.macs - 1) < SAME_WORK
    assert any(figure.model == network.name for figure in published_times())


@pytest.mark.parametrize(
    ("max_khz", "expected"),
    [(2_400_000, 19.84), (2_600_000, 19.84), (2_700_000, 21.47), (3_000_000, 21.47), (None, 19.84)],
)
def test_of_several_boards_the_one_with_the_nearest_clock(max_khz, expected):
    assert ms(on(before=facts(max_khz=max_khz))) == expected


def test_the_gpu_is_never_compared_with():
    times = {f.min_ms for f in published_times() if f.gpu_device != CPU_DEVICE}
    assert ms(on()) not in times


def test_it_names_commit_board_and_statistic():
    output = find(on())
    assert output is not None
    assert output.source == (
        "Tencent/ncnn benchmark/README.md, commit 070dac995 of 2023-12-12 (#5216): "
        "Raspberry Pi 5 Broadcom BCM2712, Cortex-A76 (ARMv8) (2.4GHz x 4), the least of 10"
    )


# Normal or not


@pytest.mark.parametrize("ratio", [0.86, 1.0, 1.14])
def test_a_normal_board_needs_no_cause(ratio):
    output = find(on(), ratio * 19.84)
    assert output is not None
    assert output.likely == ()


@pytest.mark.parametrize("ratio", [0.84, 1.16, 3.0])
def test_a_board_that_is_off_by_more_than_15_percent_does(ratio):
    output = find(on(), ratio * 19.84)
    assert output is not None
    assert output.likely


def test_slow_and_fast_have_other_causes():
    of = on(before=facts(desktop="wayfire"))
    slow, fast = find(of, 30.0), find(of, 10.0)
    assert slow is not None
    assert fast is not None
    assert slow.likely == ("a desktop session runs (wayfire)",)
    assert "a desktop session runs (wayfire)" not in fast.likely


def test_a_struct_refuses_a_row_that_is_none():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"target": "rpi5", "khz": "fast"}, PublishedTime, strict=False)

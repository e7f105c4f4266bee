"""The hardware's least time for a network, against figures worked out by hand."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.target import Peaks, Target, load_target
from piyard.results import reference_times
from piyard.results.reference_times import fastest_arithmetic, smallest_storage
from piyard.results.result import Roofline
from piyard.run.log import PrecisionInfo

RESNET18 = {"macs": 1_814_073_344, "params": 11_689_512}
PI5 = load_target("rpi5")
PI4 = load_target("rpi4")
GHZ = 1_000_000


def precision(arithmetic: str, storage: str = "", **layers: int) -> PrecisionInfo:
    result = {"arithmetic": arithmetic, "storage": storage or arithmetic, **layers}
    return msgspec.convert(result, PrecisionInfo)


def peaks(of: Target) -> Peaks:
    assert of.peaks is not None
    return of.peaks


def on_pi5(computed: PrecisionInfo, threads: int, **network: int) -> Roofline:
    result = reference_times.roofline(
        peaks(PI5), **(RESNET18 | network), precision=computed, threads=threads, khz=2_400_000
    )
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("arithmetic", "gflops"), [("fp32", 153.6), ("fp16", 307.2), ("int8", 614.4)]
)
def test_a_pi_5s_peak_is_what_its_cores_issue(arithmetic, gflops):
    """Two 128-bit pipes of four cores at 2.4 GHz: 2 x 4 x 2 floats or twice as many halves."""
    assert peaks(PI5).flops_per_cycle[arithmetic] * 2.4 * 4 == pytest.approx(gflops)


def test_resnet18_on_four_cores_of_a_pi_5():
    """3.628 GFLOP at 307.2 GFLOPS; the published 19.84 ms are 1.68 times that."""
    result = on_pi5(precision("fp16"), 4)
    assert result.ms == pytest.approx(11.81, abs=0.005)
    assert result.bound == "compute"
    assert 19.84 / result.ms == pytest.approx(1.68, abs=0.005)
    assert result.source == peaks(PI5).flops_source


def test_winograd_runs_below_the_floor_of_one_core():
    """The published 29.54 ms are 123 GFLOPS, where a core has a peak of 76.8."""
    result = on_pi5(precision("fp16"), 1)
    assert result.ms == pytest.approx(47.24, abs=0.005)
    assert result.ms > 29.54


@pytest.mark.parametrize(("arithmetic", "ms"), [("fp32", 23.62), ("fp16", 11.81), ("int8", 5.905)])
def test_narrower_arithmetic_has_a_lower_floor(arithmetic, ms):
    int8 = arithmetic == "int8"
    computed = precision("fp32" if int8 else arithmetic, quantized_layers=21 if int8 else 0)
    assert on_pi5(computed, 4).ms == pytest.approx(ms, abs=0.005)


@pytest.mark.parametrize(("threads", "gb_s"), [(1, 13.8), (2, 12.7), (3, 12.7), (4, 10.7)])
def test_a_network_of_weights_alone_is_bound_by_memory(threads, gb_s):
    """100 M weights in fp16 less 4 MiB of caches, at what that many threads read."""
    result = on_pi5(precision("fp16"), threads, macs=1000, params=100_000_000)
    assert result.bound == "memory"
    assert result.ms == pytest.approx((200e6 - 4096 * 1024) / (gb_s * 1e9) * 1000)
    assert result.source == peaks(PI5).read_source


def test_what_fits_into_the_caches_is_not_read():
    assert on_pi5(precision("fp16"), 4, macs=1, params=1_000_000).bound == "compute"


@pytest.mark.parametrize(
    ("features", "arithmetic", "storage"),
    [
        (precision("fp32"), "fp32", "fp32"),
        (precision("fp16"), "fp16", "fp16"),
        (precision("fp32", "fp16"), "fp32", "fp16"),
        (precision("mixed-fp16-fp32", "mixed-fp16-fp32"), "fp16", "fp16"),
        (precision("fp32", "bf16"), "fp32", "bf16"),
        (precision("bf16"), "bf16", "bf16"),
        (precision("fp32", fp16_weight_layers=1), "fp32", "fp16"),
        (precision("fp16", quantized_layers=3), "int8", "int8"),
        (precision("fp32", quantized_layers=0), "fp32", "fp32"),
    ],
)
def test_the_fastest_of_a_mixed_net_counts(features, arithmetic, storage):
    assert (fastest_arithmetic(features), smallest_storage(features)) == (arithmetic, storage)


@pytest.mark.parametrize("computed", [precision("fp16"), precision("fp32", quantized_layers=1)])
def test_what_a_core_does_not_compute_has_no_floor(computed):
    """A Cortex-A72 has neither fp16 arithmetic nor 8-bit dot products."""
    result = reference_times.roofline(
        peaks(PI4), **RESNET18, precision=computed, threads=4, khz=1_800_000
    )
    assert result is None


def test_resnet18_on_a_pi_4():
    """8 FLOP a cycle of four cores at 1.8 GHz are 57.6 GFLOPS; published are 122.27 ms."""
    result = reference_times.roofline(
        peaks(PI4), **RESNET18, precision=precision("fp32"), threads=4, khz=1_800_000
    )
    assert result is not None
    assert result.bound == "compute"
    assert result.ms == pytest.approx(62.99, abs=0.005)


@pytest.mark.parametrize(
    "changes",
    [
        {"flops_per_cycle": {}, "flops_source": ""},
        {"read_gb_s": {}, "read_source": ""},
        {"read_gb_s": {4: 10.0}},
    ],
)
def test_without_a_peak_there_is_no_floor(changes):
    """Bandwidth of four threads says nothing of one."""
    reference = {
        "flops_per_cycle": {"fp32": 16.0},
        "flops_source": "a",
        "read_gb_s": {1: 10.0},
        "read_source": "b",
    }
    of = Peaks(**(reference | changes))
    assert (
        reference_times.roofline(of, **RESNET18, precision=precision("fp32"), threads=1, khz=GHZ)
        is None
    )


@pytest.mark.parametrize(("threads", "khz"), [(4, 0), (0, GHZ)])
def test_without_a_clock_or_a_core_there_is_no_floor(threads, khz):
    of = peaks(PI5)
    assert (
        reference_times.roofline(
            of, **RESNET18, precision=precision("fp16"), threads=threads, khz=khz
        )
        is None
    )


@given(st.integers(1, 10**11), st.integers(0, 10**9), st.integers(1, 3), st.integers(1, 5))
def test_more_work_is_never_faster_nor_a_faster_clock_slower(macs, params, threads, times):
    def ms(work: int, weights: int, khz: int) -> float:
        result = reference_times.roofline(
            peaks(PI5),
            macs=work,
            params=weights,
            precision=precision("fp16"),
            threads=threads,
            khz=khz,
        )
        assert result is not None
        return result.ms

    at = ms(macs, params, GHZ)
    assert ms(times * macs, times * params, GHZ) >= at
    assert ms(macs, params, times * GHZ) <= at


@pytest.mark.parametrize("name", ["rpi5", "rpi4", "rpi3", "zero2w"])
def test_the_peaks_of_the_pis_that_ship_have_their_sources(name):
    of = peaks(load_target(name))
    assert of.flops_source
    assert of.read_source
    assert of.cache_source
    assert "fp32" in of.flops_per_cycle
    assert 1 in of.read_gb_s

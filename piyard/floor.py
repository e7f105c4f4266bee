"""The least time that the hardware allows for a network, by the peaks of its kind of board.

Compute: two operations for each multiply-accumulate, at the cores' peak. Winograd's convolution
takes up to 2.25 (F(2x2,3x3)) to 5.06 (F(6x6,3x3)) times fewer multiplications than that counts, so
a network of 3x3 convolutions may run *below* this floor: a ratio under 1 is Winograd's, no mistake.

Memory: each weight is read once an inference, less what all caches may have kept of them since the
last one. Activations are not counted: nobody knows how many of them leave the caches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piyard.row import Floor
from piyard.target import Peaks

BYTES = {"int8": 1, "fp16": 2, "bf16": 2, "fp32": 4}


def of(
    peaks: Peaks,
    *,
    macs: int,
    params: int,
    precision: Mapping[str, Any],
    threads: int,
    khz: int,
) -> Floor | None:
    """The floor of one inference; None where the target has no peak of what was computed.

    ``precision`` is nnrun's own account of it, in its first line; ``threads`` have a core each.
    """
    per_cycle = peaks.flops_per_cycle.get(arithmetic(precision))
    bandwidth = _bandwidth(peaks, threads)
    if not per_cycle or not bandwidth or not khz or threads < 1:
        return None
    compute_ms = 2 * macs / (per_cycle * khz * threads)
    weights = max(0, params * BYTES[storage(precision)] - peaks.cache_kb * 1024)
    memory_ms = weights / (bandwidth * 1e6)
    if compute_ms >= memory_ms:
        return Floor(ms=compute_ms, bound="compute", source=peaks.flops_source)
    return Floor(ms=memory_ms, bound="memory", source=peaks.read_source)


def arithmetic(precision: Mapping[str, Any]) -> Any:
    """The fastest arithmetic of the layers that multiply: the floor of a mixed net is lower."""
    if precision.get("quantized_layers"):
        return "int8"
    return _fastest(str(precision["arithmetic"]))


def storage(precision: Mapping[str, Any]) -> str:
    """The smallest format that weights are kept in."""
    if precision.get("quantized_layers"):
        return "int8"
    return "fp16" if precision.get("fp16_weight_layers") else _fastest(str(precision["storage"]))


def _fastest(formats: str) -> str:
    """nnrun says ``fp16``, ``mixed-fp16-fp32`` or ``fp32``."""
    return next((name for name in ("fp16", "bf16") if name in formats), "fp32")


def _bandwidth(peaks: Peaks, threads: int) -> float | None:
    """Of that many threads, or of the nearest smaller number that was measured."""
    measured = [count for count in peaks.read_gb_s if count <= threads]
    return peaks.read_gb_s[max(measured)] if measured else None

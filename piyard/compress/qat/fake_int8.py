"""ncnn's int8 in floats: what a layer loses by it, with a gradient through the rounding.

An integer is a number times its scale, rounded with halves away from zero and cut at -127 and 127
(ncnn's src/layer/quantize.cpp); a number is the integer by the scale. The rounding's gradient is
taken as 1 (Bengio et al., https://arxiv.org/abs/1308.3432).

torch and torchao are imported with this module, so whoever needs it imports it late.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torchao.quantization.pt2e import FakeQuantizeBase

LARGEST = 127


def round_half_away(values: torch.Tensor) -> torch.Tensor:
    """As C's ``round``; torch's own takes halves to the even number."""
    return torch.trunc(values + torch.copysign(torch.full_like(values, 0.5), values))


def _snap(values: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Values at whole steps, at most 127 of them from zero."""
    whole = torch.clamp(values / step, -LARGEST, LARGEST)
    return (whole + (round_half_away(whole) - whole).detach()) * step


class Int8Weights(FakeQuantizeBase):  # type: ignore[misc]
    """Weights with a scale an output channel, by which the largest of the channel is 127."""

    def __init__(self, **_spec: Any) -> None:
        super().__init__()
        self.disable_fake_quant()

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        """The weights as ncnn has them, of the same shape."""
        if not self.fake_quant_enabled[0]:
            return weights
        return _snap(weights, weight_steps(weights))

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """torchao asks for them where it writes integers, which piyard does itself."""
        raise NotImplementedError


def weight_steps(weights: torch.Tensor) -> torch.Tensor:
    """Of each output channel the number that 1 stands for; of a channel of zeros 1."""
    with torch.no_grad():
        peaks = weights.detach().flatten(1).abs().amax(1)
        steps = torch.where(peaks > 0, peaks / LARGEST, torch.ones_like(peaks))
    return steps.reshape(-1, *[1] * (weights.dim() - 1))


class Int8Inputs(FakeQuantizeBase):  # type: ignore[misc]
    """What a layer reads, with one scale that is learnt.

    ``limit`` is the number that becomes 127. Its gradient is that of Esser et al., Learned step
    size quantization (https://arxiv.org/abs/1902.08153), equations 3 and 5. While it observes,
    ``limit`` follows the largest number it has seen.
    """

    def __init__(self, **_spec: Any) -> None:
        super().__init__()
        self.limit = torch.nn.Parameter(torch.zeros(1))
        self.disable_fake_quant()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The numbers as ncnn has them, of the same shape."""
        if self.observer_enabled[0]:
            with torch.no_grad():
                self.limit.copy_(torch.maximum(self.limit, values.detach().abs().max()))
        if not self.fake_quant_enabled[0]:
            return values
        damped = 1 / math.sqrt(values.numel() * LARGEST)
        step = self.limit.abs().clamp_min(torch.finfo(values.dtype).tiny * LARGEST) / LARGEST
        step = step * damped + (step - step * damped).detach()
        return _snap(values, step)

    def set_limit(self, limit: float) -> None:
        """Take this limit and stop observing."""
        with torch.no_grad():
            self.limit.fill_(limit)
        self.disable_observer()
        self.enable_fake_quant()

    @property
    def scale(self) -> float:
        """As ncnn's table has it; 1 for what is always zero."""
        limit = abs(float(self.limit.detach()))
        return LARGEST / limit if limit else 1.0

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``Int8Weights``."""
        raise NotImplementedError

"""Layers that lose too much in fp16 arithmetic compute in fp32 even where the board has it.

ncnn reads a mask from each layer's parameter 31 (its docs/developer-guide/layer-feat-mask.md).
Folded batch normalisation leaves a depthwise convolution with a few large and many small weights
a channel; summed in halves, mobilenet_v2's outputs fall to cosine 0.987 against torch on a
Cortex-A76. With these layers alone in fp32 it is 0.9999; they are a small part of the work.
"""

from __future__ import annotations

from pathlib import Path

NO_FP16_ARITHMETIC = 1
KEY = 31
UNSAFE = frozenset({"ConvolutionDepthWise"})


def apply(param: Path) -> list[str]:
    """Mask the unsafe layers of a .param; their names, in order."""
    lines = param.read_text().splitlines()
    unsafe = [line for line in lines[2:] if line.split()[0] in UNSAFE]
    masked = [f"{line} {KEY}={NO_FP16_ARITHMETIC}" if line in unsafe else line for line in lines]
    param.write_text("\n".join(masked) + "\n")
    return [line.split()[1] for line in unsafe]

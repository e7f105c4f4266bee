"""A small ncnn for tests: what the classifiers, NanoTrack and the tests' own nets are made of."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from piyard.build.builder import Build, build_recipe, load_recipe
from piyard.build.recipe import Recipe
from piyard.core.target import load_target

LAYERS = frozenset(
    "BatchNorm BinaryOp Cast Clip Concat Convolution ConvolutionDepthWise Crop Dequantize Dropout "
    "Eltwise Flatten Gemm HardSigmoid HardSwish InnerProduct Input LayerNorm MatMul MemoryData "
    "Noop Packing Padding Permute Pooling Quantize ReLU Requantize Reshape Sigmoid Softmax Split "
    "Swish UnaryOp".split()
)

# One set of kernels is enough to test what stands around them.
ONE_VARIANT = dict.fromkeys(
    ("NCNN_AVX", "NCNN_FMA", "NCNN_F16C", "NCNN_AVX2", "NCNN_ARM82", "NCNN_VFPV4"), False
)


def recipe(target_name: str) -> Recipe:
    """The target's recipe with all other layers left out."""
    full = load_recipe(load_target(target_name))
    listed = (full.source.folder() / "src" / "CMakeLists.txt").read_text()
    names = set(re.findall(r"ncnn_add_layer\((\w+)", listed))
    left_out = {f"WITH_LAYER_{name.lower()}": False for name in sorted(names - LAYERS)}
    target = msgspec.structs.replace(full.target, cmake=full.target.cmake | ONE_VARIANT | left_out)
    return msgspec.structs.replace(full, target=target)


@cache
def desktop() -> Build:
    """nnrun for this machine."""
    return build_recipe(recipe("desktop"))

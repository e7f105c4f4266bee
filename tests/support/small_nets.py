"""Small ncnn pairs in fp32 with weights of a seed, to be quantised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from piyard.compress.ptq.pair import (
    TENSOR_PLACES,
    Tensor,
    WeightedLayer,
    write_weighted_layers,
)
from piyard.convert.param import Layer

SHAPE = (3, 12, 12)
RELU6 = {"9": "3", "-23310": "2,0.0,6.0"}


def line(kind: str, name: str, bottoms: str, tops: str, **settings: object) -> Layer:
    """A line of a .param; settings are k0=… for 0=…."""
    return Layer(
        type=kind,
        name=name,
        bottoms=bottoms.split(),
        tops=tops.split(),
        settings={key.removeprefix("k"): str(value) for key, value in settings.items()},
    )


def convolution(name: str, ins: int, outs: int, bottom: str, top: str, kernel=1, **more) -> Layer:
    sizes = {"k0": outs, "k1": kernel, "k4": kernel // 2, "k5": 1, "k6": ins * outs * kernel**2}
    return line("Convolution", name, bottom, top, **sizes, **more)


def depthwise(name: str, channels: int, bottom: str, top: str, **more) -> Layer:
    sizes = {"k0": channels, "k1": 3, "k4": 1, "k5": 1, "k6": channels * 9, "k7": channels}
    return line("ConvolutionDepthWise", name, bottom, top, **sizes, **more)


def with_weights(layers: list[Layer], seed: int = 1, spread: float = 1.0) -> list[WeightedLayer]:
    """Output channels differ in their range by up to ``spread``."""
    rng = np.random.default_rng(seed)
    weighted = []
    for layer in layers:
        places = TENSOR_PLACES.get(layer.type, lambda _layer: [])(layer)
        tensors = {}
        for place in places:
            values = rng.normal(0, 0.3, place.size).astype(np.float32)
            if place.name == "weight" and spread != 1:
                rows = values.reshape(layer.number(0), -1)
                values = (rows * np.geomspace(1, spread, len(rows))[:, None]).ravel()
            tensors[place.name] = Tensor(values.astype(np.float32), place.tagged)
        weighted.append(WeightedLayer(layer=layer, tensors=tensors))
    return weighted


def mobile_block() -> list[Layer]:
    """Expansion, depthwise, projection with a residual, a second reader, and a classifier."""
    return [
        line("Input", "in0", "", "in0"),
        convolution("stem", 3, 8, "in0", "a", 3, **{f"k{k}": v for k, v in RELU6.items()}),
        line("Split", "split_0", "a", "a1 a2"),
        convolution("expand", 8, 16, "a1", "b", k9=1),
        depthwise("depth", 16, "b", "c", k9=1),
        convolution("project", 16, 8, "c", "d"),
        line("BinaryOp", "add", "d a2", "e", k0=0),
        line("Pooling", "pool", "e", "f", k0=1, k4=1),
        line("InnerProduct", "classes", "f", "out0", k0=5, k1=1, k2=40),
    ]


def write_pair(at: Path, layers: list[Layer], seed: int = 1, spread: float = 1.0) -> Path:
    """The folder with model.ncnn.param and .bin."""
    at.mkdir(parents=True, exist_ok=True)
    write_weighted_layers(with_weights(layers, seed, spread), at, "model")
    return at


def pictures(count: int, shape: tuple[int, ...] = SHAPE, seed: int = 5) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(0, 1, shape).astype(np.float32),) for _ in range(count)]

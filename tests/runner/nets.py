"""Tiny ncnn nets written by hand, so that no test needs a converter or a download."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import ncnn
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

MAGIC = 7767517
FP32_TAG = b"\0\0\0\0"
FP16_TAG = (0x01306B47).to_bytes(4, "little")


@dataclass
class Net:
    """Grows line by line; every layer reads the blob before it, unless told."""

    lines: list[str] = field(default_factory=list)
    weights: bytes = b""
    blobs: int = 0
    last: str = ""

    def add(
        self, kind: str, tops: str, params: str = "", *, bottoms: list[str] | None = None
    ) -> Net:
        below = ([self.last] if self.last else []) if bottoms is None else bottoms
        above = tops.split()
        blobs = " ".join([*below, *above])
        self.lines.append(f"{kind} {above[0]} {len(below)} {len(above)} {blobs} {params}")
        self.last = above[0]
        self.blobs += len(above)
        return self

    def tagged(self, values: Floats, *, half: bool = False) -> Net:
        if not half:
            self.weights += FP32_TAG + values.astype("<f4").tobytes()
            return self
        data = values.astype("<f2").tobytes()
        self.weights += FP16_TAG + data + b"\0" * (-len(data) % 4)
        return self

    def raw(self, values: Floats) -> Net:
        self.weights += values.astype("<f4").tobytes()
        return self

    @property
    def param(self) -> str:
        return "\n".join([str(MAGIC), f"{len(self.lines)} {self.blobs}", *self.lines]) + "\n"

    def write(self, folder: Path, name: str = "net") -> list[str]:
        """Both files, as the flags that name them."""
        (folder / f"{name}.param").write_text(self.param)
        (folder / f"{name}.bin").write_bytes(self.weights)
        return ["--param", str(folder / f"{name}.param"), "--bin", str(folder / f"{name}.bin")]


def small(*, half: bool = False, softmax: bool = False) -> Net:
    """3 channels of any size of 4 or more -> convolution, ReLU, global pooling, 10 values."""
    rng = np.random.default_rng(7)
    net = Net().add("Input", "in0").add("Convolution", "conv", "0=8 1=3 4=1 5=1 6=216")
    net.tagged(rng.normal(size=216), half=half).raw(rng.normal(size=8))
    net.add("ReLU", "relu").add("Pooling", "pool", "0=1 4=1")
    net.add("InnerProduct", "out0", "0=10 1=1 2=80")
    net.tagged(rng.normal(size=80), half=half).raw(rng.normal(size=10))
    return net.add("Softmax", "prob", "0=0") if softmax else net


def identity() -> Net:
    """Gives its input back, so that a test can look at what preprocessing made."""
    return Net().add("Input", "in0").add("Flatten", "out0")


def values_of(path: Path) -> Floats:
    """A blob that nnrun saved."""
    return np.fromfile(path, "<f4")


def in_python(net: Net, folder: Path, inputs: Floats, output: str) -> Floats:
    """The same net run by the ncnn package."""
    _, param, _, weights = net.write(folder)
    loaded = ncnn.Net()
    loaded.opt.use_fp16_packed = loaded.opt.use_fp16_storage = False
    loaded.opt.use_fp16_arithmetic = False
    loaded.load_param(param)
    loaded.load_model(weights)
    extractor = loaded.create_extractor()
    extractor.input("in0", ncnn.Mat(inputs).clone())
    return np.array(extractor.extract(output)[1])

"""A .param and its .bin as layers with their tensors, read from both and written to both.

A .bin holds tensor after tensor in the order in which ncnn's layers load them. Weights begin with a
tag of four bytes that says how they are stored, and are padded to four bytes; biases and scales are
bare fp32 (ncnn's src/modelbin.cpp, load_model of each layer in src/layer/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec

from piyard.convert.pair_cut import WEIGHTLESS, format_param, measure_first_layers
from piyard.convert.param import Layer, count_quantised, read_param, require_pair
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.core.files import scratch_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

FP32_TAG, FP16_TAG, INT8_TAG = 0, 0x01306B47, 0x000D4B38
ALIGNMENT = 4

WEIGHT, BIAS = "weight", "bias"
WEIGHT_SCALES, INPUT_SCALE, OUTPUT_SCALE = "weight scales", "input scale", "output scale"
"""What tensors are called here; scales come after weights and biases, in this order."""


class Tensor(NamedTuple):
    """Numbers of a layer."""

    values: NDArray[Any]
    """fp32, or int8 where they are quantised; flat."""
    tagged: bool
    """Whether a tag says how they are stored."""


class WeightedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the .param and what the .bin has for it."""

    layer: Layer
    tensors: Mapping[str, Tensor] = {}
    """By their names here, in the order of the file."""
    other: bytes = b""
    """Of a type whose tensors piyard need not know: as they are."""

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def weight(self) -> NDArray[Any]:
        """Its weights, flat."""
        return self.tensors[WEIGHT].values

    def with_tensors(self, **changed: NDArray[Any]) -> WeightedLayer:
        """The same with other values of the tensors so named."""
        tensors = {
            name: Tensor(changed[name], old.tagged) if name in changed else old
            for name, old in self.tensors.items()
        }
        return msgspec.structs.replace(self, tensors=tensors)


class TensorPlace(NamedTuple):
    """A tensor that a layer loads."""

    name: str
    size: int
    """In numbers."""
    tagged: bool


def _convolution(layer: Layer) -> list[TensorPlace]:
    if layer.number(19):  # its weights come as a blob
        return []
    bias = [TensorPlace(BIAS, layer.number(0), tagged=False)] if layer.number(5) else []
    return [TensorPlace(WEIGHT, layer.number(6), tagged=True), *bias]


def _inner_product(layer: Layer) -> list[TensorPlace]:
    bias = [TensorPlace(BIAS, layer.number(0), tagged=False)] if layer.number(1) else []
    return [TensorPlace(WEIGHT, layer.number(2), tagged=True), *bias]


def _embed(layer: Layer) -> list[TensorPlace]:
    bias = [TensorPlace(BIAS, layer.number(0), tagged=False)] if layer.number(2) else []
    return [TensorPlace(WEIGHT, layer.number(3), tagged=True), *bias]


def _gemm(layer: Layer) -> list[TensorPlace]:
    m, n, k = (layer.number(key) for key in (7, 8, 9))
    c_counts = {0: 1, 1: m, 2: m, 3: m * n, 4: n}
    places = []
    if layer.number(4):
        places.append(TensorPlace("a", m * k, tagged=True))
    if layer.number(5):
        places.append(TensorPlace("b", k * n, tagged=True))
    if layer.number(6) and layer.number(10) in c_counts:
        places.append(TensorPlace("c", c_counts[layer.number(10)], tagged=True))
    return places


def _attention(layer: Layer) -> list[TensorPlace]:
    width = layer.number(0)
    q_width = layer.number(2) // width
    weights = {"q": q_width, "k": layer.number(3, width), "v": layer.number(4, width)}
    places = []
    for name, size in weights.items():
        places += [TensorPlace(name, width * size, tagged=True)]
        places += [TensorPlace(f"{name} bias", width, tagged=False)]
    places.append(TensorPlace("out", width * q_width, tagged=True))
    return [*places, TensorPlace("out bias", q_width, tagged=False)]


TENSOR_PLACES: dict[str, Callable[[Layer], list[TensorPlace]]] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "InnerProduct": _inner_product,
    "Embed": _embed,
    "Gemm": _gemm,
    "MultiHeadAttention": _attention,
}
"""Of the types that can be quantised; what they load while they are not."""


def read_weighted_layers(param: Path, weights: Path) -> list[WeightedLayer]:
    """The layers of a pair in fp32 or fp16, with their tensors in fp32.

    Raises ``WrongInput`` for a pair that is quantised, ``ConversionFailed`` for one that does not
    belong together.
    """
    layers = read_param(param)
    if quantised := count_quantised(layers):
        raise WrongInput(
            f"{param.name} is quantised already ({quantised} layers)",
            remedy="compress the model that it was made from",
        )
    require_pair(param, weights)
    with scratch_folder("piyard-quantise-") as scratch, weights.open("rb") as stream:
        return [
            _read_layer(layers[: number + 1], stream, weights, scratch)
            for number in range(len(layers))
        ]


def _read_layer(
    first: Sequence[Layer], stream: BinaryIO, weights: Path, scratch: Path
) -> WeightedLayer:
    """The last one of the first layers, whose tensors come next."""
    layer = first[-1]
    if layer.type in TENSOR_PLACES:
        places = TENSOR_PLACES[layer.type](layer)
        return WeightedLayer(
            layer=layer,
            tensors={each.name: Tensor(_read_tensor(stream, each), each.tagged) for each in places},
        )
    if layer.type in WEIGHTLESS:
        return WeightedLayer(layer=layer)
    end = measure_first_layers(first, weights, scratch)
    return WeightedLayer(layer=layer, other=stream.read(end - stream.tell()))


def _read_tensor(stream: BinaryIO, place: TensorPlace) -> NDArray[Any]:
    import numpy as np

    tag = int.from_bytes(stream.read(4), "little") if place.tagged else FP32_TAG
    if tag not in {FP32_TAG, FP16_TAG}:
        raise ConversionFailed(
            f"weights are stored in a way that piyard does not read (tag {tag:#010x})",
            remedy="convert the model from its original file",
        )
    dtype = np.dtype("<f2" if tag == FP16_TAG else "<f4")
    size = place.size * dtype.itemsize
    data = stream.read(_aligned(size))
    return np.frombuffer(data[:size], dtype).astype(np.float32)


def write_weighted_layers(layers: Iterable[WeightedLayer], at: Path, stem: str) -> None:
    """Write <stem>.ncnn.param and .bin into the folder ``at``."""
    every = list(layers)
    (at / f"{stem}.ncnn.param").write_text(format_param([each.layer for each in every]))
    with (at / f"{stem}.ncnn.bin").open("wb") as stream:
        for each in every:
            stream.write(each.other)
            for tensor in each.tensors.values():
                _write_tensor(stream, tensor)


def _write_tensor(stream: BinaryIO, tensor: Tensor) -> None:
    import numpy as np

    is_int8 = tensor.values.dtype == np.int8
    if tensor.tagged:
        stream.write((INT8_TAG if is_int8 else FP32_TAG).to_bytes(4, "little"))
    data = tensor.values.astype("i1" if is_int8 else "<f4").tobytes()
    stream.write(data.ljust(_aligned(len(data)), b"\0"))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT

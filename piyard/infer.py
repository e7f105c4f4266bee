"""A converted net on this machine, by ncnn's own Python module.

ncnn computes in fp16 on ARM only; on x86 its fp16 options merely store the weights of
InnerProduct as halves (src/layer/x86/innerproduct_x86.cpp, src/net.cpp). ``rounded`` therefore
imitates fp16 storage: halves between all layers, each layer's own sums in fp32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.errors import ConversionFailed
from piyard.lowering import BIN, PARAM, Layer
from piyard.torch_shim import THREADS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


def load(folder: Path) -> Any:
    """The net (``ncnn.Net``) of model.ncnn.param and .bin, set to compute in fp32."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = THREADS
    net.opt.use_vulkan_compute = False
    # In light mode an extractor drops what a layer has read; a second output that needs it crashes.
    net.opt.lightmode = False
    for half in ("fp16", "bf16"):
        for what in ("packed", "storage"):
            setattr(net.opt, f"use_{half}_{what}", False)
    net.opt.use_fp16_arithmetic = False
    if net.load_param(str(folder / PARAM)) or net.load_model(str(folder / BIN)):
        raise ConversionFailed(f"ncnn cannot load {PARAM} and {BIN}")
    return net


def run(net: Any, values: Array) -> dict[str, Array]:
    """Every output by blob name, for one input of shape (c, h, w) and any strides."""
    (blob,) = net.input_names()
    return _extract(net, {blob: values}, net.output_names())


def rounded(net: Any, layers: Sequence[Layer], values: Array) -> dict[str, Array]:
    """As ``run``, with what goes in and what leaves each layer rounded to half precision."""
    known: dict[str, Array] = {}
    for layer in layers:
        if layer.type == "Input":
            made = {layer.tops[0]: values}
        else:
            made = _extract(net, {name: known[name] for name in layer.bottoms}, layer.tops)
        known |= {name: _halved(value) for name, value in made.items()}
    return {name: known[name] for name in net.output_names()}


def _halved(values: Array) -> Array:
    import numpy as np

    # Beyond 65504 a half is infinite: so be it, the proof looks for that.
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _extract(net: Any, given: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
    import ncnn
    import numpy as np

    # A Mat of an array shares its memory and knows no strides: both must outlive the run.
    arrays = {name: np.ascontiguousarray(values) for name, values in given.items()}
    mats = {name: ncnn.Mat(array) for name, array in arrays.items()}
    found = {}
    with net.create_extractor() as extractor:
        for name, mat in mats.items():
            extractor.input(name, mat)
        for name in wanted:
            code, mat = extractor.extract(name)
            if code:
                raise ConversionFailed(f"ncnn cannot compute '{name}' (code {code})")
            found[name] = np.array(mat)
    return found

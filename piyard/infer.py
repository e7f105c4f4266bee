"""A converted net on this machine, by ncnn's own Python module.

ncnn computes in fp16 on ARM only; on x86 its fp16 options merely store the weights of
InnerProduct in fp16 (src/layer/x86/innerproduct_x86.cpp, src/net.cpp). ``every_rounded``
therefore imitates fp16 storage: fp16 between all layers, each layer's own sums in fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.conversion import param
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed
from piyard.torch_shim import THREADS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

STEM = "model"


def load(folder: Path, stem: str = STEM) -> Any:
    """The net (``ncnn.Net``) of <stem>.ncnn.param and .bin (see ``load_pair``)."""
    return load_pair(folder / f"{stem}.ncnn.param", folder / f"{stem}.ncnn.bin")


def load_pair(param_file: Path, bin_file: Path) -> Any:
    """The net of both files, set to compute in fp32.

    Raises ``ConversionFailed`` for files that do not belong together, or are cut.
    """
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
    if net.load_param(str(param_file)) or net.load_model(str(bin_file)):
        raise _no_pair(param_file, bin_file)
    return net


def computed(folder: Path, stem: str = STEM) -> Callable[..., list[Array]]:
    """That net of the folder as a function of its inputs, with the outputs in order."""
    net = load(folder, stem)
    return lambda *inputs: list(run(net, *inputs).values())


def run(net: Any, *values: Array) -> dict[str, Array]:
    """Every output by blob name, for one input of shape (c, h, w) and any strides.

    A net of several inputs takes them in the order of its .param.
    """
    return _extract(net, _named(net, values), outputs(net))


def blobs(net: Any, layers: Sequence[Layer], *values: Array) -> dict[str, Array]:
    """Every blob there is, by name, in the order the layers make them."""
    names = [name for layer in layers for name in layer.tops if layer.type != "Input"]
    return _extract(net, _named(net, values), names)


def every_rounded(
    full: Any, half: Any, layers: Sequence[Layer], *values: Array, keep_fp32: Container[str] = ()
) -> dict[str, Array]:
    """Every blob, with what goes in and what leaves each layer rounded to half precision.

    ``half`` is the net with its weights rounded, ``full`` the one without. Layers named in
    ``keep_fp32`` keep full weights and unrounded outputs; any other layer that reads those rounds
    them, as ncnn casts what a layer with another storage left.
    """
    values_by_blob = _named(half, values)
    for layer in layers:
        if layer.type == "Input":
            values_by_blob |= {name: _halved(values_by_blob[name]) for name in layer.tops}
        elif layer.name in keep_fp32:
            values_by_blob |= _extract(
                full, {name: values_by_blob[name] for name in layer.bottoms}, layer.tops
            )
        else:
            values_by_blob |= one_rounded(
                half, layer, [values_by_blob[name] for name in layer.bottoms]
            )
    return values_by_blob


def one(net: Any, layer: Layer, values: Sequence[Array]) -> dict[str, Array]:
    """What a single layer makes of these inputs."""
    return _extract(net, dict(zip(layer.bottoms, values, strict=True)), layer.tops)


def one_rounded(half: Any, layer: Layer, values: Sequence[Array]) -> dict[str, Array]:
    """What a single layer makes of these inputs, all in fp16."""
    exact = one(half, layer, [_halved(value) for value in values])
    return {name: _halved(value) for name, value in exact.items()}


def outputs_of(layers: Sequence[Layer]) -> list[str]:
    """The same as ``outputs`` of the net that these layers are."""
    read = {name for layer in layers for name in layer.bottoms}
    return sorted(
        (name for layer in layers for name in layer.tops if name not in read), key=_numbered
    )


def inputs_of(layers: Sequence[Layer]) -> list[str]:
    """The names of the input blobs, as ``inputs``; in the .param they may have another order."""
    return sorted(fed(layers), key=_numbered)


def fed(layers: Sequence[Layer]) -> list[str]:
    """The input blobs in the order of the .param, which is how nnrun takes them."""
    return [name for layer in layers for name in layer.tops if layer.type == "Input"]


def inputs(net: Any) -> list[str]:
    """The names of the input blobs, in0 before in1."""
    return sorted(net.input_names(), key=_numbered)


def outputs(net: Any) -> list[str]:
    """The names of the output blobs, out0 before out1, whichever is computed first."""
    return sorted(net.output_names(), key=_numbered)


def _numbered(name: str) -> int:
    """pnnx numbers inputs and outputs; what somebody else named stays in the order it has."""
    number = name.removeprefix("out").removeprefix("in")
    return int(number) if number.isdigit() else 0


def layers(folder: Path, stem: str = STEM) -> list[Layer]:
    """The layers of the net in the folder."""
    return param.read(folder / f"{stem}.ncnn.param")


def _named(net: Any, values: Sequence[Array]) -> dict[str, Array]:
    return dict(zip(inputs(net), values, strict=True))


def _halved(values: Array) -> Array:
    import numpy as np

    # Beyond 65504 a half is infinite: so be it, the proof looks for that.
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _extract(net: Any, fed: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    import ncnn
    import numpy as np

    # A Mat of an array shares its memory and knows no strides: both must outlive the run.
    arrays = {name: np.ascontiguousarray(values) for name, values in fed.items()}
    mats = {name: ncnn.Mat(array) for name, array in arrays.items()}
    extracted = {}
    with net.create_extractor() as extractor:
        for name, mat in mats.items():
            extractor.input(name, mat)
        for name in names:
            code, mat = extractor.extract(name)
            if code:
                raise ConversionFailed(f"ncnn cannot compute '{name}' (code {code})")
            extracted[name] = np.array(mat)
    return extracted


def _no_pair(param_file: Path, bin_file: Path) -> ConversionFailed:
    return ConversionFailed(
        f"ncnn cannot load {param_file.name} and {bin_file.name}",
        remedy="the .bin is cut, or belongs to another .param",
    )

"""A converted network on this machine, by ncnn's own Python module.

ncnn computes in fp16 on ARM only; on x86 its fp16 options merely store the weights of
InnerProduct in fp16 (src/layer/x86/innerproduct_x86.cpp, src/net.cpp). ``simulate_fp16`` therefore
imitates fp16 storage: every layer's output is rounded, each layer's own sums are in fp32.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.lint import LayerNames, require_one_batch, require_supported
from piyard.convert.pair_cut import cut_pair
from piyard.convert.param import MAIN_STEM, Layer, fp32_layers, read_param, require_pair
from piyard.core.errors import ConversionFailed
from piyard.models.networks import THREADS

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


NET_STEM = "model"


def load_net(folder: Path, stem: str = NET_STEM) -> Any:
    """The net (``ncnn.Net``) of <stem>.ncnn.param and .bin (see ``load_net_files``)."""
    return load_net_files(folder / f"{stem}.ncnn.param", folder / f"{stem}.ncnn.bin")


def load_net_files(param_file: Path, bin_file: Path) -> Any:
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
        raise _files_mismatch(param_file, bin_file)
    return net


def net_function(folder: Path, stem: str = NET_STEM) -> Callable[..., list[Floats]]:
    """That net of the folder as a function of its inputs, with the outputs in order."""
    net = load_net(folder, stem)
    return lambda *inputs: list(run_net(net, *inputs).values())


def run_net(net: Any, *values: Floats) -> dict[str, Floats]:
    """Every output by blob name, for one input of shape (c, h, w) and any strides.

    A net of several inputs takes them in the order of its .param.
    """
    return run_blobs(net, net_outputs(net), *values)


def run_blobs(net: Any, names: Sequence[str], *values: Floats) -> dict[str, Floats]:
    """These blobs, by name; inputs as for ``run_net``."""
    return extract_blobs(net, _named_inputs(net, values), names)


def run_all_blobs(net: Any, layers: Sequence[Layer], *values: Floats) -> dict[str, Floats]:
    """Every blob there is, by name, in the order the layers make them."""
    names = [name for layer in layers for name in layer.tops if layer.type != "Input"]
    return extract_blobs(net, _named_inputs(net, values), names)


def simulate_fp16(
    full: Any, half: Any, layers: Sequence[Layer], *values: Floats, keep_fp32: Container[str] = ()
) -> dict[str, Floats]:
    """Every blob, with what goes in and what leaves each layer rounded to half precision.

    ``half`` is the net with its weights rounded, ``full`` the one without. Layers named in
    ``keep_fp32`` keep full weights and unrounded outputs; any other layer that reads those rounds
    them, as ncnn casts what a layer with another storage left.
    """
    values_by_blob = _named_inputs(half, values)
    for layer in layers:
        if layer.type == "Input":
            values_by_blob |= {name: _round_fp16(values_by_blob[name]) for name in layer.tops}
        elif layer.name in keep_fp32:
            values_by_blob |= extract_blobs(
                full, {name: values_by_blob[name] for name in layer.bottoms}, layer.tops
            )
        else:
            values_by_blob |= run_layer_fp16(
                half, layer, [values_by_blob[name] for name in layer.bottoms]
            )
    return values_by_blob


def run_layer(net: Any, layer: Layer, values: Sequence[Floats]) -> dict[str, Floats]:
    """What a single layer makes of these inputs."""
    return extract_blobs(net, dict(zip(layer.bottoms, values, strict=True)), layer.tops)


def run_layer_fp16(half: Any, layer: Layer, values: Sequence[Floats]) -> dict[str, Floats]:
    """What a single layer makes of these inputs, all in fp16."""
    exact = run_layer(half, layer, [_round_fp16(value) for value in values])
    return {name: _round_fp16(value) for name, value in exact.items()}


def output_blobs(layers: Sequence[Layer]) -> list[str]:
    """The same as ``outputs`` of the net that these layers are."""
    read = {name for layer in layers for name in layer.bottoms}
    return sorted(
        (name for layer in layers for name in layer.tops if name not in read), key=_blob_number
    )


def input_blobs(layers: Sequence[Layer]) -> list[str]:
    """The names of the input blobs, as ``inputs``; in the .param they may have another order."""
    return sorted(declared_inputs(layers), key=_blob_number)


def declared_inputs(layers: Sequence[Layer]) -> list[str]:
    """The input blobs in the order of the .param, which is how nnrun takes them."""
    return [name for layer in layers for name in layer.tops if layer.type == "Input"]


def net_inputs(net: Any) -> list[str]:
    """The names of the input blobs, in0 before in1."""
    return sorted(net.input_names(), key=_blob_number)


def net_outputs(net: Any) -> list[str]:
    """The names of the output blobs, out0 before out1, whichever is computed first."""
    return sorted(net.output_names(), key=_blob_number)


def _blob_number(name: str) -> int:
    """pnnx numbers inputs and outputs; what somebody else named stays in the order it has."""
    number = name.removeprefix("out").removeprefix("in")
    return int(number) if number.isdigit() else 0


def read_layers(folder: Path, stem: str = NET_STEM) -> list[Layer]:
    """The layers of the net in the folder."""
    return read_param(folder / f"{stem}.ncnn.param")


def _named_inputs(net: Any, values: Sequence[Floats]) -> dict[str, Floats]:
    return dict(zip(net_inputs(net), values, strict=True))


def _round_fp16(values: Floats) -> Floats:
    import numpy as np

    # Beyond 65504 a half is infinite: so be it, the proof looks for that.
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def extract_blobs(net: Any, fed: Mapping[str, Floats], names: Sequence[str]) -> dict[str, Floats]:
    """These blobs, of a net that gets others, be they inputs or not: those are not computed."""
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


def _files_mismatch(param_file: Path, bin_file: Path) -> ConversionFailed:
    return ConversionFailed(
        f"ncnn cannot load {param_file.name} and {bin_file.name}",
        remedy="the .bin is cut, or belongs to another .param",
    )


PRECISION_NOTES = {
    "fp32": "fp32 throughout",
    "fp16": "weights and every layer's output rounded to fp16, sums in fp32",
    "int8": "int8 where a layer is quantised, fp32 elsewhere",
}


class NetPair(msgspec.Struct, frozen=True, kw_only=True):
    """A converted net with weights in fp32, and in fp16."""

    full: Any
    half: Any
    layers: list[Layer]
    """With the masks that the boards get."""

    def run_fp32(self, *values: Floats) -> dict[str, Floats]:
        """The outputs in fp32; of quantised layers in int8."""
        return run_net(self.full, *values)

    def run_fp16(
        self, *values: Floats, keep_fp32: AbstractSet[str] = frozenset()
    ) -> dict[str, Floats]:
        """The outputs with fp16 storage; ``keep_fp32`` names layers beside the masked ones."""
        every = self.all_blobs_fp16(*values, keep_fp32=keep_fp32)
        return {name: every[name] for name in net_outputs(self.half)}

    def computes(self, precision: str) -> Callable[..., list[Floats]]:
        """The net as a function in one of ``PRECISION_NOTES``, with the outputs in order."""
        run = self.run_fp16 if precision == "fp16" else self.run_fp32
        return lambda *values: list(run(*values).values())

    def all_blobs_fp16(
        self, *values: Floats, keep_fp32: AbstractSet[str] = frozenset()
    ) -> dict[str, Floats]:
        """The same for every blob."""
        kept = fp32_layers(self.layers) | keep_fp32
        return simulate_fp16(self.full, self.half, self.layers, *values, keep_fp32=kept)


def load_net_pair(full: Path, half: Path, stem: str = NET_STEM) -> NetPair:
    """The net of that stem in both folders."""
    return NetPair(
        full=load_net(full, stem), half=load_net(half, stem), layers=read_layers(full, stem)
    )


class NcnnReference(msgspec.Struct, frozen=True, kw_only=True):
    """A .param and a .bin that were converted elsewhere."""

    param: Path
    bin: Path
    cut: Sequence[str] = ()
    """Blobs that are the outputs; none for those that the pair ends with."""
    stem: str = MAIN_STEM
    kind: str = "ncnn"
    is_program: bool = False

    def run(self, *inputs: Floats) -> list[Floats]:
        """ncnn's own outputs, in fp32: they prove nothing about the pair."""
        net = load_net_files(self.param, self.bin)
        return list(run_blobs(net, self.cut or net_outputs(net), *inputs).values())

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """Every blob by its name."""
        yield from run_all_blobs(
            load_net_files(self.param, self.bin), read_param(self.param), *inputs
        ).items()

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """Copy the pair; its weights stay as they are stored, whatever ``half`` is."""
        del half
        if self.cut:
            cut_pair(self.param, self.bin, self.cut, at, self.stem)
            return _require_provable(at, self.stem)
        require_pair(self.param, self.bin)
        shutil.copyfile(self.param, at / f"{self.stem}.ncnn.param")
        shutil.copyfile(self.bin, at / f"{self.stem}.ncnn.bin")
        return _require_provable(at, self.stem)

    def names(self) -> LayerNames:
        """None that pnnx does not keep."""
        return {}

    def output_names(self, count: int) -> list[str]:
        """The .param's names of them."""
        return list(self.cut)[:count] or output_blobs(read_param(self.param))[:count]

    def size(self) -> dict[str, int] | None:
        """Counted in ncnn's graph, as for everything that is none of torch's."""
        return None


def _require_provable(folder: Path, stem: str) -> list[Layer]:
    require_supported(folder, stem)
    return require_one_batch(folder, stem)

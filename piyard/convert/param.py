"""ncnn's .param: a network as text, one layer a line, and the .bin with its weights.

``type name inputs outputs input-blobs output-blobs key=value ...``, after the magic number and a
line with both counts (ncnn's docs/developer-guide/param-and-model-file-structure.md).

Names of layers and blobs have a prefix where a model has several networks: ``head:conv_1``.

Layers that lose too much in fp16 are masked: they run in fp32 even on boards with fp16.

ncnn reads a mask from each layer's parameter 31 (its docs/developer-guide/layer-feat-mask.md). As
piyard patches ncnn (toolchains/patches), either bit about fp16 makes such a layer read its inputs,
hold its weights, add up and write its outputs in fp32. It costs what it costs in fp32, and the
casts around it.

A .param and a .bin must belong together: ncnn itself ignores what it did not read.

A network whose layers are quantised computes in int8, and in nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from piyard.core.download import find_file
from piyard.core.errors import PROGRAM, ConversionFailed, WrongInput
from piyard.core.foreign import require_content
from piyard.models.definition import Model

PARAM_MAGIC = "7767517"
MAX_PARAM_BYTES = 100_000_000
"""A thousand layers have some 100,000."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a .param."""

    type: str
    name: str
    bottoms: list[str]
    tops: list[str]
    settings: dict[str, str] = {}
    """Key → value, as written; what they mean depends on the layer's type."""

    def number(self, key: int, default: int = 0) -> int:
        """A setting that is an integer."""
        return int(self.settings.get(str(key), default))


def read_param(path: Path) -> list[Layer]:
    """The layers of a .param, in order; ``ConversionFailed`` names a line that is not one."""
    require_content(path)
    if (size := path.stat().st_size) > MAX_PARAM_BYTES:
        raise ConversionFailed(
            f"{path.name} is not an ncnn .param file: it has {size / 1e6:.0f} MB"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ConversionFailed(f"{path.name} is not an ncnn .param file (not text)") from None
    if not lines or lines[0].strip() != PARAM_MAGIC:
        raise ConversionFailed(f"{path.name} is not an ncnn .param file (bad magic number)")
    layers = [_parse_layer(path, number, line) for number, line in enumerate(lines[2:], 3) if line]
    _require_layer_count(path, lines, layers)
    return layers


def _parse_layer(path: Path, number: int, line: str) -> Layer:
    words = line.split()
    try:
        inputs, outputs = int(words[2]), int(words[3])
        blobs = words[4 : 4 + inputs + outputs]
        settings = dict(word.partition("=")[::2] for word in words[4 + inputs + outputs :])
    except (IndexError, ValueError):
        blobs, settings, inputs, outputs = [], {}, 0, 1
    if len(blobs) != inputs + outputs:
        raise ConversionFailed(f"{path.name}:{number} is truncated", evidence=line[:160])
    tops = blobs[inputs:]
    return Layer(type=words[0], name=words[1], bottoms=blobs[:inputs], tops=tops, settings=settings)


def _require_layer_count(path: Path, lines: list[str], layers: list[Layer]) -> None:
    counts = lines[1].split() if len(lines) > 1 else []
    if not counts or not counts[0].isdigit() or int(counts[0]) != len(layers):
        raise ConversionFailed(
            f"{path.name} declares {counts[0] if counts else 'no'} layers, but has {len(layers)}",
            remedy="the file is truncated, or was edited without changing its second line",
        )


# Stems: what the files of a model's networks begin with.
MAIN_STEM = "model"
HEAD_STEM = "head"
TEXT_STEM = "text"
STEM_MARK = ":"


def join_name(stem: str, name: str) -> str:
    """The name, prefixed with its network's unless that is the main one."""
    return name if stem == MAIN_STEM else f"{stem}{STEM_MARK}{name}"


def split_name(name: str) -> tuple[str, str]:
    """Stem and name. A main network's name may hold the mark: only a second's stem is a prefix."""
    stem, mark, rest = name.partition(STEM_MARK)
    return (stem, rest) if mark and stem in {HEAD_STEM, TEXT_STEM} else (MAIN_STEM, name)


NO_FP16_ARITHMETIC, NO_FP16_STORAGE = 1, 2
FP32_MASK = NO_FP16_ARITHMETIC | NO_FP16_STORAGE
MASK_KEY = 31


def write_masks(file: Path, masks: Mapping[str, int]) -> None:
    """Add these masks to those of the named layers of a .param."""
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    masked = lines[:2] + [_masked_line(line, masks.get(line.split()[1], 0)) for line in lines[2:]]
    file.write_text("\n".join(masked) + "\n")


def add_masks(folder: Path, by_name: Mapping[str, int]) -> None:
    """Mask layers of the networks in the folder: ``conv_1``, or ``head:conv_1`` of a second one.

    A layer type stands for all layers of it. Raises ``WrongInput`` for a name of no layer.
    """
    for name, mask in by_name.items():
        stem, layer = split_name(name)
        file = folder / f"{stem}.ncnn.param"
        matches = _matching_layers(read_param(file), layer) if file.is_file() else []
        if not matches:
            raise WrongInput(
                f"there is no layer '{name}' to mask",
                remedy=f"take it out of `masks` in the model's YAML; then: {PROGRAM} prove --mask",
            )
        write_masks(file, dict.fromkeys(matches, mask))


def _matching_layers(layers: Sequence[Layer], name_or_type: str) -> list[str]:
    by_name = [layer.name for layer in layers if layer.name == name_or_type]
    return by_name or [layer.name for layer in layers if layer.type == name_or_type]


def fp32_layers(layers: Iterable[Layer]) -> set[str]:
    """The layers that run in fp32 in a network that runs in fp16."""
    return {layer.name for layer in layers if layer.number(MASK_KEY) & FP32_MASK}


def _masked_line(line: str, mask: int) -> str:
    if not mask:
        return line
    words = line.split()
    setting = next((word for word in words[4:] if word.startswith(f"{MASK_KEY}=")), "")
    if not setting:
        return f"{line} {MASK_KEY}={mask}"
    return line.replace(f" {setting}", f" {MASK_KEY}={mask | int(setting.partition('=')[2])}")


def require_pair(param_file: Path, bin_file: Path) -> None:
    """Raise ``ConversionFailed`` unless ncnn reads all of the .bin, and no more than there is."""
    if unread := bin_file.stat().st_size - measure_weights(param_file, bin_file):
        raise _pair_mismatch(param_file, bin_file, f"{unread} bytes of it are not used")


def measure_weights(param_file: Path, bin_file: Path) -> int:
    """How many bytes ncnn reads of the .bin; raises ``ConversionFailed`` where it lacks some."""
    import ncnn

    net = ncnn.Net()
    if net.load_param(str(param_file)):
        raise ConversionFailed(f"ncnn cannot load {param_file.name}")
    with bin_file.open("rb") as stream:
        if net.load_model(_data_reader(stream)):
            raise _pair_mismatch(param_file, bin_file, "it ends too early")
        return stream.tell()


def _data_reader(stream: BinaryIO) -> Any:
    """Hands ncnn the file, so that one sees how far it reads."""
    import ncnn

    def read(_reader: object, to: object, size: int) -> int:
        data = stream.read(size)
        ctypes.memmove(_capsule_address(to), data, len(data))
        return len(data)

    base: Any = ncnn.DataReader
    reader: Any = type("Reader", (base,), {"read": read})
    return reader()


def _capsule_address(capsule: object) -> int:
    """The memory address in a capsule of pybind11."""
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


def _pair_mismatch(param_file: Path, bin_file: Path, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"{bin_file.name} does not fit {param_file.name}: {why}",
        remedy="take the .bin that was written with this .param",
    )


INT8 = "int8"
# As nnrun counts them (runner/src/net/precision.cpp): which setting of a layer says that it is one.
INT8_SETTINGS = dict.fromkeys(("Convolution", "ConvolutionDepthWise", "InnerProduct"), 8)


INT8_SETTINGS |= dict.fromkeys(("LSTM", "GRU", "RNN"), 8)


INT8_SETTINGS |= dict.fromkeys(("Gemm", "MultiHeadAttention", "SDPA", "Embed"), 18)


def count_quantised(layers: Sequence[Layer]) -> int:
    """How many layers are quantised."""
    return sum(
        1
        for layer in layers
        if layer.type in INT8_SETTINGS and layer.number(INT8_SETTINGS[layer.type])
    )


MULTIPLYING = frozenset(
    {"Convolution", "ConvolutionDepthWise", "Convolution1D", "ConvolutionDepthWise1D"}
    | {"Convolution3D", "ConvolutionDepthWise3D", "Deconvolution", "DeconvolutionDepthWise"}
    | {"Deconvolution1D", "DeconvolutionDepthWise1D", "DeformableConv2D", "InnerProduct", "Gemm"}
    | {"MatMul", "MultiHeadAttention", "SDPA", "LSTM", "GRU", "RNN", "Embed", "Einsum"}
)
"""As nnrun has it: of these layers a precision is said."""


def name_data_type(layers: Sequence[Layer], floats: str) -> str:
    """What nnrun calls a net whose other layers compute in ``floats``: ``int8+fp16 (17/53)``.

    So many of the layers that multiply are int8; without a share, all of them.
    """
    quantised = count_quantised(layers)
    multiplying = sum(layer.type in MULTIPLYING for layer in layers)
    share = f" ({quantised}/{multiplying})" if quantised < multiplying else ""
    return f"{INT8}+{floats}{share}" if quantised else floats


def is_quantised(model: Model) -> bool:
    """Whether some of its layers are: then it computes in int8 and in nothing else."""
    return bool(_quantised_layers(model))


def usual_precisions(model: Model, others: Sequence[str]) -> Sequence[str]:
    """What it is computed in where nothing is said: int8 if quantised, else in these ``others``."""
    return (INT8,) if is_quantised(model) else others


def require_precisions(pairs: Iterable[tuple[Model, str]]) -> None:
    """Raise ``WrongInput`` for a model and a precision it cannot be computed in."""
    for model, precision in pairs:
        layers = _quantised_layers(model)
        if layers == 0 and precision == INT8:
            raise WrongInput(
                f"{model.name} has no quantised layer: none of it would compute in {INT8}",
                remedy="--precision fp32 or fp16; or model.add the .param of a quantised net",
            )
        if layers and precision != INT8:
            raise WrongInput(
                f"{model.name} is quantised ({layers} layers): it does not compute in {precision}",
                remedy=f"--precision {INT8}",
            )


def _quantised_layers(model: Model) -> int | None:
    """None where the file is not here yet; what piyard converts itself is never quantised."""
    if model.network != "ncnn":
        return 0
    digest = model.weights[0].digest
    path = find_file(digest) if digest else None
    try:
        return count_quantised(read_param(path)) if path else None
    except ConversionFailed:  # the conversion reports it
        return None

"""A network whose layers are quantised computes in int8, and in nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from piyard import download
from piyard import model as models
from piyard.conversion import param
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed, WrongInput
from piyard.model import Model

INT8 = "int8"
# As nnrun counts them (runner/src/net/precision.cpp): which setting of a layer says that it is one.
SETTINGS = dict.fromkeys(("Convolution", "ConvolutionDepthWise", "InnerProduct"), 8)
SETTINGS |= dict.fromkeys(("LSTM", "GRU", "RNN"), 8)
SETTINGS |= dict.fromkeys(("Gemm", "MultiHeadAttention", "SDPA", "Embed"), 18)


def count(layers: Sequence[Layer]) -> int:
    """How many layers are quantised."""
    return sum(
        1 for layer in layers if layer.type in SETTINGS and layer.number(SETTINGS[layer.type])
    )


def require_fit(pairs: Iterable[tuple[str, str]]) -> None:
    """Raise ``WrongInput`` for a model and a precision it cannot be computed in."""
    for name, precision in dict.fromkeys(pairs):
        layers = _count_of(models.load(name))
        if layers == 0 and precision == INT8:
            raise WrongInput(
                f"{name} has no quantised layer: none of it would compute in {INT8}",
                remedy="--precision fp32 or fp16; or model.add the .param of a quantised net",
            )
        if layers and precision != INT8:
            raise WrongInput(
                f"{name} is quantised ({layers} layers): it does not compute in {precision}",
                remedy=f"--precision {INT8}",
            )


def _count_of(model: Model) -> int | None:
    """None where the file is not here yet; what piyard converts itself is never quantised."""
    if model.network != "ncnn":
        return 0
    digest = model.weights[0].digest
    path = download.find(digest) if digest else None
    try:
        return count(param.read(path)) if path else None
    except ConversionFailed:  # the conversion reports it
        return None

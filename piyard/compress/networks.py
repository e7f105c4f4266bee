"""A parent's network as a module that can be changed, and the file that a variant's becomes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.convert.model_files import choose_files
from piyard.convert.reference_models import build_plain, build_with_weights
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import FILE_NETWORKS, Model
from piyard.models.edits import Edit, apply_edits, fit_shapes
from piyard.models.tensor_file import TensorFile, read_tensor_file, write_tensor_file

if TYPE_CHECKING:
    import torch
    from torch import nn


WEIGHTS_FILE = "weights.safetensors"


def require_module(model: Model, method: str) -> None:
    """Raise ``WrongInput`` for a model whose network is not a module that piyard builds."""
    if model.network in FILE_NETWORKS:
        raise WrongInput(
            f"{model.name} is a ready network ({model.network}), which {method} cannot change",
            remedy="add its checkpoint instead (.pt, .pth), or take --method ptq",
        )
    if model.text or model.further or "head" in model.parts:
        raise WrongInput(
            f"{model.name} has a second network or a second input, and {method} is for one",
            remedy="take --method ptq",
        )


def open_network(model: Model) -> nn.Module:
    """The network with its weights, in evaluation mode. Raises as ``load_weights``."""
    return build_with_weights(model, choose_files(model).main).eval()


def own_edits(model: Model) -> tuple[Edit, ...]:
    """Those that its network has already."""
    return model.variant.edits if model.variant else ()


def save_network(network: nn.Module, folder: Path) -> str:
    """Write its tensors; the name of the file."""
    write_tensor_file(folder / WEIGHTS_FILE, network.state_dict())
    return WEIGHTS_FILE


def require_loadable(model: Model, edits: Sequence[Edit], network: nn.Module, file: Path) -> None:
    """Raise ``ConversionFailed`` unless the file, loaded as a variant's, is that network."""
    import torch

    loaded = _load_file(model, edits, file)
    picture = torch.rand(1, *model.input, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = (_tensors(each.eval()(picture)) for each in (loaded, network))
    if len(ours) != len(theirs) or not all(map(torch.equal, ours, theirs)):
        raise ConversionFailed(
            f"{model.name}: the network built from its file computes something else",
            remedy="this network cannot be compressed in that way: --method ptq does not change it",
        )


def _load_file(model: Model, edits: Sequence[Edit], file: Path) -> nn.Module:
    network = build_plain(model)
    apply_edits(network, edits)
    fit_shapes(network, TensorFile(file).shapes)
    network.load_state_dict(dict(read_tensor_file(file)))
    return network


def _tensors(output: Any) -> list[torch.Tensor]:
    return list(output) if isinstance(output, (tuple, list)) else [output]

"""The parameters and the work of networks in a folder, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.convert.analysis import count_macs, count_params
from piyard.convert.ncnn_net import load_net, net_inputs, read_layers, run_all_blobs
from piyard.convert.proof_inputs import make_inputs
from piyard.convert.reference import ReferenceModel
from piyard.core.store import NetSize
from piyard.models.definition import Model

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def net_sizes(model: Model, nets: Mapping[str, ReferenceModel], at: Path) -> dict[str, NetSize]:
    """Of one inference of each network."""
    feeds = make_inputs(model, nets, ()).items()
    inputs = {stem: feed["noise"][0] for stem, feed in feeds}
    return {stem: _net_size(net, at, inputs[stem], stem) for stem, net in nets.items()}


def _net_size(net: ReferenceModel, at: Path, inputs: Sequence[Floats], stem: str) -> NetSize:
    size = net.size()
    return NetSize(**size) if size else count_operations(at, inputs, stem)


def count_operations(folder: Path, inputs: Sequence[Floats], stem: str = "model") -> NetSize:
    """The size of the network in the folder, for one inference of these inputs."""
    layers, net = read_layers(folder, stem), load_net(folder, stem)
    blobs = run_all_blobs(net, layers, *inputs)
    shapes = {name: value.shape for name, value in blobs.items()}
    shapes |= {name: x.shape for name, x in zip(net_inputs(net), inputs, strict=True)}
    return NetSize(
        params=sum(count_params(layer) for layer in layers),
        macs=sum(count_macs(layer, shapes) for layer in layers),
    )

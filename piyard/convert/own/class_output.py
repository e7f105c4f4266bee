"""Which output of a file has the classes, and what turns it into scores."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import get_args

import msgspec

from piyard.convert.ncnn_net import load_net_files, output_blobs, run_net
from piyard.convert.output_kinds import choose_output, layer_output_kind, list_outputs, output_kind
from piyard.convert.own.graph_view import view_graph
from piyard.convert.param import read_param
from piyard.core.errors import WrongInput, unknown_name
from piyard.models.definition import Activation
from piyard.vision.schema import AUTO
from piyard.vision.tasks.classify import OutputKind, resolve_activation

KNOWN_ACTIVATIONS: tuple[str, ...] = get_args(Activation)


MULTI_LABEL_NOTE = "of a net that gives each label for itself it is sigmoid"


class ClassifierOutputs(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs of a file, in order."""

    names: list[str]
    sizes: list[int]
    """Number of values of each; 0 where that is not known without running it."""
    ends: list[OutputKind]


class ClassOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The output with the classes, and what turns it into scores."""

    output: str = ""
    """Empty for the only one."""
    activation: str = AUTO
    assumed: dict[str, str] = {}
    """Fact → text."""
    ending: str = ""
    """A note where the network's ending decides the activation."""

    @property
    def keys(self) -> dict[str, str]:
        """What a model's YAML says of it."""
        return {
            "output": self.output,
            "activation": self.activation if self.activation != AUTO else "",
        }


BUILT_OUTPUTS = ClassifierOutputs(names=["out0"], sizes=[0], ends=["logits"])
"""Of the networks that piyard builds, for as many classes as there are labels."""


def read_outputs(
    file: Path, network: str, shape: Sequence[int], cut: Sequence[str]
) -> ClassifierOutputs:
    """The outputs of a file, or the tensors of ``cut``. A program with several is run once.

    Raises ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "ncnn":
        return _pair_outputs(file, shape)
    net = view_graph(file, network, shape)
    if net is None:
        return BUILT_OUTPUTS
    names = list(cut) or net.outputs
    shapes = net.shapes(names) if network == "onnx" or len(names) > 1 else {}
    sizes = [prod(shapes.get(name, (0, 0))[1:]) for name in names]
    ends = [output_kind(net.steps, name) for name in names]
    # A program does not name its outputs: they get pnnx's numbers.
    numbered = [f"out{number}" for number in range(len(names))]
    called = names if network == "onnx" else ([] if cut else net.keys) or numbered
    return ClassifierOutputs(names=called, sizes=sizes, ends=ends)


def _pair_outputs(file: Path, shape: Sequence[int]) -> ClassifierOutputs:
    import numpy as np

    layers = read_param(file)
    names = output_blobs(layers)
    sizes = dict.fromkeys(names, 0)
    if len(names) > 1:
        net = load_net_files(file, file.with_suffix(".bin"))
        results = run_net(net, np.zeros(shape, np.float32))
        sizes |= {name: int(values.size) for name, values in results.items()}
    ends = [layer_output_kind(layers, name) for name in names]
    return ClassifierOutputs(names=names, sizes=[sizes[name] for name in names], ends=ends)


def choose_class_output(
    candidates: ClassifierOutputs, *, output: str, activation: str, labels: int
) -> ClassOutput:
    """What the user stated, else what fits so many labels. Raises ``WrongInput``."""
    if activation not in {"", *KNOWN_ACTIVATIONS}:
        raise unknown_name("activation", activation, KNOWN_ACTIVATIONS)
    index = choose_output(output, candidates.names, candidates.sizes, labels)
    name, ends = candidates.names[index], candidates.ends[index]
    size = candidates.sizes[index] or (labels if labels == 1 or candidates is BUILT_OUTPUTS else 0)
    _require_activation_fits(name, ends, activation)
    several = len(candidates.names) > 1
    resolved = activation or _default_activation(ends, size)
    assumed = {}
    if several and not output:
        listed = list_outputs(candidates.names, candidates.sizes)
        assumed["output"] = f"output {name}, as large as there are labels, of {listed}"
    if ends == "logits" and not activation:
        assumed["activation"] = _describe_activation(resolved)
    note = "" if ends == "logits" else f"{name} holds {ends}: its activation is {resolved}"
    return ClassOutput(
        output=name if several else "", activation=resolved, assumed=assumed, ending=note
    )


def _default_activation(ends: OutputKind, size: int) -> str:
    is_known = size or ends != "logits"
    return resolve_activation(AUTO, ends, size) if is_known else AUTO


def _describe_activation(activation: str) -> str:
    if activation == AUTO:
        return f"activation softmax, of a single value sigmoid; {MULTI_LABEL_NOTE}"
    return f"activation {activation}" + (f"; {MULTI_LABEL_NOTE}" if activation == "softmax" else "")


def _require_activation_fits(name: str, ends: OutputKind, activation: str) -> None:
    if ends == "probabilities" and activation not in {"", AUTO, "none"}:
        raise WrongInput(
            f"--activation {activation}: '{name}' already holds probabilities",
            remedy="leave it out, or --activation none",
        )
    if ends != "log-probabilities" and activation == "exp":
        raise WrongInput(
            f"--activation exp: '{name}' does not end in the logarithm of probabilities",
            remedy="leave it out, or --activation none",
        )

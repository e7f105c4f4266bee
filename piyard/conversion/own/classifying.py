"""How a user's own classifier ends: its outputs, and what turns them into scores."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import get_args

import msgspec

from piyard import infer
from piyard.conversion import ending, outputs, param
from piyard.conversion.ending import Ending
from piyard.conversion.own import exported
from piyard.errors import WrongInput, unknown
from piyard.heads import classes
from piyard.model import Activation

KNOWN: tuple[str, ...] = get_args(Activation)
MULTI_LABEL = "of a net that gives each label for itself it is sigmoid"


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs of a file, in order."""

    names: list[str]
    sizes: list[int]
    """Number of values of each; 0 where that is not known without running it."""
    ends: list[Ending]


class Classes(msgspec.Struct, frozen=True, kw_only=True):
    """The output with the classes, and what turns it into scores."""

    output: str = ""
    """Empty for the only one."""
    activation: str = classes.AUTO
    assumed: dict[str, str] = {}
    """Fact → text."""
    ending: str = ""
    """A note where the network's ending decides the activation."""


BUILT = Outputs(names=["out0"], sizes=[0], ends=["logits"])
"""Of the networks that piyard builds, for as many classes as there are labels."""


def read(file: Path, network: str, shape: Sequence[int], cut: Sequence[str]) -> Outputs:
    """The outputs of a file, or the tensors of ``cut``. A program with several is run once.

    Raises ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "ncnn":
        return _of_pair(file, shape)
    net = exported.read(file, network, shape)
    if net is None:
        return BUILT
    names = list(cut) or net.outputs
    shapes = net.shapes(names) if network == "onnx" or len(names) > 1 else {}
    sizes = [prod(shapes.get(name, (0, 0))[1:]) for name in names]
    ends = [ending.ending(net.steps, name) for name in names]
    # A program does not name its outputs: they get pnnx's numbers.
    called = names if network == "onnx" else [f"out{number}" for number in range(len(names))]
    return Outputs(names=called, sizes=sizes, ends=ends)


def _of_pair(file: Path, shape: Sequence[int]) -> Outputs:
    import numpy as np

    layers = param.read(file)
    names = infer.outputs_of(layers)
    sizes = dict.fromkeys(names, 0)
    if len(names) > 1:
        net = infer.load_pair(file, file.with_suffix(".bin"))
        results = infer.run(net, np.zeros(shape, np.float32))
        sizes |= {name: int(values.size) for name, values in results.items()}
    ends = [ending.of_layers(layers, name) for name in names]
    return Outputs(names=names, sizes=[sizes[name] for name in names], ends=ends)


def choose(candidates: Outputs, *, output: str, activation: str, labels: int) -> Classes:
    """What the user stated, else what fits so many labels. Raises ``WrongInput``."""
    if activation not in {"", *KNOWN}:
        raise unknown("activation", activation, KNOWN)
    index = outputs.place(output, candidates.names, candidates.sizes, labels)
    name, ends = candidates.names[index], candidates.ends[index]
    size = candidates.sizes[index] or (labels if labels == 1 or candidates is BUILT else 0)
    _require_other(name, ends, activation)
    several = len(candidates.names) > 1
    resolved = activation or _usual(ends, size)
    assumed = {}
    if several and not output:
        listed = outputs.listed(candidates.names, candidates.sizes)
        assumed["output"] = f"output {name}, as large as there are labels, of {listed}"
    if ends == "logits" and not activation:
        assumed["activation"] = _told(resolved)
    note = "" if ends == "logits" else f"{name} holds {ends}: its activation is {resolved}"
    return Classes(
        output=name if several else "", activation=resolved, assumed=assumed, ending=note
    )


def _usual(ends: Ending, size: int) -> str:
    is_known = size or ends != "logits"
    return classes.resolved(classes.AUTO, ends, size) if is_known else classes.AUTO


def _told(activation: str) -> str:
    if activation == classes.AUTO:
        return f"activation softmax, of a single value sigmoid; {MULTI_LABEL}"
    return f"activation {activation}" + (f"; {MULTI_LABEL}" if activation == "softmax" else "")


def _require_other(name: str, ends: Ending, activation: str) -> None:
    if ends == "probabilities" and activation not in {"", classes.AUTO, "none"}:
        raise WrongInput(
            f"--activation {activation}: '{name}' already holds probabilities",
            remedy="leave it out, or --activation none",
        )
    if ends != "log-probabilities" and activation == "exp":
        raise WrongInput(
            f"--activation exp: '{name}' does not end in the logarithm of probabilities",
            remedy="leave it out, or --activation none",
        )

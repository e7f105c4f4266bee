"""Where a detector ends and the decoding of its outputs begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

Kind = Literal[
    "convolution",
    "scale",
    "softmax",
    "reshape",
    "size",
    "constant",
    "other",
    "sigmoid",
    "log",
    "log_softmax",
    "divide",
    "sum",
    "complement",
    "join",
    "passing",
]
"""``scale`` is elementwise: a product, an exponential, a ReLU. Those after ``other`` matter to how
a classifier ends (see ``conversion.ending``)."""


class Step(msgspec.Struct, frozen=True):
    """The operation a tensor is the result of, and its inputs."""

    kind: Kind
    inputs: tuple[str, ...]


def undecoded(
    steps: Mapping[str, Step], outputs: Sequence[str], *, scaled: bool = False
) -> list[str]:
    """The results of the last convolutions before these outputs, in the outputs' order.

    ``steps`` are by the tensor they result in. The convolution that weighs the distributions of a
    distribution focal loss head (Li et al. 2020) is part of decoding. With ``scaled`` a result is
    taken after what scales it.
    """
    ends: list[str] = []
    visited: set[str] = set()
    pending = list(reversed(outputs))
    while pending:
        name = pending.pop()
        step = steps.get(name)
        if name in visited or step is None or step.kind == "size":
            continue
        visited.add(name)
        is_last = step.kind == "convolution" and not _weighs(step, steps)
        if is_last or (scaled and _scales(step, steps)):
            ends.append(name)
        else:
            pending += reversed(step.inputs)
    return ends


def _scales(step: Step, steps: Mapping[str, Step]) -> bool:
    """Whether it scales the result of a convolution by constants."""
    if step.kind != "scale":
        return False
    inputs = [steps[name] for name in step.inputs if name in steps]
    computed = [each for each in inputs if each.kind != "constant"]
    return len(computed) == 1 and (computed[0].kind == "convolution" or _scales(computed[0], steps))


def _weighs(convolution: Step, steps: Mapping[str, Step]) -> bool:
    """Whether its input is a softmax."""
    source = steps.get(convolution.inputs[0])
    while source is not None and source.kind == "reshape":
        source = steps.get(source.inputs[0])
    return source is not None and source.kind == "softmax"

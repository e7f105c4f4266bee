"""Where a detector ends and the decoding of its outputs begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

Kind = Literal["convolution", "softmax", "reshape", "size", "other"]


class Step(msgspec.Struct, frozen=True):
    """What a tensor is made by, and from which tensors."""

    kind: Kind
    inputs: tuple[str, ...]


def undecoded(steps: Mapping[str, Step], outputs: Sequence[str]) -> list[str]:
    """The results of the last convolutions before these outputs, as the outputs put them together.

    ``steps`` are known by what they make. The convolution that weighs the distributions of a
    distribution focal loss head (Li and others 2020) is decoding too.
    """
    found: list[str] = []
    seen: set[str] = set()
    ahead = list(reversed(outputs))
    while ahead:
        name = ahead.pop()
        step = steps.get(name)
        if name in seen or step is None or step.kind == "size":
            continue
        seen.add(name)
        if step.kind == "convolution" and not _weighs(step, steps):
            found.append(name)
        else:
            ahead += reversed(step.inputs)
    return found


def _weighs(convolution: Step, steps: Mapping[str, Step]) -> bool:
    """Whether it works on a softmax."""
    before = steps.get(convolution.inputs[0])
    while before is not None and before.kind == "reshape":
        before = steps.get(before.inputs[0])
    return before is not None and before.kind == "softmax"

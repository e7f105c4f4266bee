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
"""``scale`` works on each value for itself: a product, an exponential, what is above zero. Those
behind ``other`` matter to how a classifier ends (see ``conversion.ending``)."""


class Step(msgspec.Struct, frozen=True):
    """What a tensor is made by, and from which tensors."""

    kind: Kind
    inputs: tuple[str, ...]


def undecoded(
    steps: Mapping[str, Step], outputs: Sequence[str], *, scaled: bool = False
) -> list[str]:
    """The results of the last convolutions before these outputs, as the outputs put them together.

    ``steps`` are known by what they make. The convolution that weighs the distributions of a
    distribution focal loss head (Li and others 2020) is decoding too. With ``scaled`` a result is
    taken after what scales it.
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
        is_last = step.kind == "convolution" and not _weighs(step, steps)
        if is_last or (scaled and _scales(step, steps)):
            found.append(name)
        else:
            ahead += reversed(step.inputs)
    return found


def _scales(step: Step, steps: Mapping[str, Step]) -> bool:
    """Whether it scales what a convolution makes, by what is known beforehand."""
    if step.kind != "scale":
        return False
    before = [steps[name] for name in step.inputs if name in steps]
    computed = [one for one in before if one.kind != "constant"]
    return len(computed) == 1 and (computed[0].kind == "convolution" or _scales(computed[0], steps))


def _weighs(convolution: Step, steps: Mapping[str, Step]) -> bool:
    """Whether it works on a softmax."""
    before = steps.get(convolution.inputs[0])
    while before is not None and before.kind == "reshape":
        before = steps.get(before.inputs[0])
    return before is not None and before.kind == "softmax"

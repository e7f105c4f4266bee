"""A pnnx.Expression is arithmetic on operands: ``add(@0,mul(@1,2.0))``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from piyard.conversion.pnnxir.read import value_of
from piyard.errors import ConversionFailed

FUNCTIONS = frozenset(
    {
        *("abs", "add", "ceil", "cos", "div", "erf", "exp", "floor", "log", "max", "min", "mul"),
        *("neg", "pow", "reciprocal", "remainder", "round", "rsqrt", "sign", "sin", "sqrt"),
        *("square", "sub", "tan", "tanh", "trunc"),
    }
)
"""Names of torch's functions that pnnx writes; ``max`` and ``min`` are of two tensors."""

_TOKEN = re.compile(r"@?[\w.+-]+|[(),]")
_OF_TWO = {"max": "maximum", "min": "minimum"}


def compute(text: str, operands: Sequence[Any]) -> Any:
    """The expression's value for these tensors. Raises ``ConversionFailed`` for an unknown one."""
    tokens = iter(_TOKEN.findall(text))
    return _value(next(tokens, ""), tokens, operands)[0]


def _value(token: str, tokens: Iterator[str], operands: Sequence[Any]) -> tuple[Any, str]:
    """The value that begins with that token, and the token after it."""
    if not token:
        raise ConversionFailed("an expression of the PNNX IR is truncated")
    after = next(tokens, "")
    if after != "(":
        return (operands[int(token[1:])] if token.startswith("@") else value_of(token)), after
    arguments, closing = [], ""
    while closing != ")":
        value, closing = _value(next(tokens, ""), tokens, operands)
        arguments.append(value)
    return _call(token, arguments), next(tokens, "")


def _call(name: str, arguments: list[Any]) -> Any:
    import torch

    if name not in FUNCTIONS:
        raise ConversionFailed(f"an expression of the PNNX IR has an unknown function '{name}'")
    tensors = [each if isinstance(each, torch.Tensor) else torch.tensor(each) for each in arguments]
    function: Any = getattr(torch, _OF_TWO.get(name, name))
    return function(*(tensors if name in _OF_TWO else [tensors[0], *arguments[1:]]))

"""PNNX IR, which pnnx keeps beside a conversion: read, and built again as a torch network.

A .pnnx.param file holds operators of torch, one a line.

``type name inputs outputs input-operands output-operands``, then ``key=value`` settings,
``@key=(shape)type`` tensors in the .pnnx.bin, ``$key=operand`` names of inputs and
``#operand=(shape)type`` (pnnx's README, "The pnnx.param format").

A pnnx.Expression is arithmetic on operands: ``add(@0,mul(@1,2.0))``.

pnnx itself does not read these files: they are built into a torch network here.

It is put together operator by operator from torch's own, and converted like any other network.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.param import PARAM_MAGIC
from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    import torch


Argument = Any
"""Of a torch function: a tensor, or a setting."""


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a .pnnx.param."""

    type: str
    name: str
    inputs: list[str]
    outputs: list[str]
    settings: dict[str, Argument] = {}
    tensors: dict[str, tuple[tuple[int, ...], str]] = {}
    """Key of a tensor in the .pnnx.bin → its shape and the type of its values, as ``f32``."""
    named: dict[str, str] = {}
    """Parameter of torch's function → operand, where pnnx names it."""
    shapes: dict[str, tuple[int, ...]] = {}
    """Operand → shape; -1 is a side that is not fixed."""


def read_ir(path: Path) -> list[Operator]:
    """The operators of a .pnnx.param, in order. Raises ``ConversionFailed`` for a broken file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != PARAM_MAGIC:
        raise ConversionFailed(f"{path.name} is not a .pnnx.param file")
    return [_parse_operator(path, number, line) for number, line in enumerate(lines[2:], 3) if line]


def _parse_operator(path: Path, number: int, line: str) -> Operator:
    words = line.split()
    try:
        inputs, outputs = int(words[2]), int(words[3])
    except (IndexError, ValueError):
        raise ConversionFailed(f"{path.name}:{number} is truncated", evidence=line[:160]) from None
    pairs = dict(word.partition("=")[::2] for word in words[4 + inputs + outputs :])
    return Operator(
        type=words[0],
        name=words[1],
        inputs=words[4 : 4 + inputs],
        outputs=words[4 + inputs : 4 + inputs + outputs],
        settings={key: parse_value(text) for key, text in pairs.items() if key[0] not in "@$#"},
        tensors={
            key[1:]: (_parse_shape(text), text.rpartition(")")[2])
            for key, text in pairs.items()
            if key[0] == "@"
        },
        named={key[1:]: operand for key, operand in pairs.items() if key[0] == "$"},
        shapes={key[1:]: _parse_shape(text) for key, text in pairs.items() if key[0] == "#"},
    )


def parse_value(text: str) -> Argument:
    """A setting as a Python value: None, a bool, a number, a tuple, else the text."""
    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    if text[:1] in {"(", "["} and text[-1:] in {")", "]"}:
        return tuple(parse_value(part) for part in text[1:-1].split(",") if part)
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _parse_shape(text: str) -> tuple[int, ...]:
    inside = text.partition("(")[2].partition(")")[0]
    return tuple(
        int(side) if side.lstrip("-").isdigit() else -1 for side in inside.split(",") if side
    )


EXPRESSION_FUNCTIONS = frozenset(
    {
        *("abs", "add", "ceil", "cos", "div", "erf", "exp", "floor", "log", "max", "min", "mul"),
        *("neg", "pow", "reciprocal", "remainder", "round", "rsqrt", "sign", "sin", "sqrt"),
        *("square", "sub", "tan", "tanh", "trunc"),
    }
)
"""Names of torch's functions that pnnx writes; ``max`` and ``min`` are of two tensors."""

_TOKEN = re.compile(r"@?[\w.+-]+|[(),]")
_BINARY_FUNCTIONS = {"max": "maximum", "min": "minimum"}


def compute_expression(text: str, operands: Sequence[Any]) -> Any:
    """The expression's value for these tensors. Raises ``ConversionFailed`` for an unknown one."""
    tokens = iter(_TOKEN.findall(text))
    return _evaluate(next(tokens, ""), tokens, operands)[0]


def _evaluate(token: str, tokens: Iterator[str], operands: Sequence[Any]) -> tuple[Any, str]:
    """The value that begins with that token, and the token after it."""
    if not token:
        raise ConversionFailed("an expression of the PNNX IR is truncated")
    after = next(tokens, "")
    if after != "(":
        return (operands[int(token[1:])] if token.startswith("@") else parse_value(token)), after
    arguments, closing = [], ""
    while closing != ")":
        value, closing = _evaluate(next(tokens, ""), tokens, operands)
        arguments.append(value)
    return _call_function(token, arguments), next(tokens, "")


def _call_function(name: str, arguments: list[Any]) -> Any:
    import torch

    if name not in EXPRESSION_FUNCTIONS:
        raise ConversionFailed(f"an expression of the PNNX IR has an unknown function '{name}'")
    tensors = [each if isinstance(each, torch.Tensor) else torch.tensor(each) for each in arguments]
    function: Any = getattr(torch, _BINARY_FUNCTIONS.get(name, name))
    return function(*(tensors if name in _BINARY_FUNCTIONS else [tensors[0], *arguments[1:]]))


TENSOR_LIST_FUNCTIONS = frozenset({"torch.cat", "torch.stack"})
TUPLE_OPERATORS = frozenset({"prim::TupleConstruct", "prim::ListConstruct"})
TENSOR_METHODS = {
    "Tensor.view": "shape",
    "Tensor.reshape": "shape",
    "Tensor.permute": "dims",
    "Tensor.expand": "sizes",
}
"""Methods of a tensor → the setting that is their argument."""


def build_ir(folder: Path, stem: str = "model") -> torch.nn.Module:
    """The network of the ``<stem>.pnnx`` files in the folder, in evaluation mode.

    Raises ``ConversionFailed`` naming an operator that torch does not have by that name.
    """
    import torch

    operators = read_ir(folder / f"{stem}.pnnx.param")
    modules = torch.nn.ModuleDict()
    with zipfile.ZipFile(folder / f"{stem}.pnnx.bin") as tensors:
        for number, operator in enumerate(operators):
            if operator.type.startswith("nn."):
                modules[str(number)] = _make_module(operator, tensors)
            elif operator.type == "pnnx.Attribute":
                modules[str(number)] = _make_constant(operator, tensors)
    return _make_network(operators, modules).eval()


def _make_network(operators: Sequence[Operator], modules: torch.nn.ModuleDict) -> torch.nn.Module:
    import torch

    class Network(torch.nn.Module):
        """The operators, one after another."""

        def __init__(self) -> None:
            super().__init__()
            self.modules_ = modules

        def forward(self, *inputs: torch.Tensor) -> Any:
            remaining = iter(inputs)
            values: dict[str, Argument] = {}
            for number, operator in enumerate(operators):
                operands = [values[name] for name in operator.inputs]
                if operator.type == "pnnx.Output":
                    return operands[0] if len(operands) == 1 else tuple(operands)
                result: Any
                if operator.type == "pnnx.Input":
                    result = next(remaining)
                elif operator.type in TUPLE_OPERATORS:
                    result = tuple(operands)
                elif str(number) in self.modules_:
                    result = self.modules_[str(number)](*operands)
                else:
                    result = _compute_operator(operator, operands)
                single = len(operator.outputs) == 1
                values |= zip(operator.outputs, [result] if single else result, strict=True)
            raise ConversionFailed("the PNNX IR has no output")

    return Network()


def _make_module(operator: Operator, tensors: zipfile.ZipFile) -> torch.nn.Module:
    import torch

    kind = getattr(torch.nn, operator.type.removeprefix("nn."), None)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise _unknown_operator(operator)
    module: torch.nn.Module = kind(**operator.settings)
    state = {key: _read_tensor(operator, key, tensors) for key in operator.tensors}
    module.load_state_dict(state, strict=False)
    return module


def _make_constant(operator: Operator, tensors: zipfile.ZipFile) -> torch.nn.Module:
    import torch

    class Constant(torch.nn.Module):
        """A constant tensor."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("value", _read_tensor(operator, "data", tensors))

        def forward(self) -> Any:
            return self.value

    return Constant()


def _read_tensor(operator: Operator, key: str, tensors: zipfile.ZipFile) -> torch.Tensor:
    import torch

    raw = bytearray(tensors.read(f"{operator.name}.{key}"))
    shape, kind = operator.tensors[key]
    types = {"f32": torch.float32, "f16": torch.float16, "i64": torch.int64, "i32": torch.int32}
    if kind not in types:
        raise ConversionFailed(
            f"'{operator.name}' of the PNNX IR holds values of the unsupported type {kind}"
        )
    return torch.frombuffer(raw, dtype=types[kind]).reshape(shape)


def _compute_operator(operator: Operator, operands: list[Any]) -> Any:
    settings = dict(operator.settings)
    if operator.type == "pnnx.Expression":
        return compute_expression(settings["expr"], operands)
    if operator.type in TENSOR_LIST_FUNCTIONS:
        return _torch_function(operator)(operands, **settings)
    if operator.type in TENSOR_METHODS:
        return _torch_function(operator)(operands[0], settings[TENSOR_METHODS[operator.type]])
    named = {key: operands[operator.inputs.index(name)] for key, name in operator.named.items()}
    if len(named) == len(operands):
        return _torch_function(operator)(**named, **settings)
    return _torch_function(operator)(*operands, **settings)


def _torch_function(operator: Operator) -> Callable[..., Any]:
    import torch

    modules = {"F": torch.nn.functional, "torch": torch, "Tensor": torch.Tensor}
    module, _, name = operator.type.partition(".")
    function: Any = getattr(modules.get(module), name, None)
    # torch also has functions that read files; what a method of a tensor does is harmless.
    harmless = (
        module != "torch" or hasattr(torch.Tensor, name) or operator.type in TENSOR_LIST_FUNCTIONS
    )
    if not callable(function) or not name.isidentifier() or name.startswith("_") or not harmless:
        raise _unknown_operator(operator)
    called: Callable[..., Any] = function
    return called


def _unknown_operator(operator: Operator) -> ConversionFailed:
    return ConversionFailed(
        f"'{operator.name}' of the PNNX IR is a {operator.type}, unknown to torch by that name",
        remedy="convert by another route: --route trace, script or onnx",
    )

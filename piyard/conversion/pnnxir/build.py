"""pnnx itself does not read these files: they are built into a torch network here.

It is put together operator by operator from torch's own, and converted like any other network.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.conversion.pnnxir import expression
from piyard.conversion.pnnxir.read import Operator, read
from piyard.errors import ConversionFailed

if TYPE_CHECKING:
    import torch

OF_TENSORS = frozenset({"torch.cat", "torch.stack"})
TUPLES = frozenset({"prim::TupleConstruct", "prim::ListConstruct"})
METHODS = {
    "Tensor.view": "shape",
    "Tensor.reshape": "shape",
    "Tensor.permute": "dims",
    "Tensor.expand": "sizes",
}
"""Methods of a tensor → the setting that is their argument."""


def build(folder: Path, stem: str = "model") -> torch.nn.Module:
    """The network of the ``<stem>.pnnx`` files in the folder, in evaluation mode.

    Raises ``ConversionFailed`` naming an operator that torch does not have by that name.
    """
    import torch

    operators = read(folder / f"{stem}.pnnx.param")
    modules = torch.nn.ModuleDict()
    with zipfile.ZipFile(folder / f"{stem}.pnnx.bin") as tensors:
        for number, operator in enumerate(operators):
            if operator.type.startswith("nn."):
                modules[str(number)] = _module(operator, tensors)
            elif operator.type == "pnnx.Attribute":
                modules[str(number)] = _constant(operator, tensors)
    return _network(operators, modules).eval()


def _network(operators: Sequence[Operator], modules: torch.nn.ModuleDict) -> torch.nn.Module:
    import torch

    class Network(torch.nn.Module):
        """The operators, one after another."""

        def __init__(self) -> None:
            super().__init__()
            self.modules_ = modules

        def forward(self, *inputs: torch.Tensor) -> Any:
            remaining = iter(inputs)
            values: dict[str, Any] = {}
            for number, operator in enumerate(operators):
                operands = [values[name] for name in operator.inputs]
                if operator.type == "pnnx.Output":
                    return operands[0] if len(operands) == 1 else tuple(operands)
                result: Any
                if operator.type == "pnnx.Input":
                    result = next(remaining)
                elif operator.type in TUPLES:
                    result = tuple(operands)
                elif str(number) in self.modules_:
                    result = self.modules_[str(number)](*operands)
                else:
                    result = _compute(operator, operands)
                single = len(operator.outputs) == 1
                values |= zip(operator.outputs, [result] if single else result, strict=True)
            raise ConversionFailed("the PNNX IR has no output")

    return Network()


def _module(operator: Operator, tensors: zipfile.ZipFile) -> torch.nn.Module:
    import torch

    kind = getattr(torch.nn, operator.type.removeprefix("nn."), None)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise _unknown(operator)
    module: torch.nn.Module = kind(**operator.settings)
    state = {key: _tensor(operator, key, tensors) for key in operator.tensors}
    module.load_state_dict(state, strict=False)
    return module


def _constant(operator: Operator, tensors: zipfile.ZipFile) -> torch.nn.Module:
    import torch

    class Constant(torch.nn.Module):
        """A constant tensor."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("value", _tensor(operator, "data", tensors))

        def forward(self) -> Any:
            return self.value

    return Constant()


def _tensor(operator: Operator, key: str, tensors: zipfile.ZipFile) -> torch.Tensor:
    import torch

    raw = bytearray(tensors.read(f"{operator.name}.{key}"))
    shape, kind = operator.tensors[key]
    types = {"f32": torch.float32, "f16": torch.float16, "i64": torch.int64, "i32": torch.int32}
    if kind not in types:
        raise ConversionFailed(
            f"'{operator.name}' of the PNNX IR holds values of the unsupported type {kind}"
        )
    return torch.frombuffer(raw, dtype=types[kind]).reshape(shape)


def _compute(operator: Operator, operands: list[Any]) -> Any:
    settings = dict(operator.settings)
    if operator.type == "pnnx.Expression":
        return expression.compute(settings["expr"], operands)
    if operator.type in OF_TENSORS:
        return _function(operator)(operands, **settings)
    if operator.type in METHODS:
        return _function(operator)(operands[0], settings[METHODS[operator.type]])
    named = {key: operands[operator.inputs.index(name)] for key, name in operator.named.items()}
    if len(named) == len(operands):
        return _function(operator)(**named, **settings)
    return _function(operator)(*operands, **settings)


def _function(operator: Operator) -> Callable[..., Any]:
    import torch

    modules = {"F": torch.nn.functional, "torch": torch, "Tensor": torch.Tensor}
    module, _, name = operator.type.partition(".")
    function: Any = getattr(modules.get(module), name, None)
    # torch also has functions that read files; what a method of a tensor does is harmless.
    harmless = module != "torch" or hasattr(torch.Tensor, name) or operator.type in OF_TENSORS
    if not callable(function) or not name.isidentifier() or name.startswith("_") or not harmless:
        raise _unknown(operator)
    called: Callable[..., Any] = function
    return called


def _unknown(operator: Operator) -> ConversionFailed:
    return ConversionFailed(
        f"'{operator.name}' of the PNNX IR is a {operator.type}, unknown to torch by that name",
        remedy="convert by another route: --route trace, script or onnx",
    )

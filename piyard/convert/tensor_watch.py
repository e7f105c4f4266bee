"""Every tensor of an inference in torch, as it is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def watch_tensors(
    network: Any, inputs: Sequence[torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor]]:
    """(where, output) of each operation of torch's core in one inference, in order."""
    import torch
    from torch.utils import _python_dispatch

    modules: list[str] = [""]
    watched: list[tuple[str, torch.Tensor]] = []

    def dispatch(_mode: Any, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        results = result if isinstance(result, (tuple, list)) else (result,)
        tensors = [
            tensor for tensor in results if isinstance(tensor, torch.Tensor) and tensor.dim()
        ]
        watched.extend(
            (modules[-1], tensor.clone()) for tensor in tensors if tensor.is_floating_point()
        )
        return result

    base: Any = _python_dispatch.TorchDispatchMode
    mode: Any = type("Watch", (base,), {"__torch_dispatch__": dispatch})
    with _track_modules(network, modules), mode():
        network(*inputs)
    yield from watched


@contextmanager
def _track_modules(network: Any, modules: list[str]) -> Iterator[None]:
    """Keep the name of the module that is running at the end of ``inside``."""
    import torch

    hooks = []
    is_script = isinstance(network, torch.jit.ScriptModule)  # which takes no hooks: no names
    for name, module in () if is_script else network.named_modules():
        hooks += [
            module.register_forward_pre_hook(lambda *_, name=name: modules.append(name)),
            module.register_forward_hook(lambda *_: modules.pop() and None),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()

"""Second moments of what a network's layers read and answer, over some pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from piyard.compress.training.batches import TrainingPictures

if TYPE_CHECKING:
    import torch
    from torch import nn

    Tensor = torch.Tensor


MOMENT_PICTURES, MOMENT_BATCH = 64, 8
MOST_PATCHES = 1024
"""Of a picture, evenly spread: neighbours tell the same, and wide layers have large moments."""


class Moments(NamedTuple):
    """A layer's, without its bias; divided by nothing."""

    answers: Tensor
    """(channels, channels)"""
    patches: Tensor | None = None
    """(before * rows * columns, the same) of what a kernel of several rows and columns covers; None
    where nothing tells one direction from another."""


def measure_moments(network: nn.Module, pictures: TrainingPictures) -> dict[str, Moments]:
    """Layer → moments, of each matrix and each convolution of one group."""
    import torch

    count = min(MOMENT_PICTURES, len(pictures))
    numbers = [at * len(pictures) // count for at in range(count)]
    with torch.no_grad(), _watch_layers(network) as sums:
        for at in range(0, count, MOMENT_BATCH):
            network(pictures.take(numbers[at : at + MOMENT_BATCH]).inputs)
    return {path: _finish(network.get_submodule(path), total) for path, total in sums.items()}


def assume(weight: Tensor) -> Moments:
    """A layer's moments, were all directions read alike."""
    import torch

    if _is_kernel(weight):
        return _of_patches(weight, torch.eye(weight[0].numel(), dtype=torch.double))
    matrix = weight.flatten(1).double()
    return Moments(matrix @ matrix.T)


def list_divisible(network: nn.Module) -> list[tuple[str, Any]]:
    """Layers, and where they are, whose place two can take: matrices, convolutions of one group."""
    return [(path, layer) for path, layer in network.named_modules() if _is_divisible(layer)]


def _is_divisible(layer: nn.Module) -> bool:
    from torch import nn

    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and isinstance(layer.padding, tuple)
        and layer.padding_mode == "zeros"
    )


def _is_kernel(weight: Tensor) -> bool:
    """Whether it has several rows and several columns."""
    return weight.dim() == 4 and min(weight.shape[2:]) > 1


def _finish(layer: Any, total: Tensor) -> Moments:
    weight = layer.weight.detach()
    return _of_patches(weight, total) if _is_kernel(weight) else Moments(total)


@contextmanager
def _watch_layers(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Layer → the sum of the moments of its patches, else of its answers."""
    sums: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(_add_moments(path, sums))
        for path, layer in list_divisible(network)
    ]
    try:
        yield sums
    finally:
        for hook in hooks:
            hook.remove()


def _add_moments(
    path: str, sums: dict[str, Tensor]
) -> Callable[[Any, tuple[Tensor, ...], Tensor], None]:
    def add(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if _is_kernel(layer.weight):
            for picture in inputs[0]:
                sums[path] = sums.get(path, 0) + _moments_of_patches(layer, picture)
        else:
            sums[path] = sums.get(path, 0) + _moments_of_answers(layer, output)

    return add


def _moments_of_answers(layer: Any, output: Tensor) -> Tensor:
    is_matrix = layer.weight.dim() == 2
    answers = output.flatten(0, -2) if is_matrix else output.transpose(0, 1).flatten(1).T
    if layer.bias is not None:
        answers = answers - layer.bias
    answers = answers.double()
    return answers.T @ answers


def _of_patches(weight: Tensor, patches: Tensor) -> Moments:
    """Of the patches' moments, and what these weights answer to such."""
    matrix = weight.flatten(1).double()
    return Moments(matrix @ patches @ matrix.T, patches)


def _moments_of_patches(layer: Any, picture: Tensor) -> Tensor:
    from torch.nn.functional import unfold

    columns = unfold(picture, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    count = columns.shape[1]
    # Rounded to fp32, moments of a wide layer that few places show have negative eigenvalues.
    some = columns[:, :: -(-count // MOST_PATCHES)].double()
    return some @ some.T

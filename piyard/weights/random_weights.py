"""Seeded weights for a network whose own cannot be had: the right speed, meaningless answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from piyard import networks

if TYPE_CHECKING:
    import torch

    Hook = Callable[[Any, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]

SEED = 20260101
DRAWN = ("black", "checks", "ramp")
"""Pictures that random weights are fitted to, beside as many of noise."""


def randomise(network: torch.nn.Module, seed: int = SEED) -> None:
    """Weights under which each channel of each layer has mean 0 and deviation 1.

    torchvision's own initial weights let some nets fade to 1e-15. One pass over a few inputs sets
    each normalisation (and each bias) to what it meets, as in Mishkin and Matas 2015, "All you
    need is a good init". Call it without gradients.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = [(module, _draw(module, generator)) for module in network.modules()]
    hooks = [module.register_forward_hook(hook) for module, hook in drawn if hook]
    # Sums differ in their last bit from CPU to CPU; rounded back to float32 they do not.
    network.double()(_batch(networks.shape_of(network)).double())
    network.float()
    for hook in hooks:
        hook.remove()


def _draw(module: Any, generator: torch.Generator) -> Hook | None:
    """Give the module itself random weights; how they are fitted to what it meets."""
    import torch
    from torch import nn

    from piyard.networks.frozen import FrozenBatchNorm

    own = [values for values in module.parameters(recurse=False) if values.requires_grad]
    if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm)):
        # Mostly open ReLUs: otherwise a deep net of random weights magnifies every rounding.
        nn.init.ones_(module.bias)
        return _normalise
    if isinstance(module, nn.GroupNorm):
        nn.init.ones_(module.bias)
    elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and own:
        nn.init.kaiming_normal_(module.weight, generator=generator)
        return _fitting(module)
    else:
        for values in own:  # factors and terms: around what they begin with
            values.add_(torch.rand(values.shape, generator=generator) / 2 - 0.25)
    return None


def _fitting(module: Any) -> Hook | None:
    import torch

    if module.bias is not None:
        return _centre
    # A convolution without bias has a normalisation behind it.
    return _scale if isinstance(module, torch.nn.Linear) else None


def _batch(shape: tuple[int, int, int]) -> torch.Tensor:
    """Noise, and pictures with flat parts, as a network sees them."""
    import numpy as np
    import torch

    from piyard import stimulus

    noise = 2 * stimulus.tensor((len(DRAWN), *shape), 2)
    pictures = stimulus.pictures(shape[2], shape[1])
    drawn = np.stack([np.asarray(pictures[name]).transpose(2, 0, 1) for name in DRAWN])
    return torch.from_numpy(np.concatenate([noise, drawn / np.float32(64) - 2]))


def _centre(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    """Fold the normalisation of this output into weight and bias."""
    import torch

    axis = 1 if isinstance(module, torch.nn.ConvTranspose2d) else 0
    unbiased = output - module.bias.reshape(-1, *[1] * (output.dim() - 2))
    mean, deviation = _moments(unbiased)
    shape = [1] * module.weight.dim()
    shape[axis] = -1
    module.weight /= deviation.reshape(shape)
    module.bias.copy_(-mean / deviation)
    normal: torch.Tensor = module.forward(inputs[0])
    return normal


def _scale(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    """Make the weights so small or large that each feature of the output has deviation 1."""
    deviation = _deviation(output.flatten(0, -2))
    module.weight /= deviation.reshape(-1, 1)
    normal: torch.Tensor = module.forward(inputs[0])
    return normal


def _normalise(module: Any, inputs: tuple[torch.Tensor, ...], _: Any) -> torch.Tensor:
    """Set what the normalisation takes for mean and variance."""
    mean, deviation = _moments(inputs[0])
    module.running_mean.copy_(mean)
    module.running_var.copy_(deviation**2)
    normal: torch.Tensor = module.forward(inputs[0])
    return normal


def _moments(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel."""
    samples = values.transpose(0, 1).flatten(1).T
    return samples.mean(dim=0), _deviation(samples)


def _deviation(samples: torch.Tensor) -> torch.Tensor:
    """Of each column; one that hardly moves is not blown up."""
    deviation = samples.std(dim=0)
    return deviation.clamp(min=max(1e-6, 0.3 * float(deviation.mean())))

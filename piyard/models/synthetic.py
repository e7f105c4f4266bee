"""Made-up inputs and weights that need no file, the same on every machine.

So an output can be compared with one that was computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from piyard.models.networks import input_shape

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from piyard.vision.schema import Floats

    Hook = Callable[[Any, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]


INPUT_SEED = 1
"""nnrun's own default."""
INPUT_RANGE = (-1.0, 1.0)
"""Likewise: what values lie between."""

_STEP, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def random_tensor(
    shape: Sequence[int], seed: int = INPUT_SEED, span: tuple[float, float] = INPUT_RANGE
) -> NDArray[np.float32]:
    """What ``nnrun bench --seed --span`` feeds, in the order channels, rows, columns.

    Value i is ``float(z_i >> 40) * 2**-24 * (high - low) + low``, in float32, of the splitmix64
    stream z (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
    """
    import numpy as np

    z = splitmix64(prod(shape), seed) >> np.uint64(40)
    unit = z.astype(np.float32) * np.float32(2.0**-24)
    low, high = map(np.float32, span)
    values: NDArray[np.float32] = unit * (high - low) + low
    return values.reshape(shape)


def random_tensors(
    shapes: Sequence[Sequence[int]],
    seed: int = INPUT_SEED,
    span: tuple[float, float] = INPUT_RANGE,
) -> list[NDArray[np.float32]]:
    """What ``nnrun bench`` feeds a net of several inputs: each further one is of the next seed."""
    return [random_tensor(shape, seed + number, span) for number, shape in enumerate(shapes)]


def splitmix64(count: int, seed: int) -> NDArray[np.uint64]:
    """The first ``count`` numbers of the stream; the state begins at ``seed``."""
    import numpy as np

    steps = np.arange(1, count + 1, dtype=np.uint64)
    z = np.uint64(seed) + steps * np.uint64(_STEP)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def drawn_pictures(width: int = 320, height: int = 272) -> dict[str, Image]:
    """Pictures by name, each with other frequencies, contrasts and colours."""
    from PIL import Image

    drawn = _drawn(width, height)
    return {name: Image.fromarray(pixels, "RGB") for name, pixels in drawn.items()}


def _drawn(width: int, height: int) -> dict[str, NDArray[np.uint8]]:
    import numpy as np

    y, x = np.mgrid[0:height, 0:width]
    noise = (random_tensor((height, width, 3), seed=7) + 1) * 127.5
    far = np.hypot(x - width / 2, y - height / 2)
    planes = {
        "black": (0 * x, 0 * x, 0 * x),
        "white": (0 * x + 255, 0 * x + 255, 0 * x + 255),
        "ramp": (255 * x / width, 255 * y / height, 255 - 255 * x / width),
        "stripes": (x % 16 * 17, y % 32 * 8, (x + y) % 64 * 4),
        "checks": ((x // 8 + y // 8) % 2 * 255, (x // 24 + y // 24) % 2 * 255, 0 * x + 90),
        "disc": (255.0 * (far < 90), 255.0 * (far < 60), 255.0 * (far > 120)),
        "rings": tuple(128 - 127 * ((far // width_) % 2 * 2 - 1) for width_ in (5, 9, 17)),
        "noise": tuple(noise[..., channel] for channel in range(3)),
    }
    return {
        name: np.stack([np.clip(plane, 0, 255).astype(np.uint8) for plane in rgb], axis=-1)
        for name, rgb in planes.items()
    }


WEIGHTS_SEED = 20260101
FITTED_PICTURES = ("black", "checks", "ramp")
"""Pictures that random weights are fitted to, beside as many of noise."""


def randomise(network: torch.nn.Module, seed: int = WEIGHTS_SEED) -> None:
    """Weights under which each channel of each layer has mean 0 and deviation 1.

    torchvision's own initial weights let some nets fade to 1e-15. One pass over a few inputs sets
    each normalisation (and each bias) to what it meets, as in Mishkin and Matas 2015, "All you
    need is a good init". Call it without gradients.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = [(module, _init_module(module, generator)) for module in network.modules()]
    hooks = [module.register_forward_hook(hook) for module, hook in drawn if hook]
    # Sums differ in their last bit from CPU to CPU; rounded back to float32 they do not.
    fit: Any = getattr(network.double(), "fit", network)
    fit(_fitting_batch(input_shape(network)).double())
    network.float()
    for hook in hooks:
        hook.remove()


def _init_module(module: Any, generator: torch.Generator) -> Hook | None:
    """Give the module itself random weights; how they are fitted to what it meets."""
    import torch
    from torch import nn

    from piyard.models.architectures.anchor_free import FrozenBatchNorm

    if hasattr(module, "draw"):
        module.draw(generator)
        return None
    own = [values for values in module.parameters(recurse=False) if values.requires_grad]
    if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm)):
        # Mostly open ReLUs: otherwise a deep net of random weights magnifies every rounding.
        nn.init.ones_(module.bias)
        return _normalise
    if isinstance(module, nn.MultiheadAttention):
        # So that no place looks at a single other one: differences of rounding would decide which.
        nn.init.normal_(module.in_proj_weight, std=module.embed_dim**-0.5, generator=generator)
        return None
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


def _fitting_batch(shape: tuple[int, int, int]) -> torch.Tensor:
    """Noise, and pictures with flat parts, as a network sees them."""
    import numpy as np
    import torch

    noise = 2 * random_tensor((len(FITTED_PICTURES), *shape), 2)
    pictures = drawn_pictures(shape[2], shape[1])
    drawn = np.stack([np.asarray(pictures[name]).transpose(2, 0, 1) for name in FITTED_PICTURES])
    levels = _in_channels(drawn / np.float32(64) - 2, shape[0])
    return torch.from_numpy(np.concatenate([noise, levels]))


def _in_channels(levels: Floats, channels: int) -> Floats:
    """Pictures (n, 3, rows, columns) as grey ones, or with a fourth channel that is theirs."""
    import numpy as np

    grey: Floats = levels.mean(axis=1, keepdims=True)
    if channels == 1:
        return grey
    return levels if channels == levels.shape[1] else np.concatenate([levels, grey], axis=1)


def _centre(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    """Fold the normalisation of this output into weight and bias."""
    import torch

    axis = 1 if isinstance(module, torch.nn.ConvTranspose2d) else 0
    # A matrix has its features last, whatever it is applied to; a convolution's are channels.
    by_feature = output.flatten(0, -2) if isinstance(module, torch.nn.Linear) else output
    unbiased = by_feature - module.bias.reshape(-1, *[1] * (by_feature.dim() - 2))
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

"""Which weights a model gets, and putting them into its network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import digest, download, mirror
from piyard.errors import ConversionFailed, DownloadFailed
from piyard.model import Model, Weights

if TYPE_CHECKING:
    import torch

SEED = 20260101
"""Of random weights."""
DRAWN = ("black", "checks", "ramp")
"""Pictures that random weights are fitted to, beside as many of noise."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted file, known by its full sha256; without one, random weights."""

    file: Weights | None = None
    sha256: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the values."""
        if self.file:
            return {"kind": "file", "sha256": self.sha256}
        return {"kind": "random", "seed": SEED}

    @property
    def told(self) -> dict[str, Any]:
        """The identity with what a person wants to know about it."""
        if not self.file:
            return self.identity
        file = self.file
        about = {"source": file.source, "licence": file.licence, "dataset": file.dataset}
        return self.identity | about | {"url": file.url}


RANDOM = Chosen()


def choose(model: Model) -> Chosen:
    """The first accepted file that is at hand, else the first that can be downloaded."""
    for file in model.weights:
        if sha256 := download.known(file.digest):
            return Chosen(file=file, sha256=sha256)
    file = next((file for file in model.weights if file.url), model.weights[0])
    return Chosen(file=file, sha256=file.sha256 or digest.of_file(_fetch(file)))


def fetch(chosen: Chosen) -> None:
    """Have the chosen file at hand, so that nothing slow begins without it.

    Raises ``DownloadFailed``.
    """
    if chosen.file:
        _fetch(chosen.file)


def fill(network: torch.nn.Module, chosen: Chosen) -> None:
    """Put the chosen weights into the network.

    Raises ``DownloadFailed``, and ``ConversionFailed`` when names or shapes differ.
    """
    if not chosen.file:
        randomise(network, SEED)
        return
    state = _read(_fetch(chosen.file))
    try:
        network.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError) as error:
        raise ConversionFailed(
            f"the weights '{chosen.file.source}' do not fit the network",
            evidence="\n".join(str(error).splitlines()[:12]),
            remedy="correct `network` or `weights` in the model's YAML",
        ) from None


def _fetch(file: Weights) -> Path:
    try:
        return download.fetch(file.url, sha256=file.digest, name=file.name)
    except DownloadFailed as error:
        raise DownloadFailed(
            error.what if file.url else f"'{file.source}' has no public address",
            evidence=error.evidence if file.url else "",
            remedy=f"name a folder that holds the weights (sha256 {file.digest}) in "
            f"{mirror.VARIABLE}, or use --random-weights: the right speed, meaningless answers",
        ) from None


def _read(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
        raise ConversionFailed(
            f"{path.name} is no file of weights that is safe to load",
            evidence=str(error)[:600],
            remedy="piyard loads tensors only: save the state_dict, not the module",
        ) from None


def randomise(network: torch.nn.Module, seed: int) -> None:
    """Seeded weights under which each channel of each layer has mean 0 and deviation 1.

    torchvision's own initial weights let some nets fade to 1e-15. One pass over a few inputs sets
    each normalisation (and each bias) to what it meets, as in Mishkin and Matas 2015, "All you
    need is a good init". Call it without gradients.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    hooks = []
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                hooks.append(module.register_forward_hook(_centre))
        elif isinstance(module, torch.nn.BatchNorm2d):
            # Mostly open ReLUs: otherwise a deep net of random weights magnifies every rounding.
            torch.nn.init.ones_(module.bias)
            hooks.append(module.register_forward_hook(_normalise))
    # Sums differ in their last bit from CPU to CPU; rounded back to float32 they do not.
    network.double()(_batch().double())
    network.float()
    for hook in hooks:
        hook.remove()


def _batch() -> torch.Tensor:
    """Noise, and pictures with flat parts, as a network sees them."""
    import numpy as np
    import torch

    from piyard import stimulus

    noise = 2 * stimulus.tensor((len(DRAWN), 3, 224, 224), 2)
    pictures = stimulus.pictures(224, 224)
    drawn = np.stack([np.asarray(pictures[name]).transpose(2, 0, 1) for name in DRAWN])
    return torch.from_numpy(np.concatenate([noise, drawn / np.float32(64) - 2]))


def _centre(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    """Fold the normalisation of this output into weight and bias."""
    unbiased = output - module.bias.reshape(-1, *[1] * (output.dim() - 2))
    mean, deviation = _moments(unbiased)
    module.weight /= deviation.reshape(-1, *[1] * (module.weight.dim() - 1))
    module.bias.copy_(-mean / deviation)
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
    """Mean and deviation of each channel; one that hardly moves is not blown up."""
    channels = values.transpose(0, 1).flatten(1)
    deviation = channels.std(dim=1)
    return channels.mean(dim=1), deviation.clamp(min=max(1e-6, 0.3 * float(deviation.mean())))

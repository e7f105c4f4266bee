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
        if not file.url and not (found := download.find(file.digest)):
            raise DownloadFailed(f"'{file.source}' has no public address")
        return found if not file.url and found else download.fetch(
            file.url, sha256=file.digest, name=file.url.rpartition("/")[2]
        )
    except DownloadFailed as error:
        raise DownloadFailed(
            error.what,
            evidence=error.evidence,
            remedy=f"name a folder that holds the weights (sha256 {file.digest}…) in "
            f"{mirror.VARIABLE}, or use --random-weights: the right speed, meaningless answers",
        ) from None


def _read(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the bytes provoke
        raise ConversionFailed(
            f"{path.name} is no file of weights that is safe to load",
            evidence=str(error)[:600],
            remedy="piyard loads tensors only: save the state_dict, not the module",
        ) from None


def randomise(network: torch.nn.Module, seed: int) -> None:
    """Seeded weights under which every layer's output has mean 0 and deviation 1 per channel.

    torchvision's own initial weights fade to 1e-15 in some nets; one pass over a few pictures sets
    each normalisation (and each bias) to what it meets, as in Mishkin and Matas 2015, "All you
    need is a good init".
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    hooks = []
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
                hooks.append(module.register_forward_hook(_centre))
        elif isinstance(module, torch.nn.BatchNorm2d):
            hooks.append(module.register_forward_hook(_normalise))
    network(_batch())
    for hook in hooks:
        hook.remove()


def _batch() -> torch.Tensor:
    import torch

    from piyard import stimulus

    seeds = range(2, 10)
    coarse = torch.stack([torch.from_numpy(stimulus.tensor((3, 8, 8), seed)) for seed in seeds])
    fine = torch.stack([torch.from_numpy(stimulus.tensor((3, 224, 224), seed)) for seed in seeds])
    return 2 * torch.nn.functional.interpolate(coarse, size=(224, 224), mode="bilinear") + fine


def _centre(module: Any, _: Any, output: torch.Tensor) -> torch.Tensor:
    """Fold the normalisation of this output into weight and bias."""
    mean, deviation = _moments(output)
    module.weight /= deviation.reshape(-1, *[1] * (module.weight.dim() - 1))
    module.bias.copy_(-mean / deviation)
    shape = (1, -1, *[1] * (output.dim() - 2))
    return (output - mean.reshape(shape)) / deviation.reshape(shape)


def _normalise(module: Any, inputs: tuple[torch.Tensor, ...], _: Any) -> torch.Tensor:
    mean, deviation = _moments(inputs[0])
    module.running_mean.copy_(mean)
    module.running_var.copy_(deviation**2)
    output: torch.Tensor = module.forward(inputs[0])
    return output


def _moments(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel; a channel that never moves keeps its size."""
    import torch

    channels = values.transpose(0, 1).flatten(1)
    deviation = channels.std(dim=1)
    return channels.mean(dim=1), torch.where(deviation > 1e-6, deviation, torch.ones(()))

"""Low rank: a layer becomes two with a narrow place between them, where that saves work.

With pictures the channels that are kept are those in which a layer's answers vary most, by the
eigenvectors of their second moments (Zhang et al., https://arxiv.org/abs/1505.06798, section 3.1);
without any they are the largest singular values of the weights. A convolution of several rows and
columns becomes k x k and 1 x 1, or k x 1 and 1 x k (Jaderberg et al.,
https://arxiv.org/abs/1405.3866), whichever takes less work for the energy that is to stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from piyard.compress.macs import describe_macs
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.networks import (
    open_network,
    own_edits,
    require_loadable,
    require_module,
    save_network,
)
from piyard.compress.search import count_macs
from piyard.compress.training.batches import TrainingPictures, open_pictures
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import TUNING_OPTIONS, choose_tuning, list_points, tune_network
from piyard.core.errors import WrongInput
from piyard.models.edits import LowRank, apply_edits
from piyard.models.variants import MethodName

if TYPE_CHECKING:
    import torch
    from torch import nn

    Tensor = torch.Tensor
    Moments = Mapping[str, Tensor]
    """Layer → second moments of what its convolution or matrix alone makes, (channels, channels)"""


DEFAULT_ENERGY = 0.9
RANK_STEP = 8
"""Channels: ncnn packs eight."""
WORTH = 0.9
"""Share of a layer's work from which on two layers are not worth their second pass."""
MOMENT_PICTURES, MOMENT_BATCH = 64, 8


class LowRankSettings(Settings, frozen=True, kw_only=True):
    """See ``CompressOptions``."""

    energy: float = DEFAULT_ENERGY
    """Share of each layer's energy that stays at least; not looked at with a ``rank``."""
    rank: int | None = None
    """The same for all layers, where it saves work."""
    training: TrainingSettings | None = None


class Factors(NamedTuple):
    """Two layers in place of one."""

    edit: LowRank
    first: Tensor
    second: Tensor
    share: float
    """Of the whole layer's work."""


class LowRankMethod:
    """See the module."""

    name: MethodName = "lowrank"
    about = "replace layers by two narrow ones"
    options: frozenset[OptionName] = frozenset({"energy", "rank", *TUNING_OPTIONS})
    needs_data: Literal["", "pictures", "labels"] = ""
    learns = True
    is_last = False
    tools: Sequence[str] = ("torch",)
    settings_type: type[Settings] = LowRankSettings

    def choose_settings(self, options: CompressOptions) -> LowRankSettings:
        """By energy, unless a rank is named."""
        if options.rank and options.energy:
            raise WrongInput("--rank and --energy exclude each other", remedy="give one of them")
        return LowRankSettings(
            energy=options.energy or DEFAULT_ENERGY,
            rank=options.rank,
            training=choose_tuning(options, self.name),
        )

    def detail(self, settings: LowRankSettings) -> str:
        """``lowrank90``, or ``lowrank-r64``."""
        if settings.rank:
            return f"{self.name}-r{settings.rank}"
        return f"{self.name}{100 * settings.energy:g}"

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for a network that is not a module."""
        require_module(step.parent, self.name)

    def make(self, step: Step, folder: Path) -> Outcome:
        """The network with its factors, tuned."""
        network, parent = open_network(step.parent), step.parent
        before = count_macs(network, parent.input)
        pictures = open_pictures(parent, step.data.pictures, None) if step.data else None
        moments = measure_moments(network, pictures) if pictures else {}
        factors = list(find_factors(network, step.settings, moments))
        if not factors:
            raise WrongInput(
                f"{parent.name}: no layer takes less work as two",
                remedy="keep less energy (--energy 0.7), or a smaller --rank",
            )
        replace_layers(network, factors)
        edits = (*own_edits(parent), *(each.edit for each in factors))
        tuning = step.settings.training
        history = tune_network(network, step, tuning) if tuning else None
        weights = save_network(network, folder)
        require_loadable(parent, edits, network, folder / weights)
        macs = describe_macs(before, count_macs(network, parent.input))
        by = "what the layers answer" if moments else "the weights alone"
        return Outcome(
            weights=weights,
            edits=edits,
            notes=[f"{macs}; {len(factors)} layers became two, by {by}"],
            history=list_points(history),
        )


def find_factors(
    network: nn.Module, settings: LowRankSettings, moments: Moments
) -> Iterator[Factors]:
    """Of each layer for which two take less work."""
    from torch import nn

    for path, layer in network.named_modules():
        if isinstance(layer, nn.Linear) or _is_whole(layer):
            best = min(
                _candidates(path, layer, settings, moments.get(path)),
                key=lambda each: each.share,
                default=None,
            )
            if best and best.share < WORTH:
                yield best


def _is_whole(layer: Any) -> bool:
    """A convolution of one group with plain padding."""
    from torch import nn

    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and isinstance(layer.padding, tuple)
        and layer.padding_mode == "zeros"
    )


def _candidates(
    path: str, layer: Any, settings: LowRankSettings, moments: Tensor | None
) -> Iterator[Factors]:
    weight = layer.weight.detach()
    yield _by_channels(path, weight, settings, moments)
    if weight.dim() == 4 and min(weight.shape[2:]) > 1:
        yield _by_rows(path, weight, settings)


def _by_channels(
    path: str, weight: Tensor, settings: LowRankSettings, moments: Tensor | None
) -> Factors:
    """The layer's answers in fewer directions, and from these to its channels."""
    import torch

    matrix = weight.flatten(1).double()
    spread = matrix @ matrix.T if moments is None else moments
    values, vectors = torch.linalg.eigh(spread)
    energies, directions = values.flip(0).clamp_min(0), vectors.flip(1)
    rank = choose_rank(energies, settings)
    kept = directions[:, :rank]
    first = (kept.T @ matrix).float().reshape(rank, *weight.shape[1:])
    second = kept.float().reshape(len(weight), rank, *[1] * (weight.dim() - 2))
    inner, outer = matrix.shape[1], len(weight)
    share = rank * (inner + outer) / (inner * outer)
    return Factors(LowRank(layer=path, rank=rank), first, second, share)


def _by_rows(path: str, weight: Tensor, settings: LowRankSettings) -> Factors:
    """Along columns, then along rows."""
    import torch

    after, before, rows, columns = weight.shape
    matrix = weight.permute(0, 3, 1, 2).reshape(after * columns, before * rows).double()
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = choose_rank(values**2, settings)
    root = values[:rank].sqrt()
    first = (root[:, None] * right[:rank]).float().reshape(rank, before, rows, 1)
    second = (left[:, :rank] * root).float().reshape(after, columns, rank, 1)
    share = rank * (before * rows + after * columns) / (after * before * rows * columns)
    return Factors(
        LowRank(layer=path, rank=rank, form="rows"), first, second.permute(0, 2, 3, 1), share
    )


def choose_rank(energies: Tensor, settings: LowRankSettings) -> int:
    """The least multiple of ``RANK_STEP`` that keeps the energy, of such that fall."""
    most = len(energies)
    if settings.rank:
        return min(settings.rank, most)
    kept = energies.cumsum(0) / energies.sum().clamp_min(1e-30)
    least = int((kept < settings.energy).sum()) + 1
    return min(most, -(-least // RANK_STEP) * RANK_STEP)


def replace_layers(network: nn.Module, factors: Sequence[Factors]) -> None:
    """Put the factors into the network, with the bias of the layer that they replace."""
    import torch

    for each in factors:
        bias: Any = network.get_submodule(each.edit.layer).bias
        apply_edits(network, [each.edit])
        pair: Any = network.get_submodule(each.edit.layer)
        with torch.no_grad():
            pair.first.weight.copy_(each.first)
            pair.second.weight.copy_(each.second)
            if bias is not None:
                pair.second.bias.copy_(bias)


def measure_moments(network: nn.Module, pictures: TrainingPictures) -> dict[str, Tensor]:
    """Second moments of what each layer makes of some pictures, without its bias."""
    import torch

    count = min(MOMENT_PICTURES, len(pictures))
    numbers = [at * len(pictures) // count for at in range(count)]
    with torch.no_grad(), _watch_answers(network) as moments:
        for at in range(0, count, MOMENT_BATCH):
            network(pictures.take(numbers[at : at + MOMENT_BATCH]).inputs)
    return moments


@contextmanager
def _watch_answers(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    from torch import nn

    moments: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(_add_moments(path, moments))
        for path, layer in network.named_modules()
        if isinstance(layer, nn.Linear) or _is_whole(layer)
    ]
    try:
        yield moments
    finally:
        for hook in hooks:
            hook.remove()


def _add_moments(path: str, moments: dict[str, Tensor]) -> Callable[[Any, Any, Tensor], None]:
    def add(layer: Any, _inputs: Any, output: Tensor) -> None:
        import torch

        is_matrix = isinstance(layer, torch.nn.Linear)
        answers = output.flatten(0, -2) if is_matrix else output.transpose(0, 1).flatten(1).T
        if layer.bias is not None:
            answers = answers - layer.bias
        moment = (answers.T @ answers).double()
        moments[path] = moments.get(path, 0) + moment

    return add

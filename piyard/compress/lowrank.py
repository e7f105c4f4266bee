"""Low rank: a layer becomes two with a narrow place between them, where that saves work.

How the two are chosen: ``piyard.compress.factors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from piyard.compress.factors import Factors, Fit, find_pair, replace_layers
from piyard.compress.macs import describe_macs
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.moments import list_divisible, measure_moments
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
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.models.variants import MethodName

if TYPE_CHECKING:
    from torch import nn


DEFAULT_ENERGY = 0.9


class LowRankSettings(Settings, frozen=True, kw_only=True):
    """See ``CompressOptions``."""

    energy: float = DEFAULT_ENERGY
    """See ``Fit``."""
    rank: int | None = None
    training: TrainingSettings | None = None


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
        fit = Fit(step.settings.energy, step.settings.rank)
        factors = choose_factors(network, fit, pictures, step.name)
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
        by = "what the layers answer" if pictures else "the weights alone"
        return Outcome(
            weights=weights,
            edits=edits,
            notes=[f"{macs}; {len(factors)} layers became two, by {by}"],
            history=list_points(history),
        )


def choose_factors(
    network: nn.Module, fit: Fit, pictures: TrainingPictures | None, name: str
) -> list[Factors]:
    """Of each layer for which two take less work; by the pictures' answers where there are any."""
    layers, factors = list_divisible(network), []
    with console.step(f"choose the factors of {name}", unit="layers") as shown:
        moments = measure_moments(network, pictures) if pictures else {}
        for done, (path, layer) in enumerate(layers, start=1):
            if pair := find_pair(path, layer, fit, moments.get(path)):
                factors.append(pair)
            shown.update(done, len(layers))
        shown.outcome = f"{len(factors)} of {len(layers)} become two"
    return factors

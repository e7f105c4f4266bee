"""``compress --method search``: the small network that keeps accuracy at the least cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.networks import WEIGHTS_FILE, require_loadable, save_network
from piyard.compress.search import (
    Candidate,
    Score,
    Search,
    SearchSpace,
    Trial,
    count_macs,
    run_search,
)
from piyard.compress.training.batches import hold_out, labelled_pictures, no_classes
from piyard.compress.training.loop import train
from piyard.compress.training.objective import LabelLoss
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import TUNING_OPTIONS, read_training
from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject
from piyard.models.definition import Model, ModelDefinition, read_labels
from piyard.models.networks import build_network
from piyard.models.tensor_file import read_tensor_file
from piyard.models.variants import MethodName
from piyard.vision.schema import Crop, Preprocess

if TYPE_CHECKING:
    from torch import nn


RATE = 1e-2
"""Of networks that begin with nothing."""
DEFAULT_TRIALS = 12
KEPT_SHARE = 0.99
"""Of the best candidate's accuracy, where nothing else is said."""
SIDE_STEP = 4
SHORTEST_SIDE = 8
TRIALS_FILE = "trials.json"


class SearchChoices(Settings, frozen=True, kw_only=True):
    """Settings of a variant."""

    trials: int = DEFAULT_TRIALS
    keep: float = KEPT_SHARE
    """Share of the best candidate's accuracy that is enough."""
    widths: tuple[int, ...] = (8, 12, 16, 24, 32)
    depths: tuple[int, ...] = (1, 2, 3)
    kernels: tuple[int, ...] = (3, 5)
    resolutions: tuple[float, ...] = (1.0, 0.75)
    """Shares of the parent's rows and columns."""
    training: TrainingSettings
    """Of each candidate."""


class SearchMethod:
    """Search through a family of small networks."""

    name: MethodName = "search"
    about = "find a small network by trials"
    options: frozenset[OptionName] = frozenset({"trials", "keep_accuracy", *TUNING_OPTIONS})
    needs_data: Literal["", "pictures", "labels"] = "labels"
    learns = True
    is_last = False
    tools: Sequence[str] = ("optuna", "torch")
    settings_type: type[Settings] = SearchChoices

    def choose_settings(self, options: CompressOptions) -> SearchChoices:
        """See ``Method``."""
        return SearchChoices(
            trials=options.trials or DEFAULT_TRIALS,
            keep=KEPT_SHARE if options.keep_accuracy is None else options.keep_accuracy,
            training=read_training(options, RATE),
        )

    def detail(self, settings: Any) -> str:
        """``search``, whatever the settings."""
        del settings
        return self.name

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for what is no classifier of square pictures."""
        model = step.parent
        if not model.spec.has_class_output or model.input[1] != model.input[2]:
            raise WrongInput(
                f"{model.name} is no classifier of square pictures, and the networks that are "
                "searched through are",
                remedy="--method prune makes this one smaller",
            )
        if step.data and step.data.judged is None:
            raise no_classes()
        if step.data:
            labelled_pictures(model, step.data.require_truth())

    def make(self, step: Step, folder: Path) -> Outcome:
        """The chosen network's weights, and all trials."""
        finder = CandidateTrainer(step)
        choices: SearchChoices = step.settings
        found = run_search(
            finder.space,
            finder.judge,
            step.checkpoints,
            trials=choices.trials,
            seed=step.seed,
            keep=choices.keep,
        )
        chosen = found.chosen.candidate
        model, network = finder.load(chosen)
        save_network(network, folder)
        require_loadable(model, (), network, folder / WEIGHTS_FILE)
        (folder / TRIALS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(found.trials)))
        return Outcome(
            weights=WEIGHTS_FILE, changes=candidate_keys(step.parent, chosen), notes=describe(found)
        )


SEARCH = SearchMethod()


class CandidateTrainer:
    """Trains candidates, each in a folder of its own, where its weights stay."""

    def __init__(self, step: Step) -> None:
        self.step, self.choices = step, step.settings
        side = step.parent.input[1]
        sides = [max(SHORTEST_SIDE, _round(side * share)) for share in self.choices.resolutions]
        self.space = SearchSpace(
            widths=self.choices.widths,
            depths=self.choices.depths,
            kernels=self.choices.kernels,
            sides=tuple(dict.fromkeys(sides)),
        )

    def judge(self, candidate: Candidate) -> Score:
        """Train it from nothing; its accuracy is that of pictures that were held out."""
        model = candidate_model(self.step.parent, candidate)
        network = self._build(model)
        settings: TrainingSettings = self.choices.training
        data = hold_out(
            labelled_pictures(model, self.step.require_data().require_truth()), settings
        )
        folder = self._folder(candidate)
        history = train(
            network,
            data,
            LabelLoss(settings.label_smoothing),
            settings,
            folder,
            title=f"{self.step.name} {candidate.name}",
        )
        save_network(network, folder)
        accuracy = history.epochs[history.kept - 1].accuracy
        if accuracy is None:
            raise no_classes()
        return Score(accuracy=accuracy, cost=count_macs(network, model.input))

    def load(self, candidate: Candidate) -> tuple[Model, nn.Module]:
        """The candidate's model, and its trained network."""
        model = candidate_model(self.step.parent, candidate)
        network = self._build(model)
        network.load_state_dict(dict(read_tensor_file(self._folder(candidate) / WEIGHTS_FILE)))
        return model, network.eval()

    def _build(self, model: Model) -> nn.Module:
        import torch

        torch.manual_seed(self.step.seed)
        return build_network(model.network, len(read_labels(model)))

    def _folder(self, candidate: Candidate) -> Path:
        return self.step.checkpoints / candidate.name


def candidate_model(parent: Model, candidate: Candidate) -> Model:
    """The parent with another network and resolution."""
    fields = {field.name for field in msgspec.structs.fields(ModelDefinition)}
    keys = candidate_keys(parent, candidate)
    changes = {name: value for name, value in keys.items() if name in fields}
    preprocess = _preprocess_at(parent, candidate.side)
    return msgspec.structs.replace(
        parent,
        variant=None,
        **{**changes, "preprocess": preprocess, "input": tuple(keys["input"])},
    )


def candidate_keys(parent: Model, candidate: Candidate) -> JsonObject:
    """What its YAML has in place of the parent's."""
    channels = parent.input[0]
    keys: JsonObject = {
        "network": candidate.member(channels).name,
        "input": [channels, candidate.side, candidate.side],
    }
    if candidate.side != parent.input[1]:
        keys["preprocess"] = msgspec.to_builtins(_preprocess_at(parent, candidate.side))
    return keys


def _preprocess_at(parent: Model, side: int) -> Preprocess:
    """Of a square that is cut from the middle, the same part of the picture."""
    prepared = parent.preprocess
    if not isinstance(prepared, Crop):
        return prepared
    resize = max(side, round(prepared.resize * side / prepared.crop))
    return msgspec.structs.replace(prepared, crop=side, resize=resize)


def describe(search: Search) -> list[str]:
    """The trials that nothing beats in both, the cheapest first, and which of them is taken."""
    return [_describe_trial(trial, taken=trial == search.chosen) for trial in search.pareto]


def _describe_trial(trial: Trial, *, taken: bool) -> str:
    mark = ", taken" if taken else ""
    score = trial.score
    return (
        f"{trial.candidate.name}: {score.accuracy:.1f} % of the held out pictures, "
        f"{score.cost / 1e6:.2f} M multiply-accumulates{mark}"
    )


def _round(side: float) -> int:
    return SIDE_STEP * round(side / SIDE_STEP)

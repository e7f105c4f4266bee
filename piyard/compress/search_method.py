"""``compress --method search``: the small network that keeps accuracy at the least cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from piyard.compress.counted_cost import require_counting
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.networks import WEIGHTS_FILE, require_loadable, save_network
from piyard.compress.search import Search, run_search
from piyard.compress.search_prices import Prices, open_prices
from piyard.compress.search_space import Candidate, Merit, SearchRules, SearchSpace, Trial
from piyard.compress.training.batches import (
    TrainingPictures,
    hold_out,
    labelled_pictures,
    no_classes,
)
from piyard.compress.training.loop import History, train
from piyard.compress.training.objective import LabelLoss
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import TUNING_OPTIONS, list_points, read_training
from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject
from piyard.models.architectures.small_cnn import SmallCnn
from piyard.models.definition import Model, ModelDefinition, read_labels
from piyard.models.networks import build_network
from piyard.models.variants import MethodName
from piyard.vision.schema import Crop, Preprocess

if TYPE_CHECKING:
    from torch import nn


RATE = 1e-2
"""Of networks that begin with nothing."""
DEFAULT_TRIALS, DEFAULT_FINALISTS = 16, 4
SHORT_SHARE = 1 / 4
"""Of a whole training, by which a candidate is tried out."""
SEARCH_HELD_OUT = 0.25
"""Of the pictures, while candidates are compared: they differ by less than a few pictures tell."""
KEPT_SHARE = 0.99
"""Of the best candidate's accuracy, where nothing else is said."""
SIDE_STEP = 4
SHORTEST_SIDE = 8
TRIALS_FILE = "trials.json"


class SearchChoices(Settings, frozen=True, kw_only=True):
    """Settings of a variant."""

    trials: int = DEFAULT_TRIALS
    """Candidates that are trained for a short time."""
    finalists: int = DEFAULT_FINALISTS
    """Of these, the ones that are trained in full."""
    counted: bool = False
    """Whether candidates cost what an emulated board counts, or multiply-accumulates."""
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
    options: frozenset[OptionName] = frozenset(
        {"trials", "counted", "keep_accuracy", *TUNING_OPTIONS}
    )
    needs_data: Literal["", "pictures", "labels"] = "labels"
    learns = True
    is_last = False
    tools: Sequence[str] = ("optuna", "torch")
    settings_type: type[Settings] = SearchChoices

    def choose_settings(self, options: CompressOptions) -> SearchChoices:
        """See ``Method``."""
        return SearchChoices(
            trials=options.trials or DEFAULT_TRIALS,
            counted=options.counted,
            keep=KEPT_SHARE if options.keep_accuracy is None else options.keep_accuracy,
            training=read_training(options, RATE),
        )

    def detail(self, settings: Any) -> str:
        """``search``, whatever the settings."""
        del settings
        return self.name

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for what is not a classifier of square pictures, or not counted."""
        model = step.parent
        if step.settings.counted:
            require_counting(step.target)
        if not model.spec.has_class_output or model.input[1] != model.input[2]:
            raise WrongInput(
                f"{model.name} is not a classifier of square pictures, and the networks that are "
                "searched through are",
                remedy="--method prune makes this one smaller",
            )
        if step.data and step.data.judged is None:
            raise no_classes()
        if step.data:
            labelled_pictures(model, step.data.require_truth())

    def make(self, step: Step, folder: Path) -> Outcome:
        """The chosen network's weights, and all trials."""
        with open_prices(step.target, counted=step.settings.counted) as prices:
            trainer = CandidateTrainer(step, prices)
            rules = trainer.choose_rules()
            result = run_search(trainer.space, trainer, step.checkpoints, rules)
        chosen = result.chosen.candidate
        model, network, history = trainer.finish(chosen)
        save_network(network, folder)
        require_loadable(model, (), network, folder / WEIGHTS_FILE)
        (folder / TRIALS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        return Outcome(
            weights=WEIGHTS_FILE,
            changes=candidate_keys(step.parent, chosen),
            notes=describe(result, prices),
            history=list_points(history),
        )


SEARCH = SearchMethod()


class CandidateTrainer:
    """A ``Judge``: trains candidates, each in folders of its own."""

    def __init__(self, step: Step, prices: Prices) -> None:
        self.step, self.prices = step, prices
        self.choices: SearchChoices = step.settings
        side = step.parent.input[1]
        sides = [max(SHORTEST_SIDE, _round(side * share)) for share in self.choices.resolutions]
        self.space = SearchSpace(
            widths=self.choices.widths,
            depths=self.choices.depths,
            kernels=self.choices.kernels,
            sides=tuple(dict.fromkeys(sides)),
        )
        self._costs: dict[Candidate, float] = {}
        self._pictures: tuple[int, TrainingPictures] | None = None

    def choose_rules(self) -> SearchRules:
        """What is taken costs no more than the parent, where its cost is known."""
        limit = self.prices.of_model(self.step.parent)
        return SearchRules(
            trials=self.choices.trials,
            finalists=self.choices.finalists,
            keep=self.choices.keep,
            limit=limit,
            first=find_plain(self.space, self.cost, limit),
            seed=self.step.seed,
        )

    def cost(self, candidate: Candidate) -> float:
        """As the prices have it."""
        model = candidate_model(self.step.parent, candidate)
        if candidate not in self._costs:
            self._costs[candidate] = self.prices.of_network(self._build(model).eval(), model.input)
        return self._costs[candidate]

    def try_out(self, candidate: Candidate) -> Merit:
        """See ``Judge``."""
        whole = self._held_out()
        short = msgspec.structs.replace(
            whole,
            epochs=max(1, round(SHORT_SHARE * whole.epochs)),
            steps=max(1, round(SHORT_SHARE * whole.steps)) if whole.steps else 0,
        )
        return _read_merit(self._train(candidate, short, "short")[1])

    def train(self, candidate: Candidate) -> Merit:
        """See ``Judge``."""
        return _read_merit(self._train(candidate, self._held_out(), "whole")[1])

    def finish(self, candidate: Candidate) -> tuple[Model, nn.Module, History]:
        """The candidate's model, and its network, trained by as many pictures as any other."""
        network, history = self._train(candidate, self.choices.training, "final")
        return candidate_model(self.step.parent, candidate), network, history

    def _held_out(self) -> TrainingSettings:
        return msgspec.structs.replace(self.choices.training, held_out=SEARCH_HELD_OUT)

    def _train(
        self, candidate: Candidate, settings: TrainingSettings, stage: str
    ) -> tuple[nn.Module, History]:
        """From nothing; one that is done already is read from its checkpoint."""
        model = candidate_model(self.step.parent, candidate)
        network = self._build(model)
        history = train(
            network,
            hold_out(self._read_pictures(model), settings),
            LabelLoss(settings.label_smoothing),
            settings,
            self.step.checkpoints / f"{candidate.name}-{stage}",
            title=f"train {self.step.name} {candidate.name}",
        )
        return network, history

    def _read_pictures(self, model: Model) -> TrainingPictures:
        """Those of the last resolution stay in memory."""
        side = model.input[1]
        if self._pictures is None or self._pictures[0] != side:
            data = self.step.require_data().require_truth()
            self._pictures = side, labelled_pictures(model, data)
        return self._pictures[1]

    def _build(self, model: Model) -> nn.Module:
        import torch

        torch.manual_seed(self.step.seed)
        return build_network(model.network, len(read_labels(model)))


def find_plain(space: SearchSpace, cost: Callable[[Candidate], float], limit: float) -> Candidate:
    """The family's default, as wide as the limit allows: what would be taken without a search."""
    default = SmallCnn()
    plain = [
        candidate
        for candidate in space.candidates()
        if (candidate.depth, candidate.kernel) == (default.depth, default.kernel)
        and candidate.side == max(space.sides)
    ]
    within = [candidate for candidate in plain if cost(candidate) <= limit]
    return max(within, default=min([*plain, *space.candidates()]))


def _read_merit(history: History) -> Merit:
    figures = history.epochs[history.kept - 1]
    if figures.accuracy is None:
        raise no_classes()
    return Merit(accuracy=figures.accuracy, loss=figures.validation_loss)


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


def describe(search: Search, prices: Prices) -> list[str]:
    """How many were tried; what was trained in full and nothing beats, the cheapest first."""
    counts = f"{len(search.trials)} networks tried, {len(search.finalists)} trained in full"
    return [
        counts,
        *(_describe_trial(trial, search, prices) for trial in search.pareto),
    ]


def _describe_trial(trial: Trial, search: Search, prices: Prices) -> str:
    mark = ", taken" if trial == search.chosen else ""
    return (
        f"{trial.candidate.name}: {trial.merit.accuracy:.1f} % of the held out pictures, "
        f"{prices.describe(trial.cost)}{mark}"
    )


def _round(side: float) -> int:
    return SIDE_STEP * round(side / SIDE_STEP)

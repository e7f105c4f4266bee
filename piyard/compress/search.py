"""Search: members of a family of small networks, trained in turn, accuracy against cost.

Optuna's TPE proposes them (Bergstra et al., https://arxiv.org/abs/2304.11127). Its sampler is made
anew for each trial, seeded by how many have ended, and its journal lies in the search's folder: one
that was killed goes on with the trial it was at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.models.small_cnn import SmallCnn

if TYPE_CHECKING:
    import optuna
    import torch


JOURNAL = "trials.journal"
STUDY = "piyard"
COST, ACCURACY = "cost", "accuracy"


class Candidate(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A network that may be the one."""

    width: int
    depth: int
    kernel: int
    side: int
    """Rows and columns of its input."""

    def member(self, channels: int) -> SmallCnn:
        """The network of the family, for pictures of so many channels."""
        return SmallCnn(width=self.width, depth=self.depth, kernel=self.kernel, channels=channels)

    @property
    def name(self) -> str:
        """For people and folders."""
        return f"w{self.width}-d{self.depth}-k{self.kernel}-{self.side}px"


class SearchSpace(msgspec.Struct, frozen=True, kw_only=True):
    """What is chosen from."""

    widths: tuple[int, ...] = (8, 12, 16, 24, 32)
    depths: tuple[int, ...] = (1, 2, 3)
    kernels: tuple[int, ...] = (3, 5)
    sides: tuple[int, ...] = (28,)

    @property
    def size(self) -> int:
        """How many candidates there are."""
        return len(list(self.candidates()))

    def candidates(self) -> Iterable[Candidate]:
        """All of them."""
        for width, depth, kernel, side in product(
            self.widths, self.depths, self.kernels, self.sides
        ):
            yield Candidate(width=width, depth=depth, kernel=kernel, side=side)


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate is worth."""

    accuracy: float
    """Percent, of pictures that were held out: to choose by, not to publish."""
    cost: float
    """As the search's unit has it."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that was tried."""

    candidate: Candidate
    score: Score


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Trials in the order in which they were made, and which of them is taken."""

    trials: list[Trial]
    chosen: Trial

    @property
    def pareto(self) -> list[Trial]:
        """Those that nothing beats in both, the cheapest first."""
        return pareto_trials(self.trials)


def run_search(
    space: SearchSpace,
    judge: Callable[[Candidate], Score],
    folder: Path,
    *,
    trials: int,
    seed: int,
    keep: float,
) -> Search:
    """Let that many candidates be judged, some of them perhaps several times proposed.

    The cheapest is taken whose accuracy is at least ``keep`` times the best one's.

    Raises ``WrongInput`` for a journal of another space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = _open_study(folder, space)
    _forget_broken(study)
    done = _finished(study)
    known = {trial.candidate: trial.score for trial in done}
    with console.step("search", unit="trials") as shown:
        for number in range(len(done), trials):
            shown.update(number, trials, _describe(known))
            study.sampler = _sampler(seed + number)
            trial = study.ask()
            candidate = _propose(trial, space)
            score = known.get(candidate) or judge(candidate)
            known[candidate] = score
            study.tell(trial, [score.accuracy, score.cost])
            done.append(Trial(candidate=candidate, score=score))
    return Search(trials=done, chosen=choose_trial(done, keep))


def choose_trial(trials: Sequence[Trial], keep: float) -> Trial:
    """The cheapest that keeps that share of the best accuracy; of equals the more accurate."""
    best = max(trial.score.accuracy for trial in trials)
    enough = [trial for trial in trials if trial.score.accuracy >= keep * best]
    return min(enough, key=lambda trial: (trial.score.cost, -trial.score.accuracy, trial.candidate))


def pareto_trials(trials: Sequence[Trial]) -> list[Trial]:
    """Each candidate once, without those that another one beats, the cheapest first."""
    by_cost = sorted(
        {trial.candidate: trial for trial in trials}.values(),
        key=lambda trial: (trial.score.cost, -trial.score.accuracy),
    )
    best, kept = -1.0, []
    for trial in by_cost:
        if trial.score.accuracy > best:
            best = trial.score.accuracy
            kept.append(trial)
    return kept


def count_macs(network: torch.nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of convolutions and matrices for one input (channels, rows, columns)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape))
    return int(counter.get_total_flops()) // 2


def _open_study(folder: Path, space: SearchSpace) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        study_name=STUDY,
        storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    stated = msgspec.json.encode(space).decode()
    if study.user_attrs.get("space", stated) != stated:
        raise WrongInput(
            f"{folder / JOURNAL} is of a search through other candidates",
            remedy="remove its folder, and this search begins anew",
        )
    study.set_user_attr("space", stated)
    return study


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8, multivariate=False)


def _forget_broken(study: optuna.Study) -> None:
    """The trial at which a search was killed: it is proposed again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _finished(study: optuna.Study) -> list[Trial]:
    from optuna.trial import TrialState

    return [
        Trial(
            candidate=msgspec.convert(trial.params, Candidate),
            score=Score(accuracy=trial.values[0], cost=trial.values[1]),
        )
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ]


def _propose(trial: optuna.Trial, space: SearchSpace) -> Candidate:
    values: Mapping[str, Sequence[Any]] = {
        "width": space.widths,
        "depth": space.depths,
        "kernel": space.kernels,
        "side": space.sides,
    }
    chosen = {name: trial.suggest_categorical(name, few) for name, few in values.items()}
    return msgspec.convert(chosen, Candidate)


def _describe(known: Mapping[Candidate, Score]) -> str:
    if not known:
        return ""
    best = max(known, key=lambda candidate: known[candidate].accuracy)
    return f"best {best.name}: {known[best].accuracy:.1f} %"

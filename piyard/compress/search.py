"""Search: members of a family of small networks, trained in turn, accuracy against cost.

It halves successively (Jamieson and Talwalkar, https://arxiv.org/abs/1502.07943), in two rounds:
TPE proposes many candidates (Bergstra et al., https://arxiv.org/abs/2304.11127), which are trained
for a short time, and the few of them that may be the one are trained in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from piyard.compress.search_space import WORST, Candidate, Merit, SearchRules, SearchSpace, Trial
from piyard.compress.search_study import ask_for, list_finished, open_study, tell_result
from piyard.core import console
from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    import torch


ALLOWANCE = 3.0
"""Points of accuracy that a whole training may make up for."""


class Judge(Protocol):
    """Who knows what candidates are worth."""

    def cost(self, candidate: Candidate) -> float:
        """Of one inference; known before it is trained."""

    def try_out(self, candidate: Candidate) -> Merit:
        """After a short training."""

    def train(self, candidate: Candidate) -> Merit:
        """After a whole one."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried out, in that order; what was trained in full, and which of these is taken."""

    trials: list[Trial]
    finalists: list[Trial]
    chosen: Trial

    @property
    def pareto(self) -> list[Trial]:
        """The finalists that nothing beats in both, the cheapest first."""
        return pareto_trials(self.finalists)


def run_search(space: SearchSpace, judge: Judge, folder: Path, rules: SearchRules) -> Search:
    """Try candidates out, train the best in full, and take one.

    Raises ``WrongInput`` for a journal of another search, and where no candidate keeps to the
    limit.
    """
    trials = _try_out(space, judge, folder, rules)
    if not trials:
        raise WrongInput(
            f"none of the {space.size} networks that are searched through costs as little as "
            "this model",
            remedy="--method prune makes this one smaller",
        )
    finalists = [
        Trial(candidate=each.candidate, merit=judge.train(each.candidate), cost=each.cost)
        for each in choose_finalists(trials, rules)
    ]
    return Search(trials=trials, finalists=finalists, chosen=choose_trial(finalists, rules.keep))


def _try_out(space: SearchSpace, judge: Judge, folder: Path, rules: SearchRules) -> list[Trial]:
    """The first round: candidates within the limit, none of them twice."""
    folder.mkdir(parents=True, exist_ok=True)
    study = open_study(folder, space, rules)
    finished = {trial.candidate: trial for trial in list_finished(study)}
    with console.step("search", unit="trials") as shown:
        while len(finished) < space.size:
            tried = _within(finished.values(), rules)
            if len(tried) == rules.trials:
                break
            shown.update(len(tried), rules.trials, _describe(tried))
            proposal = ask_for(study, space, rules, finished)
            candidate = msgspec.convert(proposal.params, Candidate)
            finished[candidate] = _judge(judge, candidate, rules)
            tell_result(study, proposal, finished[candidate], rules)
    return _within(finished.values(), rules)


def _within(trials: Iterable[Trial], rules: SearchRules) -> list[Trial]:
    return [trial for trial in trials if trial.cost <= rules.limit]


def _judge(judge: Judge, candidate: Candidate, rules: SearchRules) -> Trial:
    """One that costs too much is not trained."""
    cost = judge.cost(candidate)
    merit = judge.try_out(candidate) if cost <= rules.limit else WORST
    return Trial(candidate=candidate, merit=merit, cost=cost)


def choose_finalists(trials: Sequence[Trial], rules: SearchRules) -> list[Trial]:
    """Those that fewest others beat in both, of equals the ones with the lowest loss; the first.

    What is so much less right than the best that a whole training will hardly make up for it is
    behind all others.
    """
    best = max(trial.merit.accuracy for trial in trials)
    least = rules.keep * best - ALLOWANCE

    def rank(trial: Trial) -> tuple[bool, int, float]:
        beaten = sum(_beats(other, trial) for other in trials)
        return trial.merit.accuracy < least, beaten, trial.merit.loss

    ranked = sorted(trials, key=rank)
    first = [trial for trial in trials if trial.candidate == rules.first]
    others = [trial for trial in ranked if trial.candidate != rules.first]
    return [*first, *others[: max(1, rules.finalists - len(first))]]


def _beats(first: Trial, other: Trial) -> bool:
    """In both, or in one of them at the same other."""
    pair = (first.merit.loss, first.cost), (other.merit.loss, other.cost)
    return pair[0] != pair[1] and pair[0][0] <= pair[1][0] and pair[0][1] <= pair[1][1]


def choose_trial(trials: Sequence[Trial], keep: float) -> Trial:
    """The cheapest that keeps that share of the best accuracy; of equals the lower loss."""
    best = max(trial.merit.accuracy for trial in trials)
    enough = [trial for trial in trials if trial.merit.accuracy >= keep * best]
    return min(enough, key=lambda trial: (trial.cost, trial.merit.loss, trial.candidate))


def pareto_trials(trials: Sequence[Trial]) -> list[Trial]:
    """Those that no other one beats in accuracy and cost, the cheapest first."""
    best, kept = -1.0, []
    for trial in sorted(trials, key=lambda trial: (trial.cost, -trial.merit.accuracy)):
        if trial.merit.accuracy > best:
            best = trial.merit.accuracy
            kept.append(trial)
    return kept


def count_macs(network: torch.nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of convolutions and matrices for one input (channels, rows, columns)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape))
    return int(counter.get_total_flops()) // 2


def _describe(tried: Sequence[Trial]) -> str:
    if not tried:
        return ""
    best = max(tried, key=lambda trial: trial.merit.accuracy)
    return f"best {best.candidate.name}: {best.merit.accuracy:.1f} %"

"""Which candidate a search tries next: Optuna's TPE, and its journal.

The sampler is made anew for each proposal, seeded by how many have ended, and the journal lies in
the search's folder: one that was killed goes on with the trial it was at.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.compress.search_space import Candidate, Merit, SearchRules, SearchSpace, Trial
from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution


JOURNAL = "trials.journal"
STUDY = "piyard"
ACCURACY, EXCESS = "accuracy", "excess"


def open_study(folder: Path, space: SearchSpace, rules: SearchRules) -> optuna.Study:
    """The folder's. Raises ``WrongInput`` for one of another search."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        study_name=STUDY,
        storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
        directions=["minimize", "minimize"],
        load_if_exists=True,
    )
    stated = msgspec.json.encode([space, rules.first, rules.limit, rules.seed]).decode()
    if study.user_attrs.get("search", stated) != stated:
        raise WrongInput(
            f"{folder / JOURNAL} is of another search",
            remedy="remove its folder, and this search begins anew",
        )
    study.set_user_attr("search", stated)
    _forget_broken(study)
    return study


def ask_for(
    study: optuna.Study, space: SearchSpace, rules: SearchRules, tried: Container[Candidate]
) -> optuna.Trial:
    """A trial of a candidate that was not tried: TPE's, or any where that was tried already."""
    from optuna.trial import TrialState

    places = _places(space)
    number = len(list_finished(study))
    study.sampler = _sampler(rules.seed + number)
    if not number:
        study.enqueue_trial(msgspec.to_builtins(rules.first))
    trial = study.ask(places)
    if msgspec.convert(trial.params, Candidate) not in tried:
        return trial
    study.tell(trial, state=TrialState.FAIL)
    fresh = [candidate for candidate in space.candidates() if candidate not in tried]
    other = random.Random(rules.seed + number).choice(fresh)  # noqa: S311  # no secret
    study.enqueue_trial(msgspec.to_builtins(other))
    return study.ask(places)


def _places(space: SearchSpace) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution

    return {
        "width": CategoricalDistribution(space.widths),
        "depth": CategoricalDistribution(space.depths),
        "kernel": CategoricalDistribution(space.kernels),
        "side": CategoricalDistribution(space.sides),
    }


def tell_result(
    study: optuna.Study, proposal: optuna.Trial, trial: Trial, rules: SearchRules
) -> None:
    """Let the study know what became of a candidate; above the limit is worse than any below."""
    proposal.set_user_attr(ACCURACY, trial.merit.accuracy)
    if math.isfinite(rules.limit):
        proposal.set_constraint(EXCESS, trial.cost - rules.limit)
    study.tell(proposal, [trial.merit.loss, trial.cost])


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)


def _forget_broken(study: optuna.Study) -> None:
    """The trial at which a search was killed: it is proposed again."""
    from optuna.trial import TrialState

    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.ask()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def list_finished(study: optuna.Study) -> list[Trial]:
    """Candidates that were judged, in that order."""
    from optuna.trial import TrialState

    return [
        Trial(
            candidate=msgspec.convert(trial.params, Candidate),
            merit=Merit(accuracy=trial.user_attrs[ACCURACY], loss=trial.values[0]),
            cost=trial.values[1],
        )
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ]

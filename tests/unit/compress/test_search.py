"""Search: it finds what is best, repeats, and goes on where it was killed."""

from pathlib import Path

import msgspec
import pytest

from piyard.compress.search import (
    Search,
    choose_finalists,
    choose_trial,
    count_macs,
    pareto_trials,
    run_search,
)
from piyard.compress.search_method import find_plain
from piyard.compress.search_space import Candidate, Merit, SearchRules, SearchSpace, Trial
from piyard.core.errors import WrongInput
from piyard.models.networks import build_network

SPACE = SearchSpace(widths=(8, 16, 24, 32), depths=(1, 2, 3), kernels=(3, 5), sides=(20, 28))
FIRST = Candidate(width=16, depth=2, kernel=3, side=28)
RULES = SearchRules(trials=14, finalists=4, keep=0.95, first=FIRST, seed=3)


class Formula:
    """More is better, and less and less so; a kernel of 5 costs and brings nothing.

    A short training favours the shallow ones.
    """

    def __init__(self, left: int = 1000) -> None:
        self.left = left
        self.tried: list[Candidate] = []
        self.trained: list[Candidate] = []

    def cost(self, candidate: Candidate) -> float:
        return candidate.width**2 * candidate.depth * candidate.kernel * candidate.side

    def try_out(self, candidate: Candidate) -> Merit:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        self.tried.append(candidate)
        return self._merit(candidate, 1 - candidate.depth)

    def train(self, candidate: Candidate) -> Merit:
        self.trained.append(candidate)
        return self._merit(candidate, 0)

    def _merit(self, candidate: Candidate, more: float) -> Merit:
        accuracy = 100 - 100 / candidate.width - 10 / candidate.depth + more
        return Merit(accuracy=accuracy, loss=1 - accuracy / 100)


def searched(folder: Path, judge: Formula | None = None, **changes: object) -> Search:
    rules = msgspec.structs.replace(RULES, **changes)
    return run_search(SPACE, judge or Formula(), folder, rules)


def trial(width: int, accuracy: float, cost: float) -> Trial:
    candidate = Candidate(width=width, depth=1, kernel=3, side=28)
    merit = Merit(accuracy=accuracy, loss=1 - accuracy / 100)
    return Trial(candidate=candidate, merit=merit, cost=cost)


def widths(trials: list[Trial]) -> list[int]:
    return [each.candidate.width for each in trials]


def test_a_search_repeats_by_its_seed(tmp_path: Path) -> None:
    first, again = searched(tmp_path / "a"), searched(tmp_path / "b")
    assert first == again
    assert len(first.trials) == 14
    assert first.trials != searched(tmp_path / "c", seed=40).trials


def test_no_candidate_is_tried_twice_and_what_there_was_without_a_search_is_first(
    tmp_path: Path,
) -> None:
    judge = Formula()
    result = searched(tmp_path, judge)
    assert len(judge.tried) == len(set(judge.tried)) == 14
    assert judge.tried[0] == judge.trained[0] == FIRST
    assert [each.candidate for each in result.finalists] == judge.trained
    assert len(judge.trained) == 4


def test_all_are_tried_where_there_are_no_more(tmp_path: Path) -> None:
    judge = Formula()
    searched(tmp_path, judge, trials=100)
    assert set(judge.tried) == set(SPACE.candidates())


def test_what_costs_too_much_is_not_trained(tmp_path: Path) -> None:
    judge = Formula()
    limit = judge.cost(FIRST)
    result = searched(tmp_path, judge, limit=limit, keep=1.0)
    assert len(result.trials) == 14
    assert max(map(judge.cost, judge.tried)) <= limit
    least = min(map(judge.cost, SPACE.candidates()))
    with pytest.raises(WrongInput, match="none of the 48 networks"):
        searched(tmp_path / "none", limit=least - 1)


def test_one_that_was_killed_goes_on_with_the_trial_it_was_at(tmp_path: Path) -> None:
    for left in (1, 10):
        folder = tmp_path / f"after {left}"
        with pytest.raises(KeyboardInterrupt):
            searched(folder, Formula(left))
        assert searched(folder) == searched(tmp_path / "whole")


def test_a_journal_of_another_search_is_refused(tmp_path: Path) -> None:
    searched(tmp_path, trials=1)
    with pytest.raises(WrongInput, match="is of another search"):
        searched(tmp_path, limit=1e9)


def test_the_finalists_are_those_that_fewest_others_beat() -> None:
    trials = [trial(8, 60, 10), trial(16, 85, 40), trial(24, 90, 90), trial(32, 84, 95)]
    rules = msgspec.structs.replace(RULES, keep=0.95, finalists=2)
    assert widths(choose_finalists(trials, rules)) == [24, 16]
    rules = msgspec.structs.replace(rules, finalists=3, first=trials[0].candidate)
    # The cheapest, which nothing beats, is too far behind unless it is the first.
    assert widths(choose_finalists(trials, rules)) == [8, 24, 16]


def test_the_cheapest_that_is_good_enough_is_taken() -> None:
    trials = [trial(8, 80, 10), trial(16, 89.5, 40), trial(24, 90, 90), trial(12, 85, 50)]
    assert choose_trial(trials, 0.99).candidate.width == 16
    assert choose_trial(trials, 1.0).candidate.width == 24
    assert widths(pareto_trials(trials)) == [8, 16, 24]


def test_macs_are_those_of_convolutions_and_matrices() -> None:
    network = build_network("small_cnn/w8-d1-k3-dense", 10)
    # 14 x 14 after the first convolution, then 14, 7 and 4 rows.
    expected = 196 * 9 * 8 + 196 * 9 * 64 + 49 * 9 * 128 + 16 * 9 * 512 + 320
    assert count_macs(network, (1, 28, 28)) == expected


def test_what_there_is_without_a_search_is_as_wide_as_the_limit_allows() -> None:
    cost = Formula().cost
    plain = [Candidate(width=width, depth=2, kernel=3, side=28) for width in SPACE.widths]
    assert find_plain(SPACE, cost, cost(plain[2])) == plain[2]
    assert find_plain(SPACE, cost, cost(plain[2]) - 1) == plain[1]
    # Where none of them is cheap enough, the smallest candidate is, or nothing.
    assert find_plain(SPACE, cost, 0) == min(SPACE.candidates())

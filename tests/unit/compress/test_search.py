"""Search: it finds what is best, repeats, and goes on where it was killed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from piyard.compress.search import (
    Candidate,
    Score,
    Search,
    SearchSpace,
    Trial,
    choose_trial,
    count_macs,
    pareto_trials,
    run_search,
)
from piyard.core.errors import WrongInput
from piyard.models.networks import build_network

SPACE = SearchSpace(widths=(8, 16, 24, 32), depths=(1, 2, 3), kernels=(3, 5), sides=(20, 28))


def judge(candidate: Candidate) -> Score:
    """More is better, and less and less so; a kernel of 5 costs and brings nothing."""
    accuracy = 100 - 100 / candidate.width - 10 / candidate.depth
    cost = candidate.width**2 * candidate.depth * candidate.kernel * candidate.side
    return Score(accuracy=accuracy, cost=cost)


def searched(
    folder: Path, trials: int = 14, judged: Callable[[Candidate], Score] = judge, seed: int = 3
) -> Search:
    return run_search(SPACE, judged, folder, trials=trials, seed=seed, keep=0.95)


def trial(width: int, accuracy: float, cost: float) -> Trial:
    candidate = Candidate(width=width, depth=1, kernel=3, side=28)
    return Trial(candidate=candidate, score=Score(accuracy=accuracy, cost=cost))


def test_a_search_repeats_by_its_seed(tmp_path: Path) -> None:
    first, again = searched(tmp_path / "a"), searched(tmp_path / "b")
    assert first == again
    assert len(first.trials) == 14
    assert first.trials != searched(tmp_path / "c", seed=40).trials


def test_no_candidate_is_judged_twice(tmp_path: Path) -> None:
    seen: list[Candidate] = []

    def noted(candidate: Candidate) -> Score:
        seen.append(candidate)
        return judge(candidate)

    found = searched(tmp_path, judged=noted)
    assert len(seen) == len(set(seen)) == len({each.candidate for each in found.trials})


def test_one_that_was_killed_goes_on_with_the_trial_it_was_at(tmp_path: Path) -> None:
    left = 10

    def dying(candidate: Candidate) -> Score:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return judge(candidate)

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "a", judged=dying)
    assert searched(tmp_path / "a") == searched(tmp_path / "b")


def test_a_journal_of_other_candidates_is_refused(tmp_path: Path) -> None:
    searched(tmp_path, trials=1)
    with pytest.raises(WrongInput, match="a search through other candidates"):
        run_search(SearchSpace(), judge, tmp_path, trials=1, seed=3, keep=0.9)


def test_the_cheapest_that_is_good_enough_is_taken() -> None:
    trials = [trial(8, 80, 10), trial(16, 89.5, 40), trial(24, 90, 90), trial(12, 85, 50)]
    assert choose_trial(trials, 0.99).candidate.width == 16
    assert choose_trial(trials, 1.0).candidate.width == 24
    assert [each.candidate.width for each in pareto_trials(trials)] == [8, 16, 24]


def test_macs_are_those_of_convolutions_and_matrices() -> None:
    network = build_network("small_cnn/w8-d1-k3-dense", 10)
    # 14 x 14 after the first convolution, then 14, 7 and 4 rows.
    expected = 196 * 9 * 8 + 196 * 9 * 64 + 49 * 9 * 128 + 16 * 9 * 512 + 320
    assert count_macs(network, (1, 28, 28)) == expected

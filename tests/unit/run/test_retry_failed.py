"""What failed last time, kept for --retry-failed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from piyard.board.fleet.selection import select_board
from piyard.cli.board_requests import BenchRequest
from piyard.cli.boards import Boards
from piyard.cli.deploy_bench import require_believable
from piyard.cli.job_plan import _remember
from piyard.core.errors import NothingValid, WrongInput
from piyard.results.result import Reason, Verdict, VerdictState
from piyard.run.job import BenchDuration
from piyard.run.outcomes import RetryState, load_retry_state, save_retry_state
from piyard.run.plan import combine_jobs
from tests.support import sample_rows
from tests.support.plans import board, model


def test_nothing_failed_yet() -> None:
    with pytest.raises(WrongInput, match="no bench failed last time"):
        load_retry_state("bench")


def test_jobs_and_silent_boards_come_back_as_they_were() -> None:
    jobs = combine_jobs(
        [board("pi5")],
        [model("resnet18")],
        precisions=["fp16"],
        threads=[4],
        bench=BenchDuration(loops=7),
    )
    stored = [each.stored for each in jobs]
    kept = RetryState(
        jobs=stored, boards=["pi4"], models=["resnet18"], bench=BenchDuration(loops=7)
    )
    save_retry_state("bench", kept)
    loaded = load_retry_state("bench")
    assert list(loaded.jobs) == stored
    assert loaded.hosts == ["pi5", "pi4"]
    assert loaded.bench == BenchDuration(loops=7)


def test_each_kind_of_command_has_its_own_failures() -> None:
    save_retry_state("deploy", RetryState(jobs=[], boards=["pi4"]))
    with pytest.raises(WrongInput, match="no bench failed"):
        load_retry_state("bench")


def test_a_command_that_went_well_leaves_nothing_to_repeat() -> None:
    save_retry_state("bench", RetryState(jobs=[], boards=["pi4"]))
    save_retry_state("bench", RetryState(jobs=[]))
    with pytest.raises(WrongInput, match="no bench failed"):
        load_retry_state("bench")


def test_a_board_that_is_silent_again_keeps_only_what_failed_there() -> None:
    """And not all that was once planned for it."""
    plan = combine_jobs(
        [board("pi5"), board("pi4", "rpi4")],
        [model("resnet18")],
        precisions=["fp16", "fp32"],
    )
    save_retry_state("bench", RetryState(jobs=[plan[0].stored, plan[2].stored], boards=["pi3"]))
    again = BenchRequest(retry_failed=True)
    _remember("bench", again, Boards(selected=[select_board("pi5")]), [plan[0]], ["pi4", "pi3"])
    left = load_retry_state("bench")
    assert list(left.jobs) == [plan[0].stored, plan[2].stored]
    assert list(left.boards) == ["pi3"]


def test_without_retry_failed_what_failed_before_is_forgotten() -> None:
    plan = combine_jobs([board("pi5")], [model("resnet18")], precisions=["fp16"])
    save_retry_state("bench", RetryState(jobs=[each.stored for each in plan]))
    _remember("bench", BenchRequest(), Boards(selected=[select_board("pi5")]), [], ["pi4"])
    assert load_retry_state("bench").hosts == ["pi4"]


@pytest.mark.parametrize(
    ("states", "code"), [(["INVALID", "INVALID"], 20), (["INVALID", "VALID"], 0), ([], 0)]
)
def test_a_benchmark_without_a_row_to_believe_has_failed(
    states: list[VerdictState], code: int
) -> None:
    reason = Reason(code="hot", grade="INVALID", text="85 °C")
    results = [
        sample_rows.result(
            sample_rows.row(verdict=Verdict(state=state, reasons=[reason] * (state == "INVALID"))),
            [1.0] * 9,
        )
        for state in states
    ]
    with pytest.raises(NothingValid) if code else nullcontext() as caught:
        require_believable(results)
    assert (caught.value.code if caught else 0) == code


def test_what_an_earlier_piyard_kept_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its JSON had the length of a benchmark as a mapping of the same keys."""
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    (tmp_path / "failed").mkdir()
    stored = '{"jobs": [], "boards": ["pi4"], "bench": {"loops": null, "budget_s": 2.5}}'
    (tmp_path / "failed" / "bench.json").write_text(stored)
    assert load_retry_state("bench").bench == BenchDuration(budget_s=2.5)

"""Planning is pure: what will be done is known before anything is."""

from __future__ import annotations

import pytest

from piyard.board.connection import BoardSpec
from piyard.cli.board_requests import BenchRequest
from piyard.cli.job_plan import bench_duration
from piyard.core.errors import WrongInput
from piyard.core.parsing import parse_int, parse_seconds
from piyard.models.definition import load_model, load_models
from piyard.run.job import BenchDuration
from piyard.run.plan import EMULATED_LOOPS, combine_jobs
from tests.support.plans import board

RESNET = load_model("resnet18")


def test_a_job_for_every_combination_in_order() -> None:
    jobs = combine_jobs(
        [board("a"), board("b", "rpi4")],
        load_models(["resnet18", "mobilenet_v2"]),
        precisions=["fp32", "fp16"],
        threads=[1, 4],
    )
    assert len(jobs) == 16
    assert [(j.host, j.model.name, j.precision, j.threads) for j in jobs[:3]] == [
        ("a", "resnet18", "fp32", 1),
        ("a", "resnet18", "fp32", 4),
        ("a", "resnet18", "fp16", 1),
    ]
    assert {j.board.target.name for j in jobs if j.host == "b"} == {"rpi4"}


def test_what_is_not_asked_comes_from_the_target() -> None:
    jobs = combine_jobs([board("pi")], [RESNET])
    assert [(j.precision, j.threads) for j in jobs] == [("fp32", 4), ("fp16", 4)]


def test_an_emulated_board_does_a_few_loops_and_a_real_one_measures() -> None:
    (emulated,) = combine_jobs([board("emulated:rpi4", "rpi4", emulated=True)], [RESNET])
    (real,) = combine_jobs([board("pi4", "rpi4")], [RESNET])
    assert emulated.bench.arguments[:2] == ["--loops", "3"]
    until_known = "--budget 30 --min-loops 20 --min-seconds 6 --interval 0.01 --warmup auto"
    assert real.bench.arguments == [*until_known.split(), "--seed", "1", "--cold"]


def test_what_is_asked_wins() -> None:
    (only,) = combine_jobs(
        [board("emulated:rpi4", "rpi4", emulated=True)],
        [RESNET],
        bench=BenchDuration(loops=7, warmup=0),
    )
    assert only.bench.arguments == ["--loops", "7", "--warmup", "0", "--seed", "1"]


@pytest.mark.parametrize(
    ("models", "precisions", "said"),
    [
        (["resnet_18"], [], "unknown model 'resnet_18', did you mean 'resnet18'?"),
        (["resnet18"], ["fp-16"], "unknown precision 'fp-16', did you mean 'fp16'?"),
    ],
)
def test_an_unknown_name_names_the_nearest(
    models: list[str], precisions: list[str], said: str
) -> None:
    with pytest.raises(WrongInput) as caught:
        combine_jobs([board("pi")], load_models(models), precisions=precisions)
    assert said in str(caught.value)
    assert caught.value.code == 3


@pytest.mark.parametrize("text", ["0", "-1", "four", "1.5", " ", "²"])
def test_a_count_is_whole_and_positive(text: str) -> None:
    with pytest.raises(WrongInput, match="--loops takes a whole number from 1"):
        parse_int("loops", text)


def test_an_empty_thread_count_is_no_count() -> None:
    with pytest.raises(WrongInput, match="--threads: a value is empty"):
        BenchRequest.parse({"threads": ["4", ""]})


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e999"])
def test_a_budget_is_a_positive_number_of_seconds(text: str) -> None:
    with pytest.raises(WrongInput, match="--budget takes seconds"):
        parse_seconds("budget", text)


def test_what_is_not_given_is_not_asked() -> None:
    assert parse_int("loops", "") is None
    assert parse_seconds("budget", "") is None
    request = BenchRequest.parse({"budget": "2.5", "warmup": "0"})
    assert bench_duration(request) == BenchDuration(loops=0, budget_s=2.5, warmup=0)


def test_loops_and_budget_exclude_each_other() -> None:
    with pytest.raises(WrongInput, match="exclude each other"):
        BenchRequest.parse({"loops": "3", "budget": "2.0"})


def emulated_on(monkeypatch: pytest.MonkeyPatch, cores: int) -> BoardSpec:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    return board("e", emulated=True)


@pytest.mark.parametrize(("here", "usual"), [(1, 1), (2, 2), (16, 4)])
def test_an_emulated_board_has_no_more_cores_than_this_machine(
    monkeypatch: pytest.MonkeyPatch, here: int, usual: int
) -> None:
    host = emulated_on(monkeypatch, here)
    assert {combine_job.threads for combine_job in combine_jobs([host], [RESNET])} == {usual}
    assert combine_jobs([host], [RESNET], threads=[usual])
    with pytest.raises(WrongInput, match=f"e has {usual} core") as caught:
        combine_jobs([host], [RESNET], threads=[1, usual + 1])
    assert caught.value.remedy == f"--threads {usual}"


def test_a_board_that_only_its_facts_show_to_be_emulated_has_its_machines_cores() -> None:
    (only,) = combine_jobs([board("farm", "rpi4", emulated=True, cores=3)], [RESNET])
    assert (only.threads, only.bench.loops) == (3, EMULATED_LOOPS)


@pytest.mark.parametrize(
    ("host", "most"),
    [
        (board("pi"), 4),
        (board("pi", cores=2), 4),  # facts of a Pi are what its kind says
        (board("pi", "desktop", cores=12), 12),
        (board("pi", "desktop"), None),
    ],
)
def test_a_real_board_has_its_own_cores(host: BoardSpec, most: int | None) -> None:
    assert host.max_threads == most
    assert combine_jobs([host], [RESNET], threads=[most or 99])
    if most:
        with pytest.raises(WrongInput, match=f"--threads {most + 1}: pi has {most} cores"):
            combine_jobs([host], [RESNET], threads=[most + 1])

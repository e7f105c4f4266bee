"""What failed last time, kept for --retry-failed."""

from __future__ import annotations

import pytest

from piyard import failed, job
from piyard.errors import WrongInput
from piyard.failed import Failed
from piyard.job import Host


def test_nothing_failed_yet() -> None:
    with pytest.raises(WrongInput, match="no bench failed last time"):
        failed.recall("bench")


def test_jobs_and_silent_boards_come_back_as_they_were() -> None:
    jobs = job.plan(
        {"pi5": Host(target="rpi5")}, ["resnet18"], precisions=["fp16"], threads=[4], loops=7
    )
    kept = Failed(jobs=jobs, boards=["pi4"], models=["resnet18"], bench={"loops": 7})
    failed.remember("bench", kept)
    found = failed.recall("bench")
    assert list(found.jobs) == jobs
    assert found.hosts == ["pi5", "pi4"]
    assert found.bench == {"loops": 7}


def test_each_kind_of_command_has_its_own_failures() -> None:
    failed.remember("deploy", Failed(jobs=[], boards=["pi4"]))
    with pytest.raises(WrongInput, match="no bench failed"):
        failed.recall("bench")


def test_a_command_that_went_well_leaves_nothing_to_repeat() -> None:
    failed.remember("bench", Failed(jobs=[], boards=["pi4"]))
    failed.remember("bench", Failed(jobs=[]))
    with pytest.raises(WrongInput, match="no bench failed"):
        failed.recall("bench")

"""Many boards at once: no job twice, none lost, no board in the way of another."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.board.connection import BoardConnection
from piyard.core import cancel, console
from piyard.core.cancel import _request
from piyard.core.errors import (
    BoardBusy,
    BoardCommandFailed,
    HostUnreachable,
    JobsFailed,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    RunNotEnded,
)
from piyard.run import schedule
from piyard.run.outcomes import JobOutcomes
from piyard.run.schedule import LIVE_RUNS_END, MAX_PARALLEL, RUNS_GO_ON, _wait_for, run_on_boards

Job = tuple[str, int]
"""The group it is for, and its number."""
PATIENCE_S = 60
"""How long a thread waits for another before a test fails instead of hanging."""


class FakeLine:
    """What fanout knows of a line: its name, and that it can be closed."""

    def __init__(self, name: str) -> None:
        self.name, self.closed = name, 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def nobody_asked_to_stop() -> Iterator[None]:
    cancel.reset()
    yield
    cancel.reset()


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(console, "info", said.append)
    return said


def each(
    lines: Sequence[FakeLine],
    jobs: Sequence[Job],
    do: Callable[[BoardConnection, Job], str],
    *,
    shared: Mapping[str, str] | None = None,
    parallel: int = MAX_PARALLEL,
    stopping: str = RUNS_GO_ON,
) -> JobOutcomes[Job, str]:
    groups = shared or {line.name: line.name for line in lines}
    return run_on_boards(
        cast("list[BoardConnection]", lines),
        jobs,
        do,
        group_of_job=lambda job: job[0],
        group_of_board=lambda line: groups[line.name],
        parallel=parallel,
        stopping=stopping,
    )


def describe(line: BoardConnection, job: Job) -> str:
    return f"{line.name} did {job[1]}"


def jobs_of(*groups: str, count: int = 3) -> list[Job]:
    return [(group, number) for number in range(count) for group in groups]


def test_results_come_in_the_order_of_the_plan() -> None:
    jobs = jobs_of("a", "b", "c")
    outcomes = each([FakeLine(name) for name in "cba"], jobs, describe)
    assert outcomes.results == [f"{group} did {number}" for group, number in jobs]
    assert outcomes.failures == []
    outcomes.require_all()


def test_boards_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=PATIENCE_S)

    def meet(line: BoardConnection, job: Job) -> str:
        meeting.wait()
        return describe(line, job)

    lines = [FakeLine(name) for name in "abc"]
    assert len(each(lines, jobs_of("a", "b", "c"), meet).results) == 9


def test_no_more_boards_at_once_than_asked_for() -> None:
    at_work, most, guard = Counter[str](), [0], threading.Lock()

    def count(line: BoardConnection, job: Job) -> str:
        with guard:
            at_work[line.name] += 1
            most[0] = max(most[0], len(+at_work))
        with guard:
            at_work[line.name] -= 1
        return describe(line, job)

    names = "abcdef"
    each([FakeLine(name) for name in names], jobs_of(*names, count=10), count, parallel=2)
    assert most[0] <= 2


def test_the_jobs_of_one_board_are_done_strictly_in_turn() -> None:
    busy: dict[str, threading.Lock] = {name: threading.Lock() for name in "abc"}
    order: dict[str, list[int]] = {name: [] for name in "abc"}

    def alone(line: BoardConnection, job: Job) -> str:
        assert busy[line.name].acquire(blocking=False)
        order[line.name].append(job[1])
        busy[line.name].release()
        return describe(line, job)

    lines = [FakeLine(name) for name in "abc"]
    assert not each(lines, jobs_of("a", "b", "c", count=50), alone).failures
    assert all(numbers == list(range(50)) for numbers in order.values())


def test_a_single_board_works_in_the_main_thread() -> None:
    seen: list[bool] = []

    def where(line: BoardConnection, job: Job) -> str:
        seen.append(threading.current_thread() is threading.main_thread())
        return describe(line, job)

    each([FakeLine("a")], jobs_of("a"), where)
    assert seen == [True] * 3


def test_a_failing_job_stops_neither_its_board_nor_others(notes: list[str]) -> None:
    def fail_one(line: BoardConnection, job: Job) -> str:
        if job == ("a", 1):
            raise BoardCommandFailed("a: nnrun failed", evidence="no such net", remedy="convert")
        return describe(line, job)

    outcomes = each([FakeLine("a"), FakeLine("b")], jobs_of("a", "b"), fail_one)
    assert len(outcomes.results) == 5
    assert outcomes.unfinished_jobs == [("a", 1)]
    assert notes == ["✗ a: nnrun failed\n    no such net", "  → convert"]
    with pytest.raises(JobsFailed, match="1 of 6 jobs failed") as caught:
        outcomes.require_all()
    assert caught.value.evidence == "a: nnrun failed → convert"


@pytest.mark.parametrize("kind", [HostUnreachable, BoardBusy, NoSuchHost, KeyRejected])
def test_the_other_jobs_of_a_lost_board_are_not_begun(kind: type[PiyardError]) -> None:
    tried: list[Job] = []

    def lose(line: BoardConnection, job: Job) -> str:
        tried.append(job)
        if line.name == "a" and job[1] == 1:
            raise kind("a is gone")
        return describe(line, job)

    outcomes = each([FakeLine("a"), FakeLine("b")], jobs_of("a", "b", count=5), lose)
    assert sorted(job for job in tried if job[0] == "a") == [("a", 0), ("a", 1)]
    assert outcomes.unfinished_jobs == [("a", number) for number in range(1, 5)]
    assert [failure.what for failure in outcomes.failures] == ["a is gone"]
    assert outcomes.summary == "6 of 10 jobs done, 1 failed, 3 not begun"
    with pytest.raises(JobsFailed) as caught:
        outcomes.require_all()
    assert caught.value.evidence == "a is gone\n3 jobs not begun: a is gone"
    assert [result for result in outcomes.results if result.startswith("b")] == [
        f"b did {number}" for number in range(5)
    ]


def test_equal_boards_share_their_jobs() -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE_S)

    def meet(line: BoardConnection, job: Job) -> str:
        meeting.wait()
        return line.name

    lines, shared = [FakeLine("a"), FakeLine("b")], {"a": "pi5", "b": "pi5"}
    outcomes = each(lines, jobs_of("pi5", count=10), meet, shared=shared)
    assert Counter(outcomes.results) == {"a": 5, "b": 5}


def test_equal_boards_take_over_from_one_that_is_lost(notes: list[str]) -> None:
    gone = threading.Event()

    def lose(line: BoardConnection, job: Job) -> str:
        if line.name == "a":
            gone.set()
            raise HostUnreachable("a is gone")
        assert gone.wait(PATIENCE_S)
        return describe(line, job)

    lines, shared = [FakeLine("a"), FakeLine("b")], {"a": "pi5", "b": "pi5"}
    outcomes = each(lines, jobs_of("pi5", count=6), lose, shared=shared)
    outcomes.require_all()
    assert outcomes.results == [f"b did {number}" for number in range(6)]
    assert notes == ["✗ a is gone; other boards take over its jobs"]


def test_jobs_fail_when_all_equal_boards_are_lost() -> None:
    def lose(line: BoardConnection, job: Job) -> str:
        raise HostUnreachable(f"{line.name} is gone")

    lines, shared = [FakeLine("a"), FakeLine("b")], {"a": "pi5", "b": "pi5"}
    outcomes = each(lines, jobs_of("pi5", count=4), lose, shared=shared)
    assert outcomes.results == []
    assert outcomes.unfinished_jobs == jobs_of("pi5", count=4)


FAILURE = st.sampled_from(["well", "well", "well", "failed", "lost"])


@settings(max_examples=60, deadline=None)
@given(
    plan=st.dictionaries(st.sampled_from("abcdef"), st.lists(FAILURE, max_size=6), min_size=1),
    parallel=st.integers(min_value=1, max_value=8),
)
def test_every_job_comes_to_exactly_one_end(plan: dict[str, list[str]], parallel: int) -> None:
    jobs = [(name, number) for name, ends in plan.items() for number in range(len(ends))]
    tried: Counter[Job] = Counter()

    def do(line: BoardConnection, job: Job) -> str:
        tried[job] += 1
        return _end(plan[line.name][job[1]], line, job)

    lines = [FakeLine(name) for name in plan]
    outcomes = each(lines, jobs, do, parallel=parallel)
    well = [job for job in jobs if _outlook(plan[job[0]], job[1]) == "well"]
    assert outcomes.results == [f"{name} did {number}" for name, number in well]
    assert outcomes.unfinished_jobs == [job for job in jobs if job not in well]
    assert all(count == 1 for count in tried.values())
    assert set(tried) == {job for job in jobs if _outlook(plan[job[0]], job[1]) != "not tried"}
    assert all(line.closed == 1 for line in lines)


def _end(how: str, line: BoardConnection, job: Job) -> str:
    if how == "lost":
        raise HostUnreachable(f"{line.name} is gone")
    if how == "failed":
        raise BoardCommandFailed(f"{line.name} could not do {job[1]}")
    return describe(line, job)


def _outlook(ends: Sequence[str], number: int) -> str:
    return "not tried" if "lost" in ends[:number] else ends[number]


@settings(max_examples=60, deadline=None)
@given(
    boards=st.integers(min_value=2, max_value=6),
    failing=st.lists(st.booleans(), max_size=12),
    lost=st.sets(st.integers(0, 5)),
)
def test_shared_jobs_are_done_exactly_once_while_a_board_is_left(
    boards: int, failing: list[bool], lost: set[int]
) -> None:
    lines = [FakeLine(str(number)) for number in range(boards)]
    jobs = [("pi5", number) for number in range(len(failing))]
    ended: Counter[Job] = Counter()
    dead = threading.Barrier(boards, timeout=PATIENCE_S)
    met: set[str] = set()

    def do(line: BoardConnection, job: Job) -> str:
        if line.name not in met and len(jobs) >= boards:
            met.add(line.name)
            dead.wait()
        if int(line.name) in lost:
            raise HostUnreachable(f"{line.name} is gone")
        ended[job] += 1
        return _end("failed" if failing[job[1]] else "well", line, job)

    outcomes = each(lines, jobs, do, shared=dict.fromkeys(map(str, range(boards)), "pi5"))
    assert all(count == 1 for count in ended.values())
    assert len(outcomes.results) + len(outcomes.unfinished_jobs) == len(jobs)
    assert all(line.closed == 1 for line in lines)


def test_every_line_is_closed_when_a_job_breaks_in_a_way_nobody_thought_of() -> None:
    def break_down(line: BoardConnection, job: Job) -> str:
        if line.name == "a":
            raise ZeroDivisionError
        return describe(line, job)

    lines = [FakeLine(name) for name in "abc"]
    with pytest.raises(ZeroDivisionError):
        each(lines, jobs_of("a", "b", "c"), break_down)
    assert [line.closed for line in lines] == [1, 1, 1]


def test_every_line_is_closed_although_closing_one_fails() -> None:
    class Stuck(FakeLine):
        def close(self) -> None:
            super().close()
            raise BoardCommandFailed("a cannot be closed")

    lines = [Stuck("a"), FakeLine("b")]
    with suppress(BoardCommandFailed):
        each(lines, jobs_of("a", "b"), describe)
    assert [line.closed for line in lines] == [1, 1]


def test_a_board_without_jobs_is_closed_too() -> None:
    lines = [FakeLine("a"), FakeLine("b")]
    each(lines, [("a", 0)], describe)
    assert [line.closed for line in lines] == [1, 1]


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once all work was given out, and the main thread waits for it."""
    waits, wait_for = threading.Event(), _wait_for

    def told_first(running: Sequence[Future[None]]) -> None:
        waits.set()
        wait_for(running)

    monkeypatch.setattr(schedule, "_wait_for", told_first)
    return waits


@pytest.mark.parametrize("stopping", [RUNS_GO_ON, LIVE_RUNS_END])
def test_ctrl_c_says_what_becomes_of_the_runs(
    waits: threading.Event, notes: list[str], stopping: str
) -> None:
    def work(line: BoardConnection, job: Job) -> str:
        assert waits.wait(PATIENCE_S)
        if line.name == "a":
            press_ctrl_c()
        assert _request.wait(PATIENCE_S)
        return describe(line, job)

    each([FakeLine(name) for name in "ab"], jobs_of("a", "b", count=1), work, stopping=stopping)
    assert notes == [stopping]


def test_ctrl_c_stops_all_boards_at_their_next_look_and_closes_them(
    waits: threading.Event, notes: list[str]
) -> None:
    begun: list[Job] = []
    all_here = threading.Barrier(3, timeout=PATIENCE_S)

    def work(line: BoardConnection, job: Job) -> str:
        begun.append(job)
        assert waits.wait(PATIENCE_S)
        if all_here.wait() == 0:
            press_ctrl_c()
        assert _request.wait(PATIENCE_S)
        return describe(line, job)

    lines = [FakeLine(name) for name in "abc"]
    with suppress(KeyboardInterrupt):
        each(lines, jobs_of("a", "b", "c", count=4), work)
    assert sorted(begun) == [("a", 0), ("b", 0), ("c", 0)]
    assert [line.closed for line in lines] == [1, 1, 1]
    assert notes == ["stopping: what runs on the boards keeps running there"]


def test_ctrl_c_with_a_single_board_closes_it() -> None:
    def work(line: BoardConnection, job: Job) -> str:
        press_ctrl_c()
        return describe(line, job)

    line = FakeLine("a")
    outcomes = each([line], jobs_of("a", count=3), work)
    assert len(outcomes.unfinished_jobs) == 3
    assert line.closed == 1
    with pytest.raises(JobsFailed, match="3 of 3 jobs not begun"):
        outcomes.require_all()


def test_boards_that_wait_for_their_turn_do_not_begin_after_ctrl_c(
    waits: threading.Event,
) -> None:
    begun: list[str] = []

    def work(line: BoardConnection, job: Job) -> str:
        begun.append(line.name)
        assert waits.wait(PATIENCE_S)
        press_ctrl_c()
        assert _request.wait(PATIENCE_S)
        return describe(line, job)

    lines = [FakeLine(name) for name in "abcdef"]
    with suppress(KeyboardInterrupt):
        each(lines, jobs_of(*"abcdef"), work, parallel=1)
    assert begun == ["a"]
    assert [line.closed for line in lines] == [1] * 6


def test_an_only_failure_is_its_own_error() -> None:
    def lose(line: BoardConnection, job: Job) -> str:
        raise HostUnreachable("a is gone")

    outcomes = each([FakeLine("a")], [("a", 0)], lose)
    with pytest.raises(HostUnreachable) as caught:
        outcomes.require_all()
    assert caught.value.code == 8


def test_after_ctrl_c_jobs_that_never_began_have_not_failed(waits: threading.Event) -> None:
    def work(line: BoardConnection, job: Job) -> str:
        assert waits.wait(PATIENCE_S)
        press_ctrl_c()
        assert _request.wait(PATIENCE_S)
        return describe(line, job)

    outcomes = each([FakeLine("a"), FakeLine("b")], jobs_of("a", "b", count=4), work, parallel=1)
    assert len(outcomes.unfinished_jobs) == 7
    with pytest.raises(JobsFailed, match="7 of 8 jobs not begun") as caught:
        outcomes.require_all()
    assert "--retry-failed" in caught.value.remedy


def test_a_board_without_work_takes_over_from_one_that_is_lost_later() -> None:
    began, waiting = threading.Event(), threading.Event()

    def do(line: BoardConnection, job: Job) -> str:
        if line.name == "a":
            began.wait(PATIENCE_S)
            waiting.wait(0.3)
            raise HostUnreachable("a is gone")
        began.set()
        return describe(line, job)

    lines, shared = [FakeLine("a"), FakeLine("b")], {"a": "pi5", "b": "pi5"}
    outcomes = each(lines, jobs_of("pi5", count=2), do, shared=shared)
    assert not outcomes.failures
    assert len(outcomes.results) == 2


def test_each_failed_job_is_named_with_its_evidence_and_remedy(notes: list[str]) -> None:
    outcomes: JobOutcomes[Job, str] = JobOutcomes(
        jobs_of("a", count=3), lambda job: f"job {job[1]}"
    )
    outcomes.failed(0, BoardCommandFailed("nnrun failed", evidence="out of memory", remedy="rest"))
    outcomes.failed(1, BoardCommandFailed("nnrun failed", remedy="rest"))
    outcomes.done(2, "well")
    assert notes[0] == "✗ job 0: nnrun failed\n    out of memory"
    with pytest.raises(JobsFailed) as caught:
        outcomes.require_all()
    lines = caught.value.evidence.splitlines()
    assert lines == ["job 0: nnrun failed → rest", "job 1: nnrun failed → rest"]


def test_what_keeps_running_on_its_board_is_not_repeated() -> None:
    outcomes: JobOutcomes[Job, str] = JobOutcomes(jobs_of("a", count=4))
    outcomes.failed(0, RunNotEnded("it keeps running", keeps_running=True))
    outcomes.failed(1, RunNotEnded("the board lost it", interrupted=True))
    outcomes.done(2, "well")
    outcomes.skip_the_rest(RunNotEnded("stopped by Ctrl-C"))
    assert outcomes.unfinished_jobs == [("a", 1), ("a", 3)]

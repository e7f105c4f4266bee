"""``invoke ab``: two builds in turns on one board, again before it fails, INVALID runs left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.connection import BoardConnection
from piyard.build import builder
from piyard.build.builder import BUILD_SHELF, Build
from piyard.cli.board_requests import AbRequest
from piyard.cli.trials import measure_ab
from piyard.convert import converter
from piyard.convert.conversions import Conversion
from piyard.core import paths
from piyard.core.errors import (
    BoardCommandFailed,
    ConversionFailed,
    HostUnreachable,
    JobsFailed,
    PiyardError,
    SlowerThanAllowed,
    WrongInput,
)
from piyard.core.target import load_target
from piyard.measure import bench
from piyard.measure.ab_test import (
    ABBA_ORDER,
    Turn,
    load_build,
    pair_turns,
    plan_turns,
    resolve_build_key,
    run_ab_test,
)
from piyard.models.definition import load_model
from piyard.results.comparison import JobComparison
from piyard.results.result import Reason, Result, Verdict
from piyard.run.job import Job, JobContext
from piyard.run.run_folders import RUNS_FOLDER
from tests.support import synthetic_results
from tests.support.plans import job
from tests.unit.test_tasks import invoke

JOB = job("pi5", "rpi5", "resnet18", precision="fp16", threads=4)
HOT = Verdict(
    state="INVALID", reasons=[Reason(code="hot", grade="INVALID", text="85 °C: cool the board")]
)
KEYS = {"A": "aaaa", "B": "bbbb"}
CHANCE = (1.002, 0.999, 1.001, 0.998, 1.0, 1.003)
"""What runs of one build differ by."""


class Board:
    """Measures as it is told: medians by side, and what is special about some runs."""

    def __init__(
        self,
        a: float = 20.0,
        b: float = 20.0,
        *,
        later: float | None = None,
        special: dict[int, dict[str, Any]] | None = None,
    ) -> None:
        self.medians = {"A": a, "B": b}
        self.later = later
        """B's median from the fifth run on."""
        self.special = special or {}
        self.order: list[str] = []

    def measure(self, turn: Turn) -> Result:
        self.order.append(turn.side)
        number = len(self.order)
        median = self.medians[turn.side]
        if turn.side == "B" and self.later is not None and number > len(ABBA_ORDER):
            median = self.later
        samples = synthetic_results.around(median * CHANCE[number % len(CHANCE)], seed=number)
        special = {"build": KEYS[turn.side]} | self.special.get(number, {})
        return synthetic_results.result(f"run{number}", samples, **special)

    def contest(self, *, rounds: int = 1, limit: float | None = None) -> JobComparison:
        return run_ab_test(JOB, self.measure, rounds=rounds, limit=limit)

    @property
    def text(self) -> str:
        return "".join(self.order)


# The order.


def test_the_builds_take_turns() -> None:
    assert "".join(turn.side for turn in plan_turns(JOB, 2)) == "ABBAABBA"
    assert [turn.number for turn in plan_turns(JOB, 1, after=8)] == [9, 10, 11, 12]


@given(rounds=st.integers(1, 20))
def test_both_sides_have_the_same_mean_place_in_time(rounds: int) -> None:
    planned = plan_turns(JOB, rounds)
    at = {side: [t.number for t in planned if t.side == side] for side in ("A", "B")}
    assert len(at["A"]) == len(at["B"]) == 2 * rounds
    assert sum(at["A"]) == sum(at["B"])


@given(rounds=st.integers(1, 20))
def test_pairs_are_an_a_and_a_b_that_stand_side_by_side(rounds: int) -> None:
    planned = plan_turns(JOB, rounds)
    result = pair_turns(planned)
    assert all((a.side, b.side, abs(a.number - b.number)) == ("A", "B", 1) for a, b in result)
    assert sorted(turn.number for pair in result for turn in pair) == [t.number for t in planned]
    assert all(
        (b1.number > a1.number) != (b2.number > a2.number)
        for (a1, b1), (a2, b2) in pairwise(result)
    )


# What became of it.


def test_equal_builds_are_not_told_apart() -> None:
    board = Board()
    result = board.contest(limit=0.0)
    assert board.text == "ABBA"
    assert result.comparison.verdict == "not significant"
    assert [row.run for row in result.a] == ["run1", "run4"]
    assert [row.run for row in result.b] == ["run2", "run3"]


def test_a_slower_build_is_found_by_the_runs_medians() -> None:
    result = Board(20.0, 21.6).contest()
    assert result.comparison.verdict == "slower"
    assert result.comparison.effect == pytest.approx(0.08, abs=0.01)
    assert [(d.condition, d.a, d.b) for d in result.differences] == [("build", "aaaa", "bbbb")]


def test_without_a_limit_nothing_is_measured_again() -> None:
    board = Board(20.0, 25.0)
    assert not board.contest().too_slow(None)
    assert board.text == "ABBA"


def test_what_is_within_the_limit_is_not_measured_again() -> None:
    board = Board(20.0, 20.8)
    assert not board.contest(limit=0.05).too_slow(0.05)
    assert board.text == "ABBA"


def test_too_slow_is_measured_again_and_then_counts(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(20.0, 21.6)
    result = board.contest(rounds=2, limit=0.05)
    assert board.text == "ABBA" * 3
    assert result.too_slow(0.05)
    assert len(result.a) == len(result.b) == 6
    assert "once more before that counts" in capsys.readouterr().err


def test_what_does_not_come_again_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(20.0, 23.0, later=20.2)
    result = board.contest(limit=0.05)
    assert board.text == "ABBA" * 2
    assert not result.confirmed
    assert not result.too_slow(0.05)
    assert len(result.a) == 4
    assert "not confirmed, now +" in capsys.readouterr().err


def test_a_faster_build_is_never_too_slow() -> None:
    board = Board(20.0, 18.0)
    assert board.contest(limit=0.0).comparison.verdict == "faster"
    assert board.text == "ABBA"


def test_an_invalid_run_is_left_out_with_its_partner(capsys: pytest.CaptureFixture[str]) -> None:
    result = Board(special={3: {"verdict": HOT}}).contest(rounds=2)
    assert [row.run for row in result.a] == ["run1", "run5", "run8"]
    assert [row.run for row in result.b] == ["run2", "run6", "run7"]
    assert "left out: run3 is INVALID: 85 °C: cool the board" in capsys.readouterr().err


def test_too_many_invalid_runs_are_an_error() -> None:
    board = Board(special={1: {"verdict": HOT}, 3: {"verdict": HOT}})
    with pytest.raises(JobsFailed, match="undecided") as caught:
        board.contest()
    assert caught.value.code == 1


def test_an_alarm_that_cannot_be_measured_again_is_undecided_not_well() -> None:
    board = Board(20.0, 25.0, special={n: {"verdict": HOT} for n in range(5, 9)})
    with pytest.raises(JobsFailed, match="undecided"):
        board.contest(limit=0.05)


@pytest.mark.parametrize(
    ("special", "said"),
    [
        (
            {"head": synthetic_results.header(requested="fp16", data_type="fp32")},
            "data type fp16 and fp32",
        ),
        ({"facts": msgspec.structs.replace(synthetic_results.FACTS, kernel="6.99")}, "kernel"),
        ({"head": synthetic_results.header(threads=1)}, "threads 4 and 1"),
    ],
)
def test_builds_that_compute_differently_and_boards_that_change_are_refused(
    special: dict[str, Any], said: str
) -> None:
    with pytest.raises(WrongInput, match="unlike conditions: run1 and run2") as caught:
        Board(special={2: special}).contest()
    assert said in caught.value.evidence


def test_options_are_the_builds_own() -> None:
    special = {n: {"head": synthetic_results.header(options={"winograd": "off"})} for n in (2, 3)}
    result = Board(special=special).contest()
    assert {difference.condition for difference in result.differences} == {"build", "options"}


# Which builds.


def store_build(key: str, machine: str = "aarch64") -> None:
    folder = paths.artifacts() / BUILD_SHELF / key
    folder.mkdir(parents=True)
    (folder / "nnrun").write_text("program")
    result = msgspec.to_builtins(synthetic_results.build_manifest(elf={"machine": machine}))
    files = {"nnrun": {"bytes": 7, "sha256": ""}}
    (folder / "manifest.json").write_text(json.dumps(result | {"files": files}))


def test_a_build_is_named_by_the_start_of_its_key() -> None:
    store_build("2cc76dbb216eb149")
    store_build("2cf")
    (paths.artifacts() / BUILD_SHELF / ".2cc-draft").mkdir()
    assert resolve_build_key("a", "2cc") == "2cc76dbb216eb149"
    assert resolve_build_key("a", " current ") == "current"
    with pytest.raises(WrongInput, match="several builds begin with '2c'") as caught:
        resolve_build_key("a", "2c")
    assert caught.value.evidence == "2cc76dbb216eb149\n2cf"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no --b: a build is missing"),
        ("curent", "is named 'curent', did you mean 'current'"),
        ("../builds", "is named '../builds'"),
    ],
)
def test_a_build_there_is_not_is_said(text: str, said: str) -> None:
    with pytest.raises(WrongInput) as caught:
        resolve_build_key("b", text)
    assert said in caught.value.what
    assert "current" in caught.value.remedy


def test_a_build_of_another_machine_is_refused() -> None:
    store_build("2cc", machine="x86_64")
    with pytest.raises(WrongInput, match="build 2cc is for x86_64, and rpi5 is aarch64"):
        load_build("2cc", load_target("rpi5"))
    assert load_build("2cc", load_target("desktop")).key == "2cc"


def test_a_damaged_build_is_refused() -> None:
    store_build("2cc")
    (paths.artifacts() / BUILD_SHELF / "2cc" / "nnrun").unlink()
    with pytest.raises(WrongInput, match="is not whole"):
        load_build("2cc", load_target("rpi5"))


# The task.


@pytest.fixture
def both_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    store_build("aaaa", "x86_64")
    monkeypatch.setattr(
        builder,
        "build_nnrun",
        lambda target: Build(target=target.name, key="bbbb", folder=Path(), fresh=False),
    )
    converted = Conversion(
        model=load_model("squeezenet1_1"),
        key="cccc",
        folder=Path(),
        manifest=synthetic_results.manifest(failed=["fp16, noise: cosine 0.98"]),
        fresh=False,
    )
    monkeypatch.setattr(converter, "convert_model", lambda *_args, **_named: converted)


def play(
    monkeypatch: pytest.MonkeyPatch, do: Callable[[BoardConnection, Job, str], Result]
) -> list[str]:
    """``bench_one`` by ``do``, which is told the build; what it was asked, in order."""
    request: list[str] = []

    def bench_one(context: JobContext) -> Result:
        key = context.build.key
        request.append(f"{context.job.model.name} {context.job.threads} {key}")
        return do(context.connection, context.job, key)

    monkeypatch.setattr(bench, "run_benchmark", bench_one)
    return request


def measured(slow: float = 1.0) -> Callable[[BoardConnection, Job, str], Result]:
    count = iter(range(1000))

    def do(line: BoardConnection, job: Job, key: str) -> Result:
        number = next(count)
        median = 20.0 * CHANCE[number % len(CHANCE)] * (slow if key == "bbbb" else 1.0)
        return synthetic_results.emulated(
            f"run{number:03}",
            synthetic_results.around(median, seed=number),
            host=line.name,
            model=job.model.name,
            build=key,
            head=synthetic_results.header(threads=job.threads, requested=job.precision),
        )

    return do


def ab(**flags: Any) -> None:
    usual: dict[str, Any] = {
        "model": ["squeezenet1_1"],
        "precision": [],
        "threads": ["2"],
        "a": "aaaa",
        "b": "current",
        "rounds": "",
        "fail_above": "",
    }
    request = AbRequest.parse(usual | flags | {"host": ""})
    measure_ab(request.replace(hosts=tuple(flags.get("host", ["emulated:desktop"]))))


def test_each_run_has_its_sides_build(
    both_builds: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = play(monkeypatch, measured())
    ab(threads=["1", "2"], format="json")
    order = ("aaaa", "bbbb", "bbbb", "aaaa")
    assert request == [f"squeezenet1_1 {t} {key}" for t in (1, 2) for key in order]
    out, err = capsys.readouterr()
    content = json.loads(out)
    assert [(job["threads_a"], job["build_a"], job["build_b"]) for job in content] == [
        (1, "aaaa", "bbbb"),
        (2, "aaaa", "bbbb"),
    ]
    assert [job["verdict"] for job in content] == ["not significant"] * 2
    assert content[0]["runs_a"] == ["run000", "run003"]
    assert "compared: build aaaa and bbbb" in err
    assert "an emulated board's times say nothing about a Pi" in err
    assert "run 2 of 4, B (build bbbb)" in err


def test_the_board_stays_ours_from_the_first_run_to_the_last(
    both_builds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    do = measured()
    lines = set[int]()

    def run_one(line: BoardConnection, job: Job, key: str) -> Result:
        happened.append("run")
        lines.add(id(line))
        line.has_lease = True
        return do(line, job, key)

    monkeypatch.setattr(BoardConnection, "close", lambda _line: happened.append("close"))
    play(monkeypatch, run_one)
    ab(threads=["1", "2"])
    assert "".join(what[0] for what in happened).rstrip("c") == "r" * 8
    assert happened[-1] == "close"
    assert len(lines) == 1


def test_what_only_halves_are_too_little_for_is_compared_in_fp32(
    both_builds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = play(monkeypatch, measured())
    ab(precision=["fp32"])
    assert request
    request.clear()
    with pytest.raises(ConversionFailed, match="SqueezeNet"):
        ab(precision=["fp32", "fp16"])
    assert not request


def test_slower_than_allowed_twice_is_its_own_code(
    both_builds: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = play(monkeypatch, measured(1.2))
    with pytest.raises(SlowerThanAllowed) as caught:
        ab(fail_above="5%")
    assert len(request) == 8
    assert caught.value.code == 19
    assert "emulated:desktop: squeezenet1_1 fp32, 2 threads: +2" in caught.value.evidence
    assert "slower (emulated)" in capsys.readouterr().out


def test_a_job_that_fails_does_not_stop_the_others(
    both_builds: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    do = measured()

    def fail_on_one(line: BoardConnection, job: Job, key: str) -> Result:
        if job.threads == 1:
            raise BoardCommandFailed("'nnrun' failed")
        return do(line, job, key)

    play(monkeypatch, fail_on_one)
    with pytest.raises(JobsFailed, match="1 of 2 jobs failed"):
        ab(threads=["1", "2"], format="json")
    assert [job["threads_a"] for job in json.loads(capsys.readouterr().out)] == [2]


@pytest.mark.parametrize(("flags", "loops"), [({}, 7), ({"loops": "9"}, 9), ({"budget": "5"}, 0)])
def test_an_emulated_board_measures_enough_to_show_something(
    both_builds: None, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], loops: int
) -> None:
    result, do = set[int](), measured()

    def look(line: BoardConnection, job: Job, key: str) -> Result:
        result.add(job.bench.loops)
        return do(line, job, key)

    play(monkeypatch, look)
    ab(**flags)
    assert result == {loops}


def test_a_lost_board_is_its_own_error(both_builds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_line: BoardConnection, _job: Job, _key: str) -> Result:
        raise HostUnreachable("emulated:desktop does not answer")

    request = play(monkeypatch, lost)
    with pytest.raises(HostUnreachable):
        ab()
    assert len(request) == 1


def test_the_same_build_twice_is_said(
    both_builds: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(monkeypatch, measured())
    ab(a="aaaa", b="aa")
    err = capsys.readouterr().err
    assert "A and B are the same build aaaa: what differs is chance" in err
    assert "compared:" not in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"host": ["emulated:rpi5", "emulated:rpi4"]}, "2 boards are named"),
        ({"a": "cccc"}, "no build of artifacts/builds is named 'cccc'"),
        ({"rounds": "0"}, "--rounds takes a whole number from 1"),
        ({"fail_above": "much"}, "--fail-above takes a percentage"),
        ({"model": ["resnet-18"]}, "did you mean 'resnet18'"),
        ({"format": "xml"}, "unknown format 'xml'"),
        ({"host": ["emulated:rpi5"]}, "build aaaa is for x86_64, and rpi5 is aarch64"),
    ],
)
def test_a_mistake_is_said_before_anything_is_measured(
    both_builds: None, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], said: str
) -> None:
    request = play(monkeypatch, measured())
    with pytest.raises(PiyardError) as caught:
        ab(**flags)
    assert said in caught.value.what
    assert caught.value.code == 3
    assert not request


# As a user types it.


def typed(*flags: str) -> Sequence[str]:
    done = invoke("ab", "--host", "emulated:desktop", "--threads", "2", *flags)
    assert "Traceback" not in done.stderr
    return [str(done.returncode), *done.stdout.splitlines(), *done.stderr.splitlines()]


@pytest.mark.parametrize("flags", [("--a", "aa", "--b", "current"), ("-a", "aa", "-b=current")])
def test_a_dry_run_prints_the_order_with_one_dash_or_two(flags: Sequence[str]) -> None:
    store_build("aaaa", "x86_64")
    keys = ("A (build aaaa)", "B (build current)", "B (build current)", "A (build aaaa)")
    assert typed(*flags, "--dry-run", "--fail-above", "5") == [
        "0",
        *(
            f"ab: resnet18 fp32, 2 threads: run {at} of 4, {key}, on emulated:desktop (desktop)"
            for at, key in enumerate(keys, 1)
        ),
        "ab: 4 more runs of each job that is slower by more than 5 %",
    ]
    assert not (paths.artifacts() / RUNS_FOLDER).exists()


def test_a_missing_build_is_one_line() -> None:
    assert typed("--a", "current")[:2] == ["3", "piyard: no --b: a build is missing"]


@pytest.mark.parametrize("name", ["compare", "ab"])
def test_every_flag_is_explained(name: str) -> None:
    text = invoke("--help", name).stdout
    flags = [line for line in text.splitlines() if line.startswith("  -")]
    assert flags
    assert all(len(line.split("  ")[-1].strip()) > 3 and "--" in line for line in flags)
    assert " --, " not in text

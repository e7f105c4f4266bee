"""benchmarks/history.py: the results it stores are real ones, and its bars are kept or not."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import history as benchmark
from benchmarks.history import Command, Times
from piyard.results.history import stored_rows
from piyard.results.index_db import ResultFilter


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    return tmp_path


def test_what_is_stored_can_be_listed(artifacts: Path) -> None:
    benchmark.fill(25)
    rows = stored_rows(ResultFilter())
    assert len(rows) == 25
    assert {row.host for row in rows} <= set(benchmark.HOSTS)
    assert {row.summary.count for row in rows} == {benchmark.SAMPLES}
    assert len(list((artifacts / "results").glob("*.json"))) == 25


def test_all_of_them_have_names_of_their_own() -> None:
    chance = random.Random(1)
    ids = [benchmark.result(number, chance).record.id for number in range(2000)]
    assert len(set(ids)) == len(ids)


def test_the_rival_prints_the_newest(artifacts: Path) -> None:
    benchmark.fill(40)
    argv = benchmark.commands(artifacts)[-1].argv
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    newest = sorted(
        (result["record"]["when"], result["record"]["id"])
        for result in (
            json.loads(file.read_bytes()) for file in (artifacts / "results").glob("*.json")
        )
    )[-30:]
    assert [line.split()[1] for line in printed] == [run for _, run in newest]


@pytest.mark.parametrize(("took", "well"), [([0.1, 0.2, 9], True), ([0.1, 0.9, 0.8], False)])
def test_the_median_is_held_to_the_bar(
    capsys: pytest.CaptureFixture[str], took: list[float], well: bool
) -> None:
    request = [Command("invoke history", [], 0.5), Command("rival", [])]
    times = {"invoke history": [Times(wall, 0.1) for wall in took], "rival": [Times(2, 1.5)] * 3}
    assert benchmark.table(request, times) is well
    rival = capsys.readouterr().out.splitlines()[-1]
    assert rival.split()[:5] == ["rival", "2.000", "2.000", "2.000", "1.500"]


def test_all_are_timed_in_turns(tmp_path: Path) -> None:
    request = [Command(name, [sys.executable, "-c", ""]) for name in ("a", "b")]
    times = benchmark.measured(request, 2, tmp_path)
    assert {name: len(each) for name, each in times.items()} == {"a": 2, "b": 2}


def test_a_command_that_fails_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="exit code 3"):
        benchmark.seconds([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_cpu_time_is_that_of_the_process(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    assert benchmark.seconds([sys.executable, "-c", busy], tmp_path).cpu >= 0.3


def test_bytecode_is_kept_whatever_is_usual_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    benchmark.seconds([sys.executable, "-c", "import piyard.core.errors"], tmp_path)
    assert list(tmp_path.rglob("errors*.pyc"))

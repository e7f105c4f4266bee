"""benchmarks/telemetry_overhead.py: how counts become shares, and what the counted board starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import telemetry_overhead
from benchmarks.counted import board
from benchmarks.counted.board import Board
from benchmarks.telemetry_overhead import Run

COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**12))
PIYARD = {"nnrun-watch": 30_000, "vcgencmd": 50_000, "sh": 20_000}
FORMER = {"sh": 1_900_000, "vcgencmd": 100_000}
BOTH = {"piyard": PIYARD, "former shell loop": FORMER}
RUN = Run(model="resnet18", instructions=240_000_000, cpu_s=6.0)


def test_a_program_is_the_sum_of_its_processes(tmp_path: Path) -> None:
    (tmp_path / "sh").write_text("7 100\n8 20\n7 3\n")
    (tmp_path / "sleep").write_text("9 5\n")
    assert board.read(tmp_path) == {"sh": 123, "sleep": 5}


@given(once=COUNTS, often=COUNTS)
def test_what_happens_once_drops_out(once: dict[str, int], often: dict[str, int]) -> None:
    names = once.keys() | often.keys()
    more = {name: once.get(name, 0) + often.get(name, 0) for name in names}
    assert board.difference(more, once) == {name: often.get(name, 0) for name in names}


def test_the_share_is_of_what_the_run_gets_done_in_a_second() -> None:
    assert RUN.speed == 40_000_000
    assert telemetry_overhead.percent(PIYARD, RUN.speed) == pytest.approx(0.25)
    assert telemetry_overhead.percent(FORMER, RUN.speed) == pytest.approx(5)


def test_the_median_of_the_rounds_counts() -> None:
    rounds = [{"sh": 1, "mv": 4}, {"sh": 9}, {"sh": 3, "mv": 2}]
    assert telemetry_overhead.medians(rounds) == {"sh": 3, "mv": 2}


def test_the_tables_tell_all_of_it() -> None:
    costs, shares = telemetry_overhead.shown([RUN], BOTH, "plain").split("\n\n")
    assert costs.splitlines()[-1].split() == ["all", "100,000", "2,000,000"]
    assert "nnrun-watch" in costs
    assert "resnet18, emulated" in shares
    assert "0.250 %" in shares
    assert "5.000 %" in shares
    assert "0.0042 %" in shares.splitlines()[-1]


def test_json_has_the_figures() -> None:
    content = json.loads(telemetry_overhead.shown([RUN], BOTH, "json"))
    assert content["percent"]["piyard"]["resnet18"] == pytest.approx(0.25)
    assert content["beside_per_s"]["former shell loop"] == FORMER
    assert content["runs"][0]["instructions_per_s"] == 40_000_000


def test_what_a_program_starts_is_counted_under_its_own_name(tmp_path: Path) -> None:
    """The start script itself, with a program of this machine in the emulator's place."""
    emulator = tmp_path / "an emulator"
    emulator.write_text('#!/bin/sh\nprintf "<%s>" "$QEMU_PLUGIN" "$@"\n')
    emulator.chmod(0o755)
    (tmp_path / "bin").mkdir()
    board._start_script(tmp_path, str(emulator), "nnrun", Path("/x y/nnrun"), "nnrun-$1")
    here = Board(tmp_path)

    def started(counts: Path | None) -> str:
        argv = here.argv("nnrun", "watch", "a b", "")
        return subprocess.run(
            argv, env=here.environment(counts), capture_output=True, text=True, check=True
        ).stdout

    root = tmp_path / "root"
    what = f"<-L><{root}></x y/nnrun><watch><a b><>"
    counted = f"<{tmp_path}/count.so,out={tmp_path}/counts/nnrun-watch>"
    assert started(tmp_path / "counts") == counted + what
    assert started(None) == "<>" + what


def test_only_what_is_counted_is_on_path(tmp_path: Path) -> None:
    assert Board(tmp_path).environment(None)["PATH"] == str(tmp_path / "bin")
    assert "COUNTS" not in Board(tmp_path).environment(None)


def test_the_time_of_a_run_is_that_of_its_processor(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    here = Board(tmp_path)
    assert board.cpu_seconds(here, [sys.executable, "-c", busy], tmp_path) >= 0.3


def test_a_run_that_fails_ends_the_program(tmp_path: Path) -> None:
    here = Board(tmp_path)
    with pytest.raises(SystemExit, match="exit code 3"):
        board.run(here, ["/bin/sh", "-c", "exit 3"], None, tmp_path)
    with pytest.raises(SystemExit, match="exit code 4"):
        board.cpu_seconds(here, ["/bin/sh", "-c", "exit 4"], tmp_path)


def test_the_former_loop_tells_moments_until_the_run_ends(tmp_path: Path) -> None:
    former = Path(telemetry_overhead.__file__).parent / "counted/former_telemetry.sh"
    with subprocess.Popen(["sleep", "0.5"]) as run:
        stat = Path(f"/proc/{run.pid}/stat").read_text()
        started = stat.rpartition(")")[2].split()[19]
        subprocess.run(
            ["sh", str(former), str(run.pid), started], cwd=tmp_path, check=True, timeout=60
        )
    moments = [json.loads(line) for line in (tmp_path / "telemetry.jsonl").read_text().splitlines()]
    assert moments
    assert moments[0]["available_kb"] > 0

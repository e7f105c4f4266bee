"""kill -9 while results are stored: nothing that was said to be kept is lost, all files load."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from piyard.results.history import stored_rows
from piyard.results.result_files import load_result, read_result_file, results_folder, save_result
from tests.support import synthetic_results

ROOT = Path(__file__).resolve().parents[3]
LONG = 20_000
"""Samples that make a file long enough to be met half written."""
ROUNDS = 12

SAVER = f"""
import sys
from piyard.results import history
from piyard.results.result_files import save_result
from tests.support.synthetic_results import result

for number in range(1, 10_000):
    save_result(result("again", [float(number)] * {LONG}))
    save_result(result(f"{{sys.argv[1]}}-{{number:04}}", [float(number)] * {LONG}))
    print(number, flush=True)
    history.stored_rows()
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from piyard.results.result_files import save_result
from tests.support import synthetic_results

def killed(*_args):
    os.kill(os.getpid(), signal.SIGKILL)

def half(handle):
    os.truncate(handle, os.fstat(handle).st_size // 2)
    killed()

fsync, replace = os.fsync, Path.replace
place = sys.argv[1]
if place == "half written":
    os.fsync = half
elif place == "written":
    os.fsync = killed
elif place == "before the rename":
    Path.replace = killed
elif place == "after the rename":
    Path.replace = lambda draft, final: (replace(draft, final), killed())
save_result(synthetic_results.result("a", [2.0]))
"""


def python(program: str, argument: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, argument], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("place", "times"),
    [
        ("half written", [1.0]),
        ("written", [1.0]),
        ("before the rename", [1.0]),
        ("after the rename", [2.0]),
        ("nowhere", [2.0]),
    ],
)
def test_killed_at_each_step_the_old_or_the_new_result_is_there(
    place: str, times: list[float]
) -> None:
    save_result(synthetic_results.result("a", [1.0]))
    with python(KILLED, place) as child:
        code = child.wait(60)
    assert code == (0 if place == "nowhere" else -signal.SIGKILL)
    assert load_result("a").samples_ms == times
    assert [row.summary.median for row in stored_rows()] == times


def test_killed_at_random_moments_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    chance, said = random.Random(), dict[str, int]()
    for number in range(ROUNDS):
        name = f"round{number:02}"
        with python(SAVER, name) as child:
            assert child.stdout
            first = child.stdout.readline()
            time.sleep(chance.uniform(0, 0.2))
            child.kill()
            said[name] = int((first + child.stdout.read()).split()[-1])
    files = [file for file in results_folder().iterdir() if not file.name.startswith(".")]
    assert all(len(read_result_file(file).samples_ms) == LONG for file in files)
    promised = {f"{name}-{at:04}": at for name, last in said.items() for at in range(1, last + 1)}
    assert len(promised) >= ROUNDS
    assert all(load_result(run).samples_ms[0] == at for run, at in promised.items())
    assert load_result("again").samples_ms[0] >= said[f"round{ROUNDS - 1:02}"]
    rows = {row.run: row.summary.median for row in stored_rows()}
    assert promised.items() <= rows.items()
    assert rows.keys() == {file.stem for file in files}
    assert not capsys.readouterr().err

"""A cold start is measured in a process that has loaded nothing, from files not in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.runner.nets import small
from tests.runner.outcome import Outcome, Run, assert_refused

RUN = ["--shape", "3,12,10", "--loops", "2", "--warmup", "1", "--threads", "1"]
NOBODY = 65534


def test_cold_is_a_line_of_its_own_if_asked_for(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), *RUN]
    assert nnrun("bench", *flags).of("cold") == []
    outcome = nnrun("bench", *flags, "--cold")
    cold = outcome.line("cold")
    assert cold.keys() == {"type", "load_ms", "first_ms", "dropped"}
    assert cold["load_ms"] > 0
    assert cold["first_ms"] > 0
    kinds = [line["type"] for line in outcome.lines]
    assert kinds[:4] == ["header", "load", "cold", "warmup"]


def in_memory(path: Path) -> bool:
    """Whether the folder is a file system that has no disk to drop pages to."""
    kind = ["stat", "--file-system", "--format", "%T", str(path)]
    output = subprocess.run(kind, capture_output=True, text=True, check=True).stdout.strip()
    return output in {"tmpfs", "ramfs"}


def test_it_says_whether_the_files_left_memory(nnrun: Run, tmp_path):
    outcome = nnrun("bench", *small().write(tmp_path), *RUN, "--cold")
    assert outcome.line("cold")["dropped"] is not in_memory(tmp_path)


def test_what_lies_in_memory_cannot_be_dropped(nnrun: Run):
    shm = Path("/dev/shm")
    if not shm.is_dir() or not in_memory(shm):
        pytest.skip("no file system in memory here")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        outcome = nnrun("bench", *small().write(Path(folder)), *RUN, "--cold")
    assert outcome.line("cold")["dropped"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_of_somebody_elses_files_it_cannot_be_told(nnrun_path):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        net = small().write(folder)
        program = shutil.copy(nnrun_path, folder / "nnrun")
        line = [program, "bench", *net, *RUN, "--cold"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, user=NOBODY)
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    assert outcome.line("cold")["dropped"] is None


def test_weights_that_are_missing_are_exit_3(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    (tmp_path / "net.bin").unlink()
    outcome = nnrun("bench", *flags, *RUN, "--cold")
    assert_refused(outcome, 3, "net.bin")
    assert outcome.stdout == ""

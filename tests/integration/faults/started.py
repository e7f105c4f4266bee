"""Processes that were started, on a board or by its side, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from piyard.board.connection import BoardConnection
from piyard.run.deploy import deploy_releases
from piyard.run.job import release_for
from piyard.run.lifecycle import start_run
from piyard.run.record import Record, TaskInfo
from piyard.run.recording import new_record
from tests.support import faulty_board
from tests.support.faulty_board import Pi

ROOT = Path(__file__).resolve().parents[3]


def running(pi: Pi, text: str) -> None:
    """Wait until something with that text runs on the board."""
    faulty_board.wait_until(lambda: pi.processes(text), f"{text} runs")


def gone(pi: Pi, *texts: str) -> None:
    """No process of the board has one of these texts."""
    for text in texts:
        faulty_board.wait_until(lambda text=text: not pi.processes(text), f"no {text}", 10)


def begun(line: BoardConnection, verb: str, *arguments: str, limit_s: int = 60) -> Record:
    """A run that was started as a task starts it."""
    build, conversion = faulty_board.ready().of(faulty_board.job(line.name))
    release = release_for(build, conversion)
    facts = deploy_releases(line.session, [release], line.lease, keep=True).facts
    line.has_lease = True
    what = TaskInfo(slug=verb)
    record = new_record(line, line.spec, facts, build, conversion, slug=verb, what=what)
    return start_run(line, record, release, verb, arguments, limit_s)


@contextlib.contextmanager
def child(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """Another process of the desktop, in a session of its own."""
    with subprocess.Popen(
        [sys.executable, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()

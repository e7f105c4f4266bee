"""A command ends when it has to, whatever became of power, sshd or the terminal."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.release import HOME
from piyard.cli.stored_runs import _connection
from piyard.core.errors import BoardCommandFailed, RunNotEnded
from piyard.run.lifecycle import collect_run, finish_run
from piyard.run.remote import cancel_process
from piyard.run.run_folders import LOG_FILE, list_runs, read_record, run_folder
from tests.integration.faults.started import begun, child, gone, running
from tests.support import faulty_board
from tests.support.faulty_board import Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


def test_cancelling_ends_every_process_of_a_run_that_ignores_it(
    pi: Pi, line: BoardConnection
) -> None:
    record = begun(line, "stubborn")
    running(pi, "sleep 987")
    assert len(pi.processes("987")) >= 4
    done = collect_run(line, record, cancel_process(line.session, record.id))
    gone(pi, "987", "nnrun", "piyard")
    assert done.state == "cancelled"
    assert (run_folder(record.id) / LOG_FILE).read_text() == "deaf\n"
    with pytest.raises(RunNotEnded, match="was cancelled"):
        finish_run(line, record)


def test_a_run_beyond_its_limit_leaves_no_process(pi: Pi, line: BoardConnection) -> None:
    with pytest.raises(BoardCommandFailed, match="ended after 2 s"):
        faulty_board.do(line, "stubborn", limit_s=2)
    gone(pi, "987", "nnrun", "piyard")


def test_a_board_that_lost_power_says_that_the_run_was_interrupted(
    pi: Pi, line: BoardConnection
) -> None:
    record = begun(line, "lines", "1000")
    log = f"{HOME}/runs/{record.id}/{LOG_FILE}"
    faulty_board.wait_until(lambda: pi.sh(f"wc -l < {log}") > "1", "lines were written")
    pi.lose_power()
    with pytest.raises(RunNotEnded) as caught:
        finish_run(line, record)
    assert caught.value.interrupted
    assert caught.value.code == 17
    assert (run_folder(record.id) / LOG_FILE).read_text().startswith("line 1\n")
    gone(pi, "nnrun", "piyard")


def test_a_run_that_lost_power_is_repeated_when_asked_to(pi: Pi, line: BoardConnection) -> None:
    with ThreadPoolExecutor() as pool:
        done = pool.submit(faulty_board.do, line, "once_long", retry=1)
        faulty_board.wait_until(lambda: done.done() or pi.processes("nnrun once_long"), "it runs")
        pi.lose_power()
        record = done.result(timeout=60)
    assert record.state == "ended"
    assert (run_folder(record.id) / LOG_FILE).read_text() == "second\n"


def test_a_board_lost_before_the_run_began_is_an_interruption(
    pi: Pi, line: BoardConnection
) -> None:
    record = begun(line, "lines", "1000")
    pi.lose_power()
    pi.sh(f"cd {HOME}/runs/{record.id} && rm -f process && echo starting > status")
    with pytest.raises(RunNotEnded) as caught:
        finish_run(line, record)
    assert caught.value.interrupted


def test_a_run_goes_on_while_sshd_is_away(pi: Pi, line: BoardConnection) -> None:
    with ThreadPoolExecutor() as pool:
        done = pool.submit(faulty_board.do, line, "lines", "24")
        faulty_board.wait_until(lambda: done.done() or pi.processes("nnrun lines"), "it runs")
        pi.signal_sshd("KILL")
        record = done.result(timeout=60)
    assert record.state == "ended"
    assert (run_folder(record.id) / LOG_FILE).read_text().endswith("line 24\nall\n")


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.5])
def test_sshd_may_go_away_again_and_again(pi: Pi, way: BoardConnection, after_s: float) -> None:
    record = begun(way, "lines", "24")
    with ThreadPoolExecutor() as pool:
        done = pool.submit(finish_run, way, record)
        for _ in range(3):
            time.sleep(after_s)
            pi.signal_sshd("KILL")
        assert done.result(timeout=60).state == "ended"
    assert (run_folder(record.id) / LOG_FILE).read_text().endswith("line 24\nall\n")


INTERRUPTED = """
import sys
from piyard.core.errors import PiyardError
from tests.support import faulty_board
try:
    faulty_board.each(sys.argv[1], [verb.split() for verb in sys.argv[2:]]).require_all()
except PiyardError as error:
    print(error, file=sys.stderr)
    sys.exit(error.code)
"""


def interrupted(pi: Pi, board: str, *verbs: str) -> tuple[int, str]:
    """The exit code and last words of a desktop that got Ctrl-C during the first job."""
    with child("-c", INTERRUPTED, board, *verbs) as desktop:
        running(pi, f"nnrun {verbs[0]}")
        time.sleep(1)
        desktop.send_signal(signal.SIGINT)
        _, said = desktop.communicate(timeout=60)
        return desktop.returncode, said


def test_ctrl_c_leaves_the_run_going_on_and_says_how_to_get_at_it(pi: Pi, real: str) -> None:
    code, said = interrupted(pi, real, "lines 24")
    assert code == 17, said
    assert "Traceback" not in said
    (record,) = (read_record(folder) for folder in list_runs())
    assert f"invoke attach {record.id}" in said
    assert pi.processes("nnrun lines")
    with _connection(record) as line:
        done = finish_run(line, record)
    assert done.state == "ended"
    assert (run_folder(record.id) / LOG_FILE).read_text().endswith("line 24\nall\n")


def test_ctrl_c_does_not_go_on_to_the_next_job(pi: Pi, real: str) -> None:
    code, said = interrupted(pi, real, "lines 24", "stamp second")
    assert code != 0
    assert "Traceback" not in said
    assert pi.processes("nnrun lines")
    assert "second" not in pi.sh("cat stamps", check=False)
    assert len(list(list_runs())) == 1

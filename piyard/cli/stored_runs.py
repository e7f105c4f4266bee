"""Runs that keep running on their boards: list, attach, fetch, cancel."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.cli.answers import print_answers
from piyard.cli.chat import resume_chat
from piyard.cli.runs import print_predictions, require_readable
from piyard.convert.conversions import find_conversion
from piyard.core import console
from piyard.core.errors import PROGRAM, UnreadableLog, WrongInput
from piyard.core.tables import Cell, render_table
from piyard.core.text import format_count, format_digits, sanitize_line
from piyard.measure.bench import BENCH_TASK, conclude_benchmark
from piyard.models.definition import load_model
from piyard.predict.answers import is_answer, read_answer
from piyard.predict.chatting import CHAT
from piyard.predict.exchanges import EXCHANGE_COLUMNS, exchange_rows, read_history
from piyard.predict.prediction import is_prediction, read_prediction
from piyard.report.formats import render_rows
from piyard.results.derive import make_row
from piyard.results.result_files import load_result, result_file
from piyard.run import lifecycle, log, run_folders
from piyard.run.lifecycle import finish_run, require_success
from piyard.run.record import Record
from piyard.run.remote import cancel_process, read_status
from piyard.run.run_folders import LOG_FILE, find_run, read_record, run_folder

ALL_FAILED = "failed"
RUN_COLUMNS = ("Run", "Board", "What", "Started", "State", "Exit code")


def list_runs(form: str) -> None:
    """All runs of this checkout, and how they stood when last heard of."""
    rows = []
    for folder in run_folders.list_runs():
        try:
            rows.append(_run_row(read_record(folder)))
        except UnreadableLog as error:
            console.info(f"left out: {error.what}")
    print(render_table(RUN_COLUMNS, rows, form))
    if not rows:
        console.info(f"no runs yet: {PROGRAM} deploy-bench makes some")


def remove_runs(ids: Sequence[str], *, dry_run: bool) -> None:
    """Remove the folders of runs that are over; ``failed`` is all that gave no result.

    What was measured stays among the results.
    """
    folders = [folder for name in ids for folder in _removable(name)]
    for folder in dict.fromkeys(folders):
        if not dry_run:
            shutil.rmtree(folder)
        print(sanitize_line(f"{'remove' if dry_run else 'removed'} {folder}"))


def _removable(name: str) -> list[Path]:
    if name == ALL_FAILED:
        folders = run_folders.list_runs()
        return [each for each in folders if (stored := _read_record(each)) and stored.is_lost]
    folder = find_run(name)
    record = _read_record(folder)
    if record and record.state == "running":
        raise WrongInput(
            f"{record.id} keeps running on {record.host}, as far as was heard",
            remedy=f"{PROGRAM} attach {record.id} waits for it, "
            f"{PROGRAM} cancel {record.id} ends it",
        )
    return [folder]


def _read_record(folder: Path) -> Record | None:
    """The record of a run; None for one that cannot be read."""
    try:
        return read_record(folder)
    except UnreadableLog:
        return None


def attach(run_id: str, form: str, *, long: bool = False) -> None:
    """Wait for a run again, bring it back, and print what it gave."""
    record = read_record(find_run(run_id))
    if record.what.task == CHAT:
        _attach_chat(record, form)
        return
    if record.state == "running":
        with _connection(record) as line:
            record = finish_run(line, record, allow_bad_inputs=is_prediction(record))
    else:
        console.info(f"{record.id} is over ({record.state}), and was fetched")
    if record.is_lost and not is_prediction(record):
        _print_lost(record)
    _print_results(record, form, long=long)


def _attach_chat(record: Record, form: str) -> None:
    """Go on with a conversation, or show one that is over."""
    if record.state == "running":
        with _connection(record) as line:
            record = lifecycle.collect_run(line, record, read_status(line.session, record.id))
            if record.state == "running":
                resume_chat(line, record, form)
                return
    console.info(f"{record.id} is over ({record.state})")
    exchanges = read_history(run_folder(record.id)).exchanges
    if exchanges:
        print(render_table(EXCHANGE_COLUMNS, exchange_rows(exchanges), form))
    require_success(record)


def fetch(run_id: str) -> None:
    """Bring back what a run has written so far, without waiting."""
    record = read_record(find_run(run_id))
    with _connection(record) as connection:
        connection.has_lease = False
        done = lifecycle.collect_run(connection, record, read_status(connection.session, record.id))
    print(_state_line(done))


def cancel(run_id: str) -> None:
    """End a run on its board, its whole process group, and fetch what it wrote."""
    record = read_record(find_run(run_id))
    if record.state != "running":
        console.info(f"{record.id} is over already ({record.state})")
        return
    with _connection(record) as connection:
        done = lifecycle.collect_run(
            connection, record, cancel_process(connection.session, record.id)
        )
    print(_state_line(done))


@contextmanager
def _connection(record: Record) -> Iterator[BoardConnection]:
    """The line to the run's board, with the lease that the run was started with."""
    connection = BoardConnection(select_board(record.host), record.target)
    connection.lease = msgspec.structs.replace(connection.lease, token=record.token)
    connection.has_lease = True
    try:
        yield connection
    finally:
        connection.close()


def _run_row(record: Record) -> list[str]:
    what = f"{record.what.task} {record.what.slug}".strip()
    code = "" if record.exit_code is None else str(record.exit_code)
    exit_code = Cell(code, record.exit_code)
    return [record.id, record.host, what, record.when, record.state, exit_code]


def _print_results(record: Record, form: str, *, long: bool = False) -> None:
    if is_prediction(record):
        predictions = [read_prediction(record)]
        print_predictions(predictions, form)
        require_readable(predictions)
        return
    if is_answer(record):
        print_answers([read_answer(record)], form)
        return
    if record.what.work and result_file(record.id).is_file():
        stored = load_result(record.id)
        print(render_rows([make_row(stored)], form, [stored], long=long))
        return
    if record.what.task != BENCH_TASK:
        print(_state_line(record))
        return
    conversion = find_conversion(load_model(record.model.name), record.model.key)
    measured = conclude_benchmark(record, conversion)
    print(render_rows([make_row(measured)], form, [measured], long=long))


def _print_lost(record: Record) -> None:
    """What there is of a run without a result; raises what became of it."""
    print(_state_line(record))
    try:
        samples = [line.ms for line in log.read_log(run_folder(record.id) / LOG_FILE).samples]
    except UnreadableLog as error:
        console.info(f"nothing was measured: {error.what}")
    else:
        median = f", median {format_digits(statistics.median(samples))} ms" if samples else ""
        console.info(
            f"{format_count(len(samples), 'sample')} before it ended{median}: not a result"
        )
    require_success(record)


def _state_line(record: Record) -> str:
    return sanitize_line(
        f"{record.id} on {record.host}: {record.state}, in {run_folder(record.id)}"
    )

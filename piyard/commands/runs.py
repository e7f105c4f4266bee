"""Tasks about runs that go on without us: list, attach, fetch, cancel."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from piyard import bench, derive, detached, harmless, log, report, result, run, say, tables
from piyard.board import Line
from piyard.commands import look
from piyard.conversion import convert
from piyard.errors import UnreadableLog, WrongInput
from piyard.look import seen
from piyard.record import Record
from piyard.report.figures import count, digits

FAILED = "failed"
COLUMNS = ("Run", "Board", "What", "Started", "State", "Exit code")


def listed(form: str) -> None:
    """All runs of this checkout, and how they stood when last heard of."""
    rows = []
    for folder in result.runs():
        try:
            rows.append(_row(result.read_record(folder)))
        except UnreadableLog as error:
            say.note(f"left out: {error.what}")
    print(tables.render(COLUMNS, rows, form))
    if not rows:
        say.note("no runs yet: invoke deploy-bench makes some")


def remove(ids: Sequence[str], *, dry_run: bool) -> None:
    """Remove the folders of runs that are over; ``failed`` is all that gave no result.

    What was measured stays among the results.
    """
    folders = [folder for name in ids for folder in _removable(name)]
    for folder in dict.fromkeys(folders):
        if not dry_run:
            shutil.rmtree(folder)
        print(harmless.line(f"{'remove' if dry_run else 'removed'} {folder}"))


def _removable(name: str) -> list[Path]:
    if name == FAILED:
        return [folder for folder in result.runs() if (it := _read(folder)) and it.is_lost]
    folder = result.find(name)
    record = _read(folder)
    if record and record.state == "running":
        raise WrongInput(
            f"{record.id} keeps running on {record.host}, as far as was heard",
            remedy=f"invoke attach {record.id} waits for it, invoke cancel {record.id} ends it",
        )
    return [folder]


def _read(folder: Path) -> Record | None:
    """The record of a run; None for one that cannot be read."""
    try:
        return result.read_record(folder)
    except UnreadableLog:
        return None


def attach(run_id: str, form: str, *, long: bool = False) -> None:
    """Wait for a run again, bring it back, and print what it gave."""
    record = result.read_record(result.find(run_id))
    if record.state == "running":
        with _line(record) as line:
            record = run.finish(line, record, allow_bad_inputs=seen.is_of(record))
    else:
        say.note(f"{record.id} is over ({record.state}), and was fetched")
    if record.is_lost and not seen.is_of(record):
        _print_lost(record)
    _print(record, form, long=long)


def fetch(run_id: str) -> None:
    """Bring back what a run has written so far, without waiting."""
    record = result.read_record(result.find(run_id))
    with _line(record) as line:
        line.has_lease = False
        done = run.collect(line, record, detached.status(line.session, record.id))
    print(_told(done))


def cancel(run_id: str) -> None:
    """End a run on its board, its whole process group, and fetch what it wrote."""
    record = result.read_record(result.find(run_id))
    if record.state != "running":
        say.note(f"{record.id} is over already ({record.state})")
        return
    with _line(record) as line:
        done = run.collect(line, record, detached.cancel(line.session, record.id))
    print(_told(done))


@contextmanager
def _line(record: Record) -> Iterator[Line]:
    """The line to the run's board, with the lease that the run was started with."""
    line = Line(record.host, record.target)
    line.lease = msgspec.structs.replace(line.lease, token=record.token)
    line.has_lease = True
    try:
        yield line
    finally:
        line.close()


def _row(record: Record) -> list[str]:
    what = f"{record.what.get('task')} {record.what.get('slug', '')}".strip()
    code = "" if record.exit_code is None else str(record.exit_code)
    exit_code = tables.Value(code, record.exit_code)
    return [record.id, record.host, what, record.when, record.state, exit_code]


def _print(record: Record, form: str, *, long: bool = False) -> None:
    if seen.is_of(record):
        predictions = [seen.conclude(record)]
        look.tell(predictions, form)
        look.require_read(predictions)
        return
    if record.what.get("task") != bench.TASK:
        print(_told(record))
        return
    conversion = convert.find(str(record.model["name"]), str(record.model["key"]))
    measured = bench.conclude(record, conversion)
    print(report.render([derive.row(measured)], form, [measured], long=long))


def _print_lost(record: Record) -> None:
    """What there is of a run without a result; raises what became of it."""
    print(_told(record))
    try:
        samples = [line["ms"] for line in log.read(run.folder_of(record.id) / run.LOG).of("sample")]
    except UnreadableLog as error:
        say.note(f"nothing was measured: {error.what}")
    else:
        median = f", median {digits(statistics.median(samples))} ms" if samples else ""
        say.note(f"{count(len(samples), 'sample')} before it ended{median}: not a result")
    line = Line(record.host, record.target)
    run.require_well(line, record)


def _told(record: Record) -> str:
    return harmless.line(
        f"{record.id} on {record.host}: {record.state}, in {run.folder_of(record.id)}"
    )

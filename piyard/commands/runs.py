"""Tasks about runs that go on without us: list, attach, fetch, cancel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from piyard import bench, detached, harmless, report, result, row, run, say, tables
from piyard.board import Line
from piyard.commands import look
from piyard.conversion import convert
from piyard.errors import UnreadableLog
from piyard.look import seen
from piyard.record import Record

COLUMNS = ("Run", "Board", "What", "Started", "State", "Exit code")


def listed(form: str) -> None:
    """All runs of this checkout, and how they stood when last heard of."""
    tables.check_format(form)
    rows = []
    for folder in result.runs():
        try:
            rows.append(_row(result.read_record(folder)))
        except UnreadableLog as error:
            say.note(f"left out: {error.what}")
    print(tables.render(COLUMNS, rows, form))
    if not rows:
        say.note("no runs yet: invoke deploy-bench makes some")


def attach(run_id: str, form: str, *, long: bool = False) -> None:
    """Wait for a run again, bring it back, and print what it gave."""
    tables.check_format(form)
    record = result.read_record(result.find(run_id))
    if record.state == "running":
        with _line(record) as line:
            record = run.finish(line, record, partly=seen.is_of(record))
    else:
        say.note(f"{record.id} is over ({record.state}), and was fetched")
    _print(record, form, long=long)


def fetch(run_id: str) -> None:
    """Bring back what a run has written so far, without waiting."""
    record = result.read_record(result.find(run_id))
    with _line(record) as line:
        line.holds = False
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
    line.holds = True
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
        found = [seen.conclude(record)]
        look.tell(found, form)
        look.require_read(found)
        return
    if record.what.get("task") != bench.TASK:
        print(_told(record))
        return
    conversion = convert.find(str(record.model["name"]), str(record.model["key"]))
    measured = bench.conclude(record, conversion)
    print(report.render([row.of(measured)], form, [measured], long=long))


def _told(record: Record) -> str:
    return harmless.line(
        f"{record.id} on {record.host}: {record.state}, in {run.folder_of(record.id)}"
    )

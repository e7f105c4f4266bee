"""The task that lists what was measured before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from piyard import harmless, history, say, tables
from piyard.cli.desk_requests import HistoryRequest
from piyard.errors import WrongInput, nearest
from piyard.history import Filters, change, filters, names
from piyard.history.catalogue import Catalogue
from piyard.history.change import Change
from piyard.report.figures import digits, width
from piyard.row import Row

COLUMNS = (
    *("Run", "When (UTC)", "Board", "Model", "Data type", "Threads"),
    *("Median (ms)", "Verdict", "Change"),
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One result of the list."""

    row: Row
    change: Change
    short: str
    """As much of the run's id as is enough."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What the index answers."""

    lines: Sequence[Line]
    passing: int
    """How many results there would be without a limit."""
    hosts: Sequence[str]
    """That there are, told where nothing passes; and so for ``models``."""
    models: Sequence[str]


def listed(request: HistoryRequest) -> None:
    """One line a result, the newest last."""
    filters = _filters(request)
    answer = history.ask(lambda catalogue: _listed(catalogue, filters), rebuild=request.rebuild)
    if not answer.lines:
        raise _nothing(filters, answer)
    print(render(answer.lines, request.format))
    if left := answer.passing - len(answer.lines):
        say.note(f"{left} older results are left out: --last {answer.passing} shows all, --since …")


def render(lines: Sequence[Line], form: str) -> str:
    """The lines for people (``plain``, ``github``), or with plain numbers for programs."""
    if form == "json":
        records = [_fields(line) for line in lines]
        return harmless.json(json.dumps(records, indent=2, ensure_ascii=False))
    if form == "csv":
        rows = [["" if v is None else str(v) for v in _fields(line).values()] for line in lines]
        return tables.render(list(_fields(lines[0])), rows, form)
    return tables.render(COLUMNS, [_cells(line) for line in lines], form)


def _filters(request: HistoryRequest) -> Filters:
    return Filters(
        hosts=[host for text in request.hosts for host in _hosts(text)],
        models=request.models,
        since=filters.since(request.since),
        last=request.last,
    )


def _hosts(text: str) -> list[str]:
    """A tag means boards of the inventory; anything else is a name or a glob over stored ones."""
    if not text.startswith("@"):
        return [text]
    from piyard.fleet import choose

    return choose.choose([text])


def _listed(catalogue: Catalogue, filters: Filters) -> Listed:
    runs = catalogue.runs()
    lines = [
        Line(
            row=row,
            change=change.since(catalogue.previous(row), row),
            short=names.short(row.run, runs),
        )
        for row in catalogue.rows(filters)
    ]
    return Listed(
        lines=lines,
        passing=catalogue.count(filters),
        hosts=[] if lines else catalogue.hosts(),
        models=[] if lines else catalogue.models(),
    )


def _nothing(filters: Filters, answer: Listed) -> WrongInput:
    if not answer.hosts:
        return WrongInput("no results are stored yet", remedy="invoke deploy-bench makes some")
    for noun, named, stored in (
        ("board", filters.hosts, answer.hosts),
        ("model", filters.models, answer.models),
    ):
        if named and not set(named) & set(stored):
            return WrongInput(
                f"no result of {noun} {', '.join(named)}{nearest(named[0], stored)}",
                remedy=f"there are results of {', '.join(stored)}",
            )
    return WrongInput("no result passes these filters", remedy="ask for less: --since, --host, …")


def _cells(line: Line) -> list[str]:
    row = line.row
    half = width(row.summary)
    around = "" if half is None else f" ± {digits(half * row.summary.median)}"
    return [
        *(line.short, row.when[:16].replace("T", " "), row.host, row.model, row.data_type),
        *(str(row.threads), digits(row.summary.median) + around, row.verdict.state),
        line.change.text,
    ]


def _fields(line: Line) -> dict[str, Any]:
    row, figures = line.row, line.row.summary
    return {
        "run": row.run,
        "when": row.when,
        "host": row.host,
        "hardware": row.hardware,
        "model": row.model,
        "build": row.build,
        "asked": row.precision,
        "data_type": row.data_type,
        "threads": row.threads,
        "samples": figures.count,
        "median_ms": figures.median,
        "low_ms": figures.low,
        "high_ms": figures.high,
        "verdict": row.verdict.state,
        "reasons": "; ".join(reason.text for reason in row.verdict.reasons),
        "change_percent": line.change.percent,
        "change": line.change.text,
    }

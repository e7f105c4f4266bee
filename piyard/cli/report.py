"""Stored results as a table or a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.cli.desk_requests import ReportRequest
from piyard.core import paths
from piyard.core.errors import PROGRAM, WrongInput
from piyard.core.files import write_text
from piyard.report.formats import render_rows
from piyard.results.derive import make_row, parse_kwh_price, with_energy_cost
from piyard.results.history import newest_rows, stored_results, stored_rows
from piyard.results.index_db import ResultFilter
from piyard.results.result import Result, Row
from piyard.run.run_folders import find_run

PAGE = "report.html"
"""The default page, in artifacts/."""


def print_report(request: ReportRequest) -> None:
    """Print stored results, or write them to a file; a page always goes to a file."""
    filters = ResultFilter(hosts=request.hosts, models=request.models, newest=not request.all)
    rows = _one_row(request.run) if request.run else stored_rows(filters)
    if not rows:
        raise _nothing_stored(filters)
    form, price = request.format, parse_kwh_price(request.price_kwh)
    priced = [with_energy_cost(each, price) for each in rows]
    text = render_rows(priced, form, _results_for(form, rows), long=request.long)
    if not request.output and form != "html":
        print(text)
        return
    path = Path(request.output) if request.output else paths.artifacts() / PAGE
    write_text(path, text + "\n", remedy="name another with --output")
    print(path)


def _one_row(run_id: str) -> list[Row]:
    """The row of a run: from its stored result, else from its folder."""
    rows = [row for row in stored_rows() if row.run.startswith(run_id)]
    if len(rows) == 1:
        return rows
    return [make_row(each) for each in stored_results([find_run(run_id).name])]


def _results_for(form: str, rows: Sequence[Row]) -> list[Result]:
    """The results whose samples are needed: a page shows only those of each job's newest row."""
    needed = {"json": rows, "html": newest_rows(rows)}.get(form, [])
    return list(stored_results([row.run for row in needed]))


def _nothing_stored(filters: ResultFilter) -> WrongInput:
    if filters.hosts or filters.models:
        return WrongInput(
            "no stored result is of that board and model", remedy=f"{PROGRAM} report shows all"
        )
    return WrongInput("no results are stored yet", remedy=f"{PROGRAM} deploy-bench makes some")

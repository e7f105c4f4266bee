"""Tasks that need no board: build, and print what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard import build as builder
from piyard import cost, derive, history, paths, report, result, say, target, whole
from piyard.cli.desk_requests import ReportRequest
from piyard.errors import WrongInput
from piyard.history import Filters
from piyard.result import Result
from piyard.row import Row

PAGE = "report.html"
"""In artifacts/, where no other place is named."""


def builds(target_names: Sequence[str], source_name: str, *, dry_run: bool) -> None:
    """Build for targets, in their order, once all of them are known to be some."""
    for name in target_names:
        target.load(name)
    for name in target_names:
        build(name, source_name, dry_run=dry_run)


def build(target_name: str, source_name: str, *, dry_run: bool) -> None:
    """Build for a target, or say what that would take."""
    if dry_run:
        for line in builder.plan(target_name, source_name):
            print(line)
        return
    product = builder.build(target_name, source_name)
    facts = product.manifest["elf"]
    linked = "static" if facts["static"] else f"needs GLIBC {facts['glibc']}"
    size = product.nnrun.stat().st_size / 1e6
    state = "built" if product.fresh else "nothing changed"
    say.note(f"✓ {target_name}: {state}, build {product.key}, nnrun {size:.1f} MB, {linked}")
    print(product.folder)


def reprint(request: ReportRequest) -> None:
    """What is stored in a format, on the terminal or, a page always, in a file."""
    filters = Filters(hosts=request.hosts, models=request.models, newest=not request.all)
    rows = _one_row(request.run) if request.run else history.rows(filters)
    if not rows:
        raise _nothing_stored(filters)
    form, price = request.format, cost.price_kwh(request.price_kwh)
    priced = [cost.priced(each, price) for each in rows]
    text = report.render(priced, form, _results_for(form, rows), long=request.long)
    if not request.output and form != "html":
        print(text)
        return
    path = Path(request.output) if request.output else paths.artifacts() / PAGE
    whole.write(path, text + "\n", remedy="name another with --output")
    print(path)


def _one_row(run_id: str) -> list[Row]:
    """The run, of which only its result may be left; else what its folder says of it."""
    rows = [row for row in history.rows() if row.run.startswith(run_id)]
    if len(rows) == 1:
        return rows
    return [derive.row(each) for each in history.results([result.find(run_id).name])]


def _results_for(form: str, rows: Sequence[Row]) -> list[Result]:
    """A page brings the samples of the newest of each job only, so the others are not read."""
    needed = {"json": rows, "html": history.newest(rows)}.get(form, [])
    return list(history.results([row.run for row in needed]))


def _nothing_stored(filters: Filters) -> WrongInput:
    if filters.hosts or filters.models:
        return WrongInput(
            "no stored result is of that board and model", remedy="invoke report shows all"
        )
    return WrongInput("no results are stored yet", remedy="invoke deploy-bench makes some")

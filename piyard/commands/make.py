"""Tasks that need no board: build, convert, and print what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from piyard import build as builder
from piyard import (
    cost,
    history,
    job,
    model,
    originals,
    paths,
    report,
    result,
    row,
    say,
    tables,
    whole,
)
from piyard.conversion import Conversion, convert, converted, own
from piyard.conversion.own import Asked
from piyard.errors import WrongInput
from piyard.history import Filters
from piyard.result import Result
from piyard.row import Row

PAGE = "report.html"
"""In artifacts/, where no other place is named."""


def build(target_name: str, source_name: str, *, dry_run: bool) -> None:
    """Build for a target, or say what that would take."""
    if dry_run:
        for line in builder.plan(target_name, source_name):
            print(line)
        return
    made = builder.build(target_name, source_name)
    facts = made.manifest["elf"]
    linked = "static" if facts["static"] else f"needs GLIBC {facts['glibc']}"
    size = made.nnrun.stat().st_size / 1e6
    state = "built" if made.fresh else "nothing changed"
    say.note(f"✓ {target_name}: {state}, build {made.key}, nnrun {size:.1f} MB, {linked}")
    print(made.folder)


def conversions(
    names: Sequence[str], *, random_weights: bool, route: str, force: bool, dry_run: bool
) -> None:
    """Convert models, or say which would be."""
    job.check_names(names)
    for name in names:
        if dry_run:
            way = originals.require_route(model.load(name), route)
            print(f"convert {name} by route {way}, or find it converted")
            continue
        made = convert.convert(name, random_weights=random_weights, route=route, force=force)
        _say(made)
        if route and route != originals.routes(model.load(name))[0]:
            usual = convert.convert(name, random_weights=random_weights, force=True)
            for line in converted.beside(made, usual):
                say.note(f"  {line}")
        print(made.folder)


def add_model(asked: Asked, *, force: bool, form: str, dry_run: bool) -> None:
    """Make a model of the user's own file, and convert it; or say what that would take."""
    planned = own.plan(asked)
    for line in planned.told:
        say.note(line)
    if dry_run:
        return
    with ExitStack() as undo:
        undo.callback(own.forget, planned)  # whatever ends it, Ctrl-C too: it can be added again
        own.add(planned)
        made = convert.convert(planned.name, force=True)
        if not force:  # what only fp16 is too little for can be used in fp32
            made.require_proved(["fp32"])
        undo.pop_all()
    _say(made)
    print(tables.render(converted.COLUMNS, converted.rows(made), form))


def _say(made: Conversion) -> None:
    state = "converted and proved" if made.made else "nothing changed"
    told = f"FAILED its proof: {made.failed[0]}" if made.failed else state
    size = f"{made.manifest['params'] / 1e6:.2f} M params"
    say.note(f"{'✗' if made.failed else '✓'} {made.name}: {told}, {_weights(made)}, {size}")
    for note in converted.notes(made):
        say.note(f"  {note}")


def reprint(form: str, output: str, *, wanted: Filters, run_id: str, price_kwh: str = "") -> None:
    """What is stored in a format, on the terminal or, a page always, in a file."""
    report.check_format(form)
    rows = _one_row(run_id) if run_id else history.rows(wanted)
    if not rows:
        raise _nothing_stored(wanted)
    price = cost.price_kwh(price_kwh)
    priced = [cost.priced(one, price) for one in rows]
    text = report.render(priced, form, _results_for(form, rows))
    if not output and form != "html":
        print(text)
        return
    path = Path(output) if output else paths.artifacts() / PAGE
    whole.write(path, text + "\n", remedy="name another with --output")
    print(path)


def _one_row(run_id: str) -> list[Row]:
    """The run, of which only its result may be left; else what its folder says of it."""
    known = [one for one in history.rows() if one.run.startswith(run_id)]
    if len(known) == 1:
        return known
    return [row.of(found) for found in history.results([result.find(run_id).name])]


def _results_for(form: str, rows: Sequence[Row]) -> list[Result]:
    """A page brings the samples of the newest of each job only, so the others are not read."""
    needed = {"json": rows, "html": history.newest(rows)}.get(form, [])
    return list(history.results([one.run for one in needed]))


def _nothing_stored(wanted: Filters) -> WrongInput:
    if wanted.hosts or wanted.models:
        return WrongInput(
            "no stored result is of that board and model", remedy="invoke report shows all"
        )
    return WrongInput("no results are stored yet", remedy="invoke deploy-bench makes some")


def _weights(made: Conversion) -> str:
    told = made.manifest["weights"]
    return f"weights: {told['source']}" if made.has_real_weights else "random weights"

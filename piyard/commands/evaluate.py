"""``invoke evaluate``: how right a model is on known data, beside its original."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from piyard import model, options, pictures, pipeline, say, tables
from piyard.commands import work
from piyard.conversion import Conversion, convert, quantised
from piyard.evaluate import dataset, kept, one, table
from piyard.evaluate.dataset import Dataset
from piyard.evaluate.kept import Evaluation
from piyard.evaluate.one import Subject
from piyard.model import Model
from piyard.seat import Seat
from piyard.wanted import Wanted

BOARD_LIMIT_S = 6 * 3600


def evaluate(wanted: Wanted, typed: Mapping[str, Any]) -> None:
    """Evaluate the original, ncnn here, and nnrun on each board; a row a figure."""
    (name,) = wanted.models
    rules = one.judged(model.load(name))
    quantised.require_fit((name, precision) for precision in wanted.precisions)
    data = _data(rules, typed)
    if data.left_out:
        say.note(f"left out of {typed['data']}: {pictures.listed(data.left_out)}")
    desktop = not wanted.boards.names or bool(typed["desktop"])
    if wanted.dry_run:
        _print_plan(wanted, name, data, desktop=desktop)
        return
    subject = _subject(name, rules, data, wanted)
    made = [one.by_original(subject)]
    try:
        if desktop:
            precisions = wanted.precisions or ["fp32"]
            made += [one.by_desktop(subject, precision) for precision in precisions]
        if wanted.boards.names:
            _on_boards(wanted, subject, made)
    finally:
        print(tables.render(table.COLUMNS, table.rows(made, one.published(rules)), wanted.form))
        say.note(f"kept in {kept.folder()}")


def _data(rules: Model, typed: Mapping[str, Any]) -> Dataset:
    labels = model.labels(rules) if rules.labels else []
    limit = options.whole("limit", typed["limit"])
    return dataset.read(Path(typed["data"]).expanduser(), rules, labels, typed["kind"], limit)


def _subject(name: str, rules: Model, data: Dataset, wanted: Wanted) -> Subject:
    conversion = _conversion(name, wanted)
    detector = _conversion(rules.detector, wanted) if rules.detector else None
    return Subject(
        name=name,
        rules=rules,
        conversion=conversion,
        detector=detector,
        data=data,
        digest=data.digest,
    )


def _conversion(name: str, wanted: Wanted) -> Conversion:
    made = convert.convert(name, force=True)
    one.require_real(made)
    # Each board asks again, for the precisions it computes where none is named.
    return made if wanted.force else made.require_proved(wanted.precisions or ["fp32"])


def _on_boards(wanted: Wanted, subject: Subject, made: list[Evaluation]) -> None:
    limit_s = wanted.terms.limit_s or BOARD_LIMIT_S
    terms = msgspec.structs.replace(wanted.terms, limit_s=limit_s)
    longer = msgspec.structs.replace(wanted, terms=terms)
    with work.planned(longer, "evaluate") as (asked, lines, jobs, wrong):
        ready = pipeline.prepare(jobs, random_weights=False, force=asked.force)

        def judge(seat: Seat) -> Evaluation:
            return one.by_board(seat, subject)

        outcomes = work.each(asked, lines, jobs, ready, judge)
    made += outcomes.results
    work.conclude(outcomes, "evaluate", outcomes.unfinished_jobs, wrong, asked)


def _print_plan(wanted: Wanted, name: str, data: Dataset, *, desktop: bool) -> None:
    places = [("this desktop", one) for one in wanted.precisions or ["fp32"]] if desktop else []
    boards = work.planned(wanted, "evaluate") if wanted.boards.names else None
    with boards or nullcontext() as planned:
        places += [(one.host, one.precision) for one in planned[2]] if planned else []
        for place, precision in places:
            print(f"evaluate: {name} {precision} on {data.title}, on {place}")

"""``invoke evaluate``: how right a model is on known data, beside its original."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from piyard import model, pictures, pipeline, say, tables, wanted
from piyard.cli.board_requests import EvaluateRequest
from piyard.commands import work
from piyard.conversion import Conversion, convert, quantised
from piyard.evaluate import dataset, kept, one, table
from piyard.evaluate.dataset import Dataset
from piyard.evaluate.kept import Evaluation
from piyard.evaluate.one import Subject
from piyard.model import Model
from piyard.seat import Seat
from piyard.wanted import Boards

BOARD_LIMIT_S = 6 * 3600


def evaluate(request: EvaluateRequest) -> None:
    """Evaluate the original, ncnn here, and nnrun on each board; a row a figure."""
    (name,) = request.models
    loaded = one.judged(model.load(name))
    quantised.require_fit((name, precision) for precision in request.precisions)
    boards = wanted.named_boards(request)
    data = _data(loaded, request)
    if data.left_out:
        say.note(f"left out of {request.data}: {pictures.listed(data.left_out)}")
    if request.dry_run:
        _print_plan(request, boards, data)
        return
    subject = _subject(name, loaded, data, request)
    evaluations = [one.by_original(subject)]
    try:
        precisions = _on_desktop(request, boards)
        evaluations.extend(one.by_desktop(subject, precision) for precision in precisions)
        if boards.names:
            _on_boards(request, boards, subject, evaluations)
    finally:
        rows = table.rows(evaluations, one.published(loaded))
        print(tables.render(table.COLUMNS, rows, request.format))
        say.note(f"kept in {kept.folder()}")


def _on_desktop(request: EvaluateRequest, boards: Boards) -> Sequence[str]:
    """The precisions that ncnn here is judged in."""
    return (request.precisions or ("fp32",)) if request.desktop or not boards.names else ()


def _data(loaded: Model, request: EvaluateRequest) -> Dataset:
    labels = model.labels(loaded) if loaded.labels else []
    folder = Path(request.data).expanduser()
    return dataset.read(folder, loaded, labels, request.kind, request.pictures)


def _subject(name: str, loaded: Model, data: Dataset, request: EvaluateRequest) -> Subject:
    conversion = _conversion(name, request)
    detector = _conversion(loaded.detector, request) if loaded.detector else None
    return Subject(
        name=name,
        model=loaded,
        conversion=conversion,
        detector=detector,
        data=data,
        digest=data.digest,
    )


def _conversion(name: str, request: EvaluateRequest) -> Conversion:
    conversion = convert.convert(name, force=True)
    one.require_real(conversion)
    if request.force:
        return conversion
    # Each board asks again, for the precisions it computes where none is named.
    return conversion.require_proved(request.precisions or ["fp32"])


def _on_boards(
    request: EvaluateRequest, boards: Boards, subject: Subject, evaluations: list[Evaluation]
) -> None:
    longer = request.replace(limit=BOARD_LIMIT_S)
    with work.planned(longer, "evaluate", boards=boards) as plan:
        ready = pipeline.prepare(plan.jobs, random_weights=False, force=request.force)

        def judge(seat: Seat) -> Evaluation:
            return one.by_board(seat, subject)

        outcomes = work.each(plan, ready, judge)
    evaluations += outcomes.results
    work.conclude(outcomes, plan, outcomes.unfinished_jobs)


def _print_plan(request: EvaluateRequest, boards: Boards, data: Dataset) -> None:
    places = [("this desktop", precision) for precision in _on_desktop(request, boards)]
    planned = work.planned(request, "evaluate", boards=boards) if boards.names else None
    with planned or nullcontext() as plan:
        places += [(job.host, job.precision) for job in plan.jobs] if plan else []
        for place, precision in places:
            print(f"evaluate: {request.models[0]} {precision} on {data.title}, on {place}")

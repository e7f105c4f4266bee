"""``invoke prove``: whether boards compute what a model's original computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piyard import pipeline, say, tables
from piyard.board import Line
from piyard.boardproof import bear, keep, table
from piyard.boardproof.proven import Proven, prove
from piyard.boardproof.question import question
from piyard.boardproof.seat import Seat
from piyard.commands import work
from piyard.errors import ConversionFailed
from piyard.job import Job
from piyard.proof import Asked
from piyard.wanted import Wanted


def on_boards(asked: Wanted, *, pictures: int, mask: bool) -> None:
    """Prove each model in each precision on each board; with ``mask`` find what helps.

    Raises ``ConversionFailed`` after the table when an output differs all the same.
    """
    with work.planned(asked, "prove") as (wanted, lines, jobs, wrong):
        if wanted.dry_run:
            work.print_plan(wanted, jobs, "prove")
            return
        ready = pipeline.prepare(
            jobs, random_weights=wanted.random_weights, force=wanted.force, alone=True
        )
        models = dict.fromkeys(job.model for job in jobs)
        questions = {name: question(ready.conversions[name], pictures) for name in models}

        def judge(line: Line, job: Job) -> Proven:
            seat = Seat(line=line, job=job, ready=ready, terms=wanted.terms)
            return _judged(seat, questions, mask=mask)

        outcomes = work.each(wanted, lines, jobs, judge)
    _tell(outcomes.results, wanted.form)
    work.conclude(outcomes, "prove", outcomes.failed_jobs, wrong, wanted)
    _require(outcomes.results, masked=mask)


def _judged(seat: Seat, questions: Mapping[str, Asked], *, mask: bool) -> Proven:
    asked = questions[seat.job.model]
    made = prove(seat, asked)
    if not (mask and made.failed):
        return made
    return bear.helped(seat, asked, made) or made


def _tell(made: Sequence[Proven], form: str) -> None:
    if made:
        print(tables.render(table.COLUMNS, table.rows(made), form))
    for line in (line for one in made for line in table.lines(one)):
        say.note(line)
    for path in keep.keep(made):
        say.note(f"✓ masks written to {path}; the next conversion has them")


def _require(made: Sequence[Proven], *, masked: bool) -> None:
    wrong = [f"{one.model} on {one.host}, {line}" for one in made for line in one.failed]
    if not wrong:
        return
    remedy = "compute it in fp32, or in another precision: --precision"
    raise ConversionFailed(
        "a board does not compute what the original computes",
        evidence="\n".join(wrong),
        remedy=remedy
        if masked
        else f"--mask finds layers that must not compute in fp16; or {remedy}",
    )

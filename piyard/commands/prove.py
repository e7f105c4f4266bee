"""``invoke prove``: whether boards compute what a model's original computes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard import pipeline, say, tables, work
from piyard.boardproof import bear, closer, keep, table
from piyard.boardproof.closer import Closer
from piyard.boardproof.proven import Proven, prove
from piyard.boardproof.question import question
from piyard.cli.board_requests import ProveRequest
from piyard.commands import work as commanded
from piyard.errors import BoardCommandFailed, BoardDiskFull, ConversionFailed, UnreadableLog
from piyard.proof import Asked
from piyard.seat import Seat

MASKABLE = ("fp16", "int8")
"""Precisions whose layers ncnn's masks can spare fp16."""
SMALL_FAULTS = (BoardCommandFailed, BoardDiskFull, UnreadableLog)
"""What may stop a closer look, which takes more memory and room, but not the proof itself."""


def on_boards(request: ProveRequest) -> None:
    """Prove each model in each precision on each board; with ``mask`` find what helps.

    Raises ``ConversionFailed`` after the table when an output differs all the same.
    """
    with commanded.planned(request, "prove") as plan:
        if request.dry_run:
            plan.print()
            return
        ready = pipeline.prepare(
            plan.jobs, random_weights=request.random_weights, force=request.force, alone=True
        )
        models = dict.fromkeys(job.model for job in plan.jobs)
        questions = {name: question(ready.conversions[name], request.pictures) for name in models}

        def judge(seat: Seat) -> Proven:
            return judged(seat, questions[seat.job.model], mask=request.mask)

        outcomes = commanded.each(plan, ready, judge)
    _tell(outcomes.results, request.format)
    commanded.conclude(outcomes, plan, outcomes.unfinished_jobs)
    _require(outcomes.results, masked=request.mask)


def judged(seat: Seat, question: Asked, *, mask: bool) -> Proven:
    """The proof; where it failed, where that begins and, with ``mask``, what helps."""
    proof = prove(seat, question)
    if not proof.failed:
        return proof
    try:
        looked = closer.look(seat, question, proof)
    except SMALL_FAULTS as error:
        return msgspec.structs.replace(proof, where=[f"where it begins is not known: {error.what}"])
    begins = [line for probe in looked for line in closer.where(seat, question, probe, proof.least)]
    located = msgspec.structs.replace(proof, where=begins)
    return _helped(seat, question, looked, located) if mask and _is_maskable(proof) else located


def _helped(seat: Seat, question: Asked, looked: Sequence[Closer], proof: Proven) -> Proven:
    try:
        return bear.helped(seat, question, looked) or proof
    except SMALL_FAULTS as error:
        say.note(f"{proof.model} on {proof.host}: which masks help is not known: {error.what}")
        return proof
    finally:  # what was tried is not what the board is left with
        work.put(seat.line, [seat.release], seat.build, seat.terms)


def _is_maskable(proof: Proven) -> bool:
    in_halves = proof.asked in MASKABLE and not proof.precision.startswith("fp32")
    return in_halves and bool(proof.astray)


def _tell(proofs: Sequence[Proven], form: str) -> None:
    if proofs:
        print(tables.render(table.COLUMNS, table.rows(proofs), form))
    for line in (line for proof in proofs for line in table.lines(proof)):
        say.note(line)
    for path in keep.keep(proofs):
        say.note(f"✓ masks written to {path}; the next conversion has them")


def _require(proofs: Sequence[Proven], *, masked: bool) -> None:
    failed = [proof for proof in proofs if proof.failed]
    if not failed:
        return
    remedies = {_remedy(proof, masked=masked): None for proof in failed}
    raise ConversionFailed(
        f"{len(failed)} of {len(proofs)} do not compute what the original computes",
        remedy="; ".join(remedies),
    )


def _remedy(proof: Proven, *, masked: bool) -> str:
    if proof.precision.startswith("fp32"):
        return f"fp32 itself is wrong on {proof.host}: build anew, or compare with another board"
    if _is_maskable(proof) and not masked:
        return "--mask finds layers that must not compute in fp16"
    return "compute it in fp32: --precision fp32"

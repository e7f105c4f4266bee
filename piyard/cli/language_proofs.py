"""``prove`` of language models: logits of boards beside those of the original."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build.builder import build_nnrun
from piyard.cli.answers import OF_RUNS
from piyard.cli.board_requests import ProveRequest
from piyard.cli.boards import Boards, named_or_emulated
from piyard.cli.job_plan import run_options
from piyard.cli.request import require_known_flags
from piyard.convert.language.conversions import LanguageConversion
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.formats import USUAL_PRECISION, find_formats
from piyard.convert.language.plan import LanguagePlan, plan_language
from piyard.core import console
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.core.tables import render_table
from piyard.models.language_models import language_model_names, load_language_model
from piyard.prove.language_proof import (
    LANGUAGE_PROOF_COLUMNS,
    LanguageBoardProof,
    language_proof_row,
    prove_language_on_board,
)
from piyard.prove.language_scores import LanguageProofContext
from piyard.run.outcomes import JobOutcomes
from piyard.run.plan import check_threads, identify_boards
from piyard.run.schedule import run_on_boards


class ProofJob(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion on one board."""

    board: BoardSpec
    plan: LanguagePlan
    conversion: LanguageConversion

    @property
    def title(self) -> str:
        """A name for people."""
        return f"{self.conversion.model.name} {self.plan.inputs.precision} on {self.board.name}"


Outcomes = JobOutcomes[ProofJob, LanguageBoardProof]


def names_language_models(request: ProveRequest) -> bool:
    """Whether it is about language models; raises ``WrongInput`` where only some of them are."""
    others = set(request.models) - set(language_model_names())
    if others and len(others) < len(set(request.models)):
        raise WrongInput(
            f"{', '.join(sorted(others))} is proved by pictures, the others by a text",
            remedy="give language models a command of their own",
        )
    return not others


def prove_language_models(request: ProveRequest) -> None:
    """Prove each model in each precision on each board.

    Raises ``ConversionFailed`` after the table when logits differ too much.
    """
    require_known_flags(request, OF_RUNS, "a language model")
    precisions = request.precisions or (USUAL_PRECISION,)
    for precision in precisions:
        find_formats(precision)
    boards = named_or_emulated(request)
    connections = boards.connections()
    try:
        usable, unusable = identify_boards(
            connections, parallel=boards.parallel, dry_run=request.dry_run
        )
        outcomes: Outcomes = JobOutcomes([])
        for each in usable:
            check_threads(each.spec, request.threads)
        if request.dry_run:
            _print_plan(request, precisions, usable)
        elif usable:
            outcomes = _prove_all(request, precisions, boards, usable)
        for error in unusable.values():
            outcomes.also_failed(error)
    finally:
        for connection in connections:
            connection.close()
    _print_proofs(outcomes.results, request.format)
    outcomes.require_all()
    _require_proved(outcomes.results)


def _print_plan(
    request: ProveRequest, precisions: Sequence[str], usable: Sequence[BoardConnection]
) -> None:
    for each in usable:
        for name in request.models:
            for precision in precisions:
                print(f"prove: {name} {precision}, on {each.name} ({each.target.name})")


def _plan_jobs(
    request: ProveRequest, precisions: Sequence[str], usable: Sequence[BoardConnection]
) -> list[ProofJob]:
    """A job for each conversion and board; what is not converted yet is converted."""
    plans = [
        plan_language(model, precision, random_weights=request.random_weights)
        for model in map(load_language_model, request.models)
        for precision in precisions
    ]
    converted = [(plan, convert_language_model(plan, force=request.force)) for plan in plans]
    return [
        ProofJob(board=each.spec, plan=plan, conversion=conversion)
        for each in usable
        for plan, conversion in converted
    ]


def _prove_all(
    request: ProveRequest,
    precisions: Sequence[str],
    boards: Boards,
    usable: Sequence[BoardConnection],
) -> Outcomes:
    jobs = _plan_jobs(request, precisions, usable)
    targets = {each.target.name: each.target for each in usable}
    builds = {name: build_nnrun(target) for name, target in targets.items()}
    options = run_options(request)

    def prove(connection: BoardConnection, job: ProofJob) -> LanguageBoardProof:
        return prove_language_on_board(
            LanguageProofContext(
                connection=connection,
                build=builds[job.board.target.name],
                plan=job.plan,
                conversion=job.conversion,
                threads=(request.threads or (job.board.default_threads,))[0],
                options=options,
            )
        )

    return run_on_boards(
        usable,
        jobs,
        prove,
        group_of_job=lambda job: job.board.name,
        title=lambda job: job.title,
        parallel=boards.parallel,
    )


def _print_proofs(proofs: Sequence[LanguageBoardProof], form: str) -> None:
    if proofs:
        print(render_table(LANGUAGE_PROOF_COLUMNS, list(map(language_proof_row, proofs)), form))
    for proof in proofs:
        for line in proof.failed:
            console.info(f"✗ {proof.model} {proof.precision} on {proof.host}: {line}")


def _require_proved(proofs: Sequence[LanguageBoardProof]) -> None:
    if failed := [proof for proof in proofs if proof.failed]:
        raise ConversionFailed(
            f"{len(failed)} of {len(proofs)} do not compute what the original computes",
            remedy="more bits a weight are nearer: --precision int8, fp16 or fp32; if fp32 itself "
            "is wrong, build anew, or compare with another board",
        )

"""Trials of a model or a build: proof on boards, accuracy on known data, build A against B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from piyard.board.connection import BoardConnection
from piyard.cli.board_requests import AbRequest, EvaluateRequest, ProveRequest
from piyard.cli.boards import Boards, named_boards, named_or_emulated
from piyard.cli.job_plan import conclude, plan_jobs, plan_work, run_jobs, run_options
from piyard.cli.own_models import load_or_add
from piyard.convert import converter
from piyard.convert.conversions import Conversion
from piyard.convert.param import INT8, is_quantised, require_precisions
from piyard.core import console
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.core.tables import STYLES, Column, render_table
from piyard.data.summary import DataSummary, render_summary, summarise_data
from piyard.evaluate.dataset import JudgedData, read_dataset
from piyard.evaluate.evaluation import (
    Subject,
    evaluate_board,
    evaluate_desktop,
    evaluate_original,
    published_figures,
    require_real_weights,
    with_evaluation_thresholds,
)
from piyard.measure import bench
from piyard.measure.ab_test import (
    ABBA_ORDER,
    BuildSide,
    Turn,
    load_build,
    plan_turns,
    resolve_build_key,
    run_ab_test,
)
from piyard.models.definition import Model, read_labels
from piyard.prove.board_proof import (
    PROOF_COLUMNS,
    BoardProof,
    prepare_inputs,
    proof_remarks,
    proof_rows,
)
from piyard.prove.find_masks import SEARCH_LIMIT_S, is_maskable, prove_and_explain
from piyard.prove.model_masks import save_masks
from piyard.report.formats import render_comparison
from piyard.results import accuracies
from piyard.results.accuracies import EVALUATION_COLUMNS, Evaluation, evaluation_rows
from piyard.results.comparison import JobComparison, note_differences, note_rows, require_not_slower
from piyard.results.result import Result
from piyard.results.significance import MIN_RUN_SAMPLES
from piyard.run.job import Job, JobContext, Prepared
from piyard.run.outcomes import JobOutcomes
from piyard.run.plan import convert_models, identify_boards, prepare_jobs
from piyard.run.schedule import run_on_boards


def prove_on_boards(request: ProveRequest) -> None:
    """Prove each model in each precision on each board; with ``mask`` find what helps.

    Raises ``ConversionFailed`` after the table when an output differs all the same.
    """
    with plan_work(request, "prove") as plan:
        if request.dry_run:
            plan.print()
            return
        prepared = prepare_jobs(
            plan.jobs, random_weights=request.random_weights, force=request.force, alone=True
        )
        questions = {
            name: prepare_inputs(conversion, request.pictures)
            for name, conversion in prepared.conversions.items()
        }

        def judge(context: JobContext) -> BoardProof:
            question = questions[context.job.model.name]
            limit_s = request.mask_limit or SEARCH_LIMIT_S
            return prove_and_explain(context, question, mask=request.mask, mask_limit_s=limit_s)

        outcomes = run_jobs(plan, prepared, judge)
    _print_proofs(outcomes.results, request.format)
    conclude(outcomes, plan, outcomes.unfinished_jobs)
    _require_proved(outcomes.results, masked=request.mask)


def _print_proofs(proofs: Sequence[BoardProof], form: str) -> None:
    if proofs:
        print(render_table(PROOF_COLUMNS, proof_rows(proofs), form))
    for line in (line for proof in proofs for line in proof_remarks(proof)):
        console.info(line)
    for path in save_masks(proofs):
        console.info(f"✓ masks written to {path}; the next conversion has them")


def _require_proved(proofs: Sequence[BoardProof], *, masked: bool) -> None:
    failed = [proof for proof in proofs if proof.failed]
    if not failed:
        return
    remedies = {_proof_remedy(proof, masked=masked): None for proof in failed}
    raise ConversionFailed(
        f"{len(failed)} of {len(proofs)} do not compute what the original computes",
        remedy="; ".join(remedies),
    )


def _proof_remedy(proof: BoardProof, *, masked: bool) -> str:
    if proof.precision.startswith("fp32"):
        return f"fp32 itself is wrong on {proof.host}: build anew, or compare with another board"
    if is_maskable(proof) and not masked:
        return "--mask finds layers that must not compute in fp16"
    return "compute it in fp32: --precision fp32"


BOARD_LIMIT_S = 6 * 3600


def evaluate_model(request: EvaluateRequest) -> None:
    """Evaluate the original, ncnn here, and nnrun on each board; a row a figure."""
    (model,) = load_or_add(request.models, dry_run=request.dry_run)
    require_precisions((model, precision) for precision in request.precisions)
    boards = named_boards(request)
    data = _read_dataset(model, request)
    for line in data.unjudged_classes:
        console.info(line)
    if request.dry_run:
        _print_evaluation_plan(request, boards, model, data)
        return
    for line in data.unjudged_files:
        console.info(line)
    subject = _subject(model, data, request)
    evaluations = [evaluate_original(subject)]
    try:
        precisions = _desktop_precisions(request, boards, model)
        evaluations.extend(evaluate_desktop(subject, precision) for precision in precisions)
        if boards.names:
            _evaluate_on_boards(request, boards, subject, evaluations)
    finally:
        rows = evaluation_rows(evaluations, published_figures(model))
        print(render_table(EVALUATION_COLUMNS, rows, request.format))
        console.info(f"kept in {accuracies.evaluations_folder()}")


def _desktop_precisions(request: EvaluateRequest, boards: Boards, model: Model) -> Sequence[str]:
    """The precisions that ncnn here is judged in."""
    if boards.names and not request.desktop:
        return ()
    return request.precisions or (INT8 if is_quantised(model) else "fp32",)


def _read_dataset(model: Model, request: EvaluateRequest) -> JudgedData:
    labels = read_labels(model) if model.labels else []
    folder = Path(request.data).expanduser()
    return read_dataset(
        folder, model, labels, request.data_format, limit=request.pictures, split=request.split
    )


def _subject(model: Model, data: JudgedData, request: EvaluateRequest) -> Subject:
    detector = model.detector_model
    return Subject(
        name=model.name,
        model=with_evaluation_thresholds(model),
        conversion=_convert_for(model, request),
        detector=_convert_for(detector, request) if detector else None,
        data=data,
        digest=data.digest,
    )


def _convert_for(model: Model, request: EvaluateRequest) -> Conversion:
    conversion = converter.convert_model(model, force=True)
    require_real_weights(conversion)
    if request.force:
        return conversion
    # Each board asks again, for the precisions it computes where none is named.
    return conversion.require_proved(request.precisions or ["fp32"])


def _evaluate_on_boards(
    request: EvaluateRequest, boards: Boards, subject: Subject, evaluations: list[Evaluation]
) -> None:
    longer = request.replace(limit=BOARD_LIMIT_S)
    with plan_work(longer, "evaluate", boards=boards, models=[subject.conversion.model]) as plan:
        prepared = prepare_jobs(plan.jobs, random_weights=False, force=request.force)

        def judge(context: JobContext) -> Evaluation:
            return evaluate_board(context, subject)

        outcomes = run_jobs(plan, prepared, judge)
    evaluations += outcomes.results
    conclude(outcomes, plan, outcomes.unfinished_jobs)


def _print_evaluation_plan(
    request: EvaluateRequest, boards: Boards, model: Model, data: JudgedData
) -> None:
    here = _desktop_precisions(request, boards, model)
    places = [("this desktop", precision) for precision in here]
    planned = plan_work(request, "evaluate", boards=boards, models=[model])
    with planned if boards.names else nullcontext() as plan:
        places += [(job.host, job.precision) for job in plan.jobs] if plan else []
    lines = [
        f"evaluate: {model.name} {precision} on {data.title}, on {place}"
        for place, precision in places
    ]
    planned_column = Column[DataSummary](key="planned", value=lambda _: lines)
    print(render_summary(summarise_data(data.data), request.format, planned_column))
    if request.format in STYLES:
        print("\n".join(lines))


CONFIRMED = "this was measured twice, in turns: look at what changed between the builds"


def measure_ab(request: AbRequest) -> None:
    """Measure, print what became of each job from A to B.

    With ``fail_above`` raises ``SlowerThanAllowed`` when a job is slower by more than that, and
    stays so when it is measured again.
    """
    keys: dict[BuildSide, str] = {
        "A": resolve_build_key("a", request.a),
        "B": resolve_build_key("b", request.b),
    }
    connection = _only_board(request)
    try:
        jobs = _ab_jobs(connection, request)
        if request.dry_run:
            _print_ab_plan(jobs, keys, request)
            return
        outcomes = _measure_both(connection, jobs, keys, request)
    finally:
        connection.close()
    _print_ab_results(outcomes, request)


def _only_board(request: AbRequest) -> BoardConnection:
    connections = named_or_emulated(request).connections()
    if len(connections) != 1:
        raise WrongInput(
            f"{len(connections)} boards are named, and two builds are compared on one",
            evidence="\n".join(connection.name for connection in connections),
            remedy="name one --host",
        )
    return connections[0]


def _ab_jobs(connection: BoardConnection, request: AbRequest) -> list[Job]:
    _, unusable = identify_boards([connection], dry_run=request.dry_run)
    for error in unusable.values():
        raise error
    if connection.spec.emulated and request.loops is None and not request.budget:
        # A benchmark there is content with fewer, which show nothing.
        request = request.replace(loops=MIN_RUN_SAMPLES)
    return plan_jobs(request, [connection], load_or_add(request.models, dry_run=request.dry_run))


def _measure_both(
    connection: BoardConnection,
    jobs: Sequence[Job],
    keys: Mapping[BuildSide, str],
    request: AbRequest,
) -> JobOutcomes[Job, JobComparison]:
    """Both builds are on the board throughout, and the board stays ours until the last job."""
    prepared = _prepare_both(connection, jobs, keys, request)
    options = run_options(request)

    def compare(at: BoardConnection, job: Job) -> JobComparison:
        def measure(turn: Turn) -> Result:
            console.info(turn.text(prepared[turn.side].of(job)[0].key))
            return bench.run_benchmark(
                JobContext(connection=at, job=job, prepared=prepared[turn.side], options=options)
            )

        return run_ab_test(job, measure, rounds=request.rounds, limit=request.fail_above)

    return run_on_boards([connection], jobs, compare, group_of_job=lambda job: job.host)


def _prepare_both(
    connection: BoardConnection,
    jobs: Sequence[Job],
    keys: Mapping[BuildSide, str],
    request: AbRequest,
) -> dict[BuildSide, Prepared]:
    loaded = {which: load_build(key, connection.target) for which, key in keys.items()}
    if loaded["A"].key == loaded["B"].key:
        console.info(f"A and B are the same build {loaded['A'].key}: what differs is chance")
    computed = [(job.model, job.precision) for job in jobs]
    conversions = convert_models(computed, random_weights=request.random_weights)
    return {
        which: Prepared(builds={connection.target.name: build}, conversions=conversions)
        for which, build in loaded.items()
    }


def _print_ab_plan(jobs: Sequence[Job], keys: Mapping[BuildSide, str], request: AbRequest) -> None:
    for job in jobs:
        for turn in plan_turns(job, request.rounds):
            print(f"ab: {turn.text(keys[turn.side])}, on {job.host} ({job.board.target.name})")
    if request.fail_above is not None:
        print(
            f"ab: {len(ABBA_ORDER)} more runs of each job that is slower by more than "
            f"{100 * request.fail_above:g} %"
        )


def _print_ab_results(outcomes: JobOutcomes[Job, JobComparison], request: AbRequest) -> None:
    comparisons, limit = outcomes.results, request.fail_above
    if comparisons:
        note_differences([each for job in comparisons for each in job.differences])
        note_rows([row for job in comparisons for row in (*job.a, *job.b)])
        print(render_comparison(comparisons, request.format, limit))
    require_not_slower(comparisons, limit, CONFIRMED)
    outcomes.require_all()

"""From boards and models to planned jobs, and from those to builds and conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build import builder
from piyard.convert import converter
from piyard.convert.conversions import Conversion
from piyard.convert.param import require_precisions, usual_precisions
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import DownloadFailed, PiyardError, WrongInput, unknown_name
from piyard.core.target import PRECISIONS
from piyard.models.definition import Model, load_models
from piyard.run.job import BenchDuration, BenchOptions, Job, Prepared, StoredJob
from piyard.run.schedule import MAX_PARALLEL, run_parallel

DEFAULT_DURATION = BenchDuration()
EMULATED_LOOPS, EMULATED_WARMUP = 3, 1
"""Times on an emulated board are not meaningful; a few inferences show that everything works."""


def combine_jobs(
    boards: Iterable[BoardSpec],
    models: Sequence[Model],
    *,
    precisions: Sequence[str] = (),
    threads: Sequence[int] = (),
    bench: BenchDuration = DEFAULT_DURATION,
) -> list[Job]:
    """The jobs for every board, model, precision and number of threads, in that order.

    Without precisions or threads each board has its target's, and what is quantised int8. Raises
    ``WrongInput`` for an unknown precision, and for more threads than a board has cores.
    """
    _check_precisions(precisions)
    jobs = []
    for board in boards:
        check_threads(board, threads)
        bench_options = _bench_options(board, bench)
        jobs += [
            Job(board=board, model=model, precision=precision, threads=number, bench=bench_options)
            for model in models
            for precision in precisions or usual_precisions(model, board.target.precisions)
            for number in threads or [board.default_threads]
        ]
    return jobs


def _check_precisions(precisions: Sequence[str]) -> None:
    for precision in precisions:
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, PRECISIONS)


def _bench_options(board: BoardSpec, duration: BenchDuration) -> BenchOptions:
    """The user's choice over the defaults for that board."""
    emulated = BenchOptions(loops=EMULATED_LOOPS, warmup=EMULATED_WARMUP, cold=False)
    defaults = emulated if board.emulated else BenchOptions()
    fields = msgspec.structs.asdict(duration)
    explicit = {name: value for name, value in fields.items() if value is not None}
    return msgspec.structs.replace(defaults, **explicit)


def check_threads(board: BoardSpec, threads: Sequence[int]) -> None:
    """Raise ``WrongInput`` for a number that the board cannot have."""
    most = board.max_threads
    for number in threads:
        if number < 1:
            raise WrongInput(f"{number} threads", remedy="--threads takes 1 or more")
        if most and number > most:
            cores = f"{most} {'core' if most == 1 else 'cores'}"
            where = ", as has the machine that emulates it" if board.emulated else ""
            raise WrongInput(
                f"--threads {number}: {board.name} has {cores}{where}", remedy=f"--threads {most}"
            )


def identify_boards(
    connections: Sequence[BoardConnection], *, parallel: int = MAX_PARALLEL, dry_run: bool = False
) -> tuple[list[BoardConnection], dict[str, PiyardError]]:
    """The boards that can be used, and the errors of the others.

    Real boards are contacted now, in parallel: better than after ten minutes of building. For a
    ``dry_run`` it is enough to know each one's target, and that its host name resolves.
    """
    errors: dict[str, PiyardError] = {}

    def identifier(connection: BoardConnection) -> Callable[[], None]:
        def identify_one() -> None:
            try:
                if dry_run and connection.target_known:
                    connection.require_name()
                else:
                    connection.require_architecture(connection.facts)
                _ = connection.target
            except PiyardError as error:
                errors[connection.name] = error
                connection.close()

        return identify_one

    real = [connection for connection in connections if not connection.is_container]
    if real:
        run_parallel([(connection.name, identifier(connection)) for connection in real], parallel)
        raise_if_requested()
    return [connection for connection in connections if connection.name not in errors], errors


def plan_jobs(
    connections: Sequence[BoardConnection],
    models: Sequence[Model],
    *,
    precisions: Sequence[str] = (),
    threads: Sequence[int] = (),
    bench: BenchDuration = DEFAULT_DURATION,
) -> list[Job]:
    """The jobs for these boards (see ``combine_jobs``); raises for what a model cannot compute in.

    Names end here: a job holds its model and its board, and nothing below looks them up again.
    """
    specs = [connection.spec for connection in connections]
    jobs = combine_jobs(specs, models, precisions=precisions, threads=threads, bench=bench)
    require_precisions(_model_precisions(jobs, with_detectors=False))
    return jobs


def restore_jobs(
    stored: Sequence[StoredJob], connections: Iterable[BoardConnection], models: Iterable[Model]
) -> list[Job]:
    """Stored jobs of these boards and models, as they were planned the first time."""
    boards = {connection.name: connection.spec for connection in connections}
    by_name = {model.name: model for model in models}
    unnamed = {job.model for job in stored} - by_name.keys()
    by_name |= {model.name: model for model in load_models(unnamed)}
    return [
        Job(
            board=boards[each.host],
            model=by_name[each.model],
            precision=each.precision,
            threads=each.threads,
            bench=each.bench,
        )
        for each in stored
    ]


def prepare_jobs(
    jobs: Sequence[Job],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
    alone: bool = False,
) -> Prepared:
    """Build for every target and convert every model of the jobs; unchanged artifacts are reused.

    A model that needs a detector brings it, unless ``alone``. Raises
    ``ConversionFailed`` for one whose proof failed for a job's precision, unless by ``force``. With
    ``or_random`` a model whose weights cannot be downloaded gets random ones, which is reported
    here and in its row.
    """
    targets = {job.board.target.name: job.board.target for job in jobs}
    builds = {name: builder.build_nnrun(target) for name, target in targets.items()}
    conversions = convert_models(
        _model_precisions(jobs, with_detectors=not alone),
        random_weights=random_weights,
        or_random=or_random,
        force=force,
    )
    return Prepared(builds=builds, conversions=conversions, with_detectors=not alone)


def convert_models(
    computed: Iterable[tuple[Model, str]],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
) -> dict[str, Conversion]:
    """The conversions of models and the precisions they are computed in; raises as ``prepare``."""
    pairs = list(computed)
    models = {model.name: model for model, _ in pairs}
    conversions = {
        name: _convert_model(model, random_weights=random_weights, or_random=or_random)
        for name, model in models.items()
    }
    for model, precision in pairs:
        _require_proved(conversions[model.name], precision, force=force)
    return conversions


def _model_precisions(jobs: Iterable[Job], *, with_detectors: bool) -> list[tuple[Model, str]]:
    """Each model, and its detector, with each precision it is computed in, once."""
    pairs: dict[tuple[str, str], tuple[Model, str]] = {}
    for job in jobs:
        detector = job.model.detector_model if with_detectors else None
        for model in (job.model, detector):
            if model:
                pairs.setdefault((model.name, job.precision), (model, job.precision))
    return list(pairs.values())


def _require_proved(conversion: Conversion, precision: str, *, force: bool) -> None:
    """Raise for a conversion whose proof failed for that precision, unless by force."""
    if not force:
        conversion.require_proved([precision])
    elif failed := conversion.failed_for([precision]):
        console.info(f"✗ {conversion.name} FAILED its proof, used by --force: {failed[0]}")


def _convert_model(model: Model, *, random_weights: bool, or_random: bool) -> Conversion:
    try:
        return converter.convert_model(model, random_weights=random_weights, force=True)
    except DownloadFailed as error:
        if not or_random:
            raise
        console.info(
            f"{error}\n{model.name}: its weights cannot be downloaded, "
            "measuring with random ones instead"
        )
        return converter.convert_model(model, random_weights=True, force=True)

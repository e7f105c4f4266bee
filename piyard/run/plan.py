"""From boards and models to planned jobs, and from those to builds and conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.build import builder
from piyard.convert import converter
from piyard.convert.conversions import Conversion
from piyard.convert.param import require_precisions
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import DownloadFailed, PiyardError, WrongInput, unknown_name
from piyard.core.target import PRECISIONS
from piyard.models.definition import load_model, model_names
from piyard.run.job import BenchOptions, Job, Prepared
from piyard.run.schedule import MAX_PARALLEL, run_parallel

EMULATED_LOOPS, EMULATED_WARMUP = 3, 1
"""Times on an emulated board are not meaningful; a few inferences show that everything works."""


def combine_jobs(
    hosts: Mapping[str, BoardSpec],
    models: Sequence[str],
    *,
    precisions: Sequence[str] = (),
    threads: Sequence[int] = (),
    **bench: Any,
) -> list[Job]:
    """The jobs for every host, model, precision and number of threads, in that order.

    What is not given comes from the host's target. Raises ``WrongInput`` for a name there is not,
    and for more threads than a host has cores.
    """
    check_names(models, precisions)
    jobs = []
    for name, host in hosts.items():
        _check_threads(name, host, threads)
        host_bench = _bench_options(host, bench)
        combinations = product(
            models, precisions or host.kind.precisions, threads or [host.usual_threads]
        )
        jobs += [
            Job(host=name, target=host.target, model=m, precision=p, threads=t, bench=host_bench)
            for m, p, t in combinations
        ]
    return jobs


def check_names(models: Sequence[str], precisions: Sequence[str] = ()) -> None:
    """Raise for an unknown model or precision, naming the nearest one."""
    for kind, names, legal in (
        ("model", models, model_names()),
        ("precision", precisions, PRECISIONS),
    ):
        for name in names:
            if name not in legal:
                raise unknown_name(kind, name, legal)


def _bench_options(host: BoardSpec, options: Mapping[str, Any]) -> BenchOptions:
    """The user's options over the defaults of that host; ``None`` leaves the default."""
    emulated = BenchOptions(loops=EMULATED_LOOPS, warmup=EMULATED_WARMUP, cold=False)
    defaults = emulated if host.emulated else BenchOptions()
    explicit = {name: value for name, value in options.items() if value is not None}
    return msgspec.structs.replace(defaults, **explicit)


def _check_threads(name: str, host: BoardSpec, threads: Sequence[int]) -> None:
    most = host.most_threads
    for number in threads:
        if number < 1:
            raise WrongInput(f"{number} threads", remedy="--threads takes 1 or more")
        if most and number > most:
            cores = f"{most} {'core' if most == 1 else 'cores'}"
            where = ", as has the machine that emulates it" if host.emulated else ""
            raise WrongInput(
                f"--threads {number}: {name} has {cores}{where}", remedy=f"--threads {most}"
            )


def identify_boards(
    lines: Sequence[BoardConnection], *, parallel: int = MAX_PARALLEL, dry_run: bool = False
) -> tuple[list[BoardConnection], dict[str, PiyardError]]:
    """The boards that can be used, and the errors of the others.

    Real boards are contacted now, in parallel: better than after ten minutes of building. For a
    ``dry_run`` it is enough to know each one's target, and that its host name resolves.
    """
    errors: dict[str, PiyardError] = {}

    def identifier(line: BoardConnection) -> Callable[[], None]:
        def identify_one() -> None:
            try:
                if dry_run and line.target_known:
                    line.require_name()
                else:
                    line.require_architecture(line.facts)
                _ = line.target_name
            except PiyardError as error:
                errors[line.name] = error
                line.close()

        return identify_one

    real = [line for line in lines if not line.emulated]
    if real:
        run_parallel([(line.name, identifier(line)) for line in real], parallel)
        raise_if_requested()
    return [line for line in lines if line.name not in errors], errors


def plan_jobs(lines: Sequence[BoardConnection], models: Sequence[str], **options: Any) -> list[Job]:
    """The jobs for these boards (see ``job.plan``); raises for a precision that a model lacks."""
    jobs = combine_jobs({line.name: line.spec for line in lines}, models, **options)
    require_precisions((each.model, each.precision) for each in jobs)
    return jobs


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
    detectors = {} if alone else _find_detectors(dict.fromkeys(job.model for job in jobs))
    builds = {name: builder.build_nnrun(name) for name in dict.fromkeys(job.target for job in jobs)}
    computed = dict.fromkeys(_model_precisions(jobs, detectors))
    conversions = convert_models(
        computed, random_weights=random_weights, or_random=or_random, force=force
    )
    return Prepared(builds=builds, conversions=conversions, detectors=detectors)


def convert_models(
    computed: Iterable[tuple[str, str]],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
) -> dict[str, Conversion]:
    """The conversions of models and the precisions they are computed in; raises as ``prepare``."""
    pairs = list(computed)
    conversions = {
        name: _convert_model(name, random_weights=random_weights, or_random=or_random)
        for name in dict.fromkeys(name for name, _ in pairs)
    }
    for name, precision in pairs:
        _require_proved(conversions[name], precision, force=force)
    return conversions


def _find_detectors(models: Iterable[str]) -> dict[str, str]:
    return {name: detector for name in models if (detector := load_model(name).detector)}


def _model_precisions(
    jobs: Iterable[Job], detectors: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Models and the precisions they are computed in."""
    for each in jobs:
        yield each.model, each.precision
        if each.model in detectors:
            yield detectors[each.model], each.precision


def _require_proved(conversion: Conversion, precision: str, *, force: bool) -> None:
    """Raise for a conversion whose proof failed for that precision, unless by force."""
    if not force:
        conversion.require_proved([precision])
    elif failed := conversion.failed_for([precision]):
        console.info(f"✗ {conversion.name} FAILED its proof, used by --force: {failed[0]}")


def _convert_model(name: str, *, random_weights: bool, or_random: bool) -> Conversion:
    try:
        return converter.convert_model(name, random_weights=random_weights, force=True)
    except DownloadFailed as error:
        if not or_random:
            raise
        console.info(
            f"{error}\n{name}: its weights cannot be downloaded, measuring with random ones instead"
        )
        return converter.convert_model(name, random_weights=True, force=True)

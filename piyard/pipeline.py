"""From the user's options to planned jobs, and from those to builds and conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from piyard import build, fanout, job, model, say, stop
from piyard.board import Line
from piyard.conversion import Conversion, convert, quantised
from piyard.errors import DownloadFailed, PiyardError
from piyard.job import Job
from piyard.seat import Ready


def identify(
    lines: Sequence[Line], *, parallel: int = fanout.PARALLEL, dry_run: bool = False
) -> tuple[list[Line], dict[str, PiyardError]]:
    """The boards that can be used, and the errors of the others.

    Real boards are contacted now, in parallel: better than after ten minutes of building. For a
    ``dry_run`` it is enough to know each one's target, and that its host name resolves.
    """
    errors: dict[str, PiyardError] = {}

    def identifier(line: Line) -> Callable[[], None]:
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
        fanout.at_once([(line.name, identifier(line)) for line in real], parallel)
        stop.check()
    return [line for line in lines if line.name not in errors], errors


def plan(lines: Sequence[Line], models: Sequence[str], **options: Any) -> list[Job]:
    """The jobs for these boards (see ``job.plan``); raises for a precision that a model lacks."""
    jobs = job.plan({line.name: line.spec for line in lines}, models, **options)
    quantised.require_fit((each.model, each.precision) for each in jobs)
    return jobs


def prepare(
    jobs: Sequence[Job],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
    alone: bool = False,
) -> Ready:
    """Build for every target and convert every model of the jobs; unchanged artifacts are reused.

    A model that needs a detector brings it, unless ``alone``. Raises
    ``ConversionFailed`` for one whose proof failed for a job's precision, unless by ``force``. With
    ``or_random`` a model whose weights cannot be downloaded gets random ones, which is reported
    here and in its row.
    """
    detectors = {} if alone else _detectors(dict.fromkeys(job.model for job in jobs))
    builds = {name: build.build(name) for name in dict.fromkeys(job.target for job in jobs)}
    computed = dict.fromkeys(_computed(jobs, detectors))
    conversions = convert_all(
        computed, random_weights=random_weights, or_random=or_random, force=force
    )
    return Ready(builds=builds, conversions=conversions, detectors=detectors)


def convert_all(
    computed: Iterable[tuple[str, str]],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
) -> dict[str, Conversion]:
    """The conversions of models and the precisions they are computed in; raises as ``prepare``."""
    pairs = list(computed)
    conversions = {
        name: _made(name, random_weights=random_weights, or_random=or_random)
        for name in dict.fromkeys(name for name, _ in pairs)
    }
    for name, precision in pairs:
        _accept(conversions[name], precision, force=force)
    return conversions


def _detectors(models: Iterable[str]) -> dict[str, str]:
    return {name: detector for name in models if (detector := model.load(name).detector)}


def _computed(jobs: Iterable[Job], detectors: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Models and the precisions they are computed in."""
    for each in jobs:
        yield each.model, each.precision
        if each.model in detectors:
            yield detectors[each.model], each.precision


def _accept(conversion: Conversion, precision: str, *, force: bool) -> None:
    """Raise for a conversion whose proof failed for that precision, unless by force."""
    if not force:
        conversion.require_proved([precision])
    elif failed := conversion.failed_for([precision]):
        say.note(f"✗ {conversion.name} FAILED its proof, used by --force: {failed[0]}")


def _made(name: str, *, random_weights: bool, or_random: bool) -> Conversion:
    try:
        return convert.convert(name, random_weights=random_weights, force=True)
    except DownloadFailed as error:
        if not or_random:
            raise
        say.note(
            f"{error}\n{name}: its weights cannot be downloaded, measuring with random ones instead"
        )
        return convert.convert(name, random_weights=True, force=True)

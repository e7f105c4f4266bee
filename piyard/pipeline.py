"""From what a user asked to planned jobs, and from those to builds and conversions."""

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
    """The boards that can be used, and what is wrong with the others.

    Real boards are asked now, all at once: better than after ten minutes of building. For a
    ``dry_run`` it is enough to know of each what it is, and that there is such a host.
    """
    wrong: dict[str, PiyardError] = {}

    def ask(line: Line) -> Callable[[], None]:
        def asked() -> None:
            try:
                if dry_run and line.target_known:
                    line.require_name()
                else:
                    line.require_architecture(line.facts)
                _ = line.target_name
            except PiyardError as error:
                wrong[line.name] = error
                line.close()

        return asked

    real = [line for line in lines if not line.emulated]
    if real:
        fanout.at_once([(line.name, ask(line)) for line in real], parallel)
        stop.check()
    return [line for line in lines if line.name not in wrong], wrong


def plan(lines: Sequence[Line], models: Sequence[str], **asked: Any) -> list[Job]:
    """The jobs for these boards (see ``job.plan``); each model has layers for its precision."""
    jobs = job.plan({line.name: line.spec for line in lines}, models, **asked)
    quantised.require_fit((one.model, one.precision) for one in jobs)
    return jobs


def prepare(
    jobs: Sequence[Job],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
    alone: bool = False,
) -> Ready:
    """Build for every target and convert every model of the jobs; what is unchanged is found.

    A model that looks at objects another one finds brings that one, unless ``alone``. Raises
    ``ConversionFailed`` for one whose proof failed for a job's precision, unless by ``force``. With
    ``or_random`` a model whose weights cannot be had gets random ones, which is said here and in
    its row.
    """
    detectors = {} if alone else _detectors(dict.fromkeys(job.model for job in jobs))
    builds = {name: build.build(name) for name in dict.fromkeys(job.target for job in jobs)}
    computed = dict.fromkeys(_computed(jobs, detectors))
    made = convert_all(computed, random_weights=random_weights, or_random=or_random, force=force)
    return Ready(builds=builds, conversions=made, detectors=detectors)


def convert_all(
    computed: Iterable[tuple[str, str]],
    *,
    random_weights: bool,
    or_random: bool = False,
    force: bool = False,
) -> dict[str, Conversion]:
    """The conversions of models and the precisions they are computed in; raises as ``prepare``."""
    wanted = list(computed)
    made = {
        name: _made(name, random_weights=random_weights, or_random=or_random)
        for name in dict.fromkeys(name for name, _ in wanted)
    }
    for name, precision in wanted:
        _accept(made[name], precision, force=force)
    return made


def _detectors(models: Iterable[str]) -> dict[str, str]:
    return {name: finder for name in models if (finder := model.load(name).detector)}


def _computed(jobs: Iterable[Job], detectors: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Models and the precisions they are computed in."""
    for one in jobs:
        yield one.model, one.precision
        if one.model in detectors:
            yield detectors[one.model], one.precision


def _accept(made: Conversion, precision: str, *, force: bool) -> None:
    """One whose proof failed for that precision is not, unless by force."""
    if not force:
        made.require_proved([precision])
    elif failed := made.failed_for([precision]):
        say.note(f"✗ {made.name} FAILED its proof, used by --force: {failed[0]}")


def _made(name: str, *, random_weights: bool, or_random: bool) -> Conversion:
    try:
        return convert.convert(name, random_weights=random_weights, force=True)
    except DownloadFailed as error:
        if not or_random:
            raise
        say.note(f"{error}\n{name}: its weights cannot be had, measuring with random ones instead")
        return convert.convert(name, random_weights=True, force=True)

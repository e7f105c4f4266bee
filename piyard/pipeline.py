"""From what a user asked to planned jobs, and from those to builds and conversions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from piyard import board, build, convert, emulator, job, say
from piyard.bench import Ready
from piyard.convert import Conversion
from piyard.errors import DownloadFailed
from piyard.job import Job


def identify(hosts: Sequence[str], target_name: str = "") -> dict[str, str]:
    """Each host's target. A real board is asked now: better than after ten minutes of building."""
    for host in hosts:
        board.check_name(host)
    return {host: _target_of(host, target_name) for host in dict.fromkeys(hosts)}


def plan(hosts: Mapping[str, str], models: Sequence[str], **asked: Any) -> list[Job]:
    """The jobs for these hosts (see ``job.plan``)."""
    return job.plan(hosts, models, **asked)


def prepare(jobs: Sequence[Job], *, random_weights: bool, or_random: bool = False) -> Ready:
    """Build for every target and convert every model of the jobs; what is unchanged is found.

    With ``or_random`` a model whose weights cannot be had gets random ones, which is said here and
    in its row.
    """
    targets = dict.fromkeys(job.target for job in jobs)
    models = dict.fromkeys(job.model for job in jobs)
    return Ready(
        builds={name: build.build(name) for name in targets},
        conversions={
            name: _conversion(name, random_weights=random_weights, or_random=or_random)
            for name in models
        },
    )


def _conversion(name: str, *, random_weights: bool, or_random: bool) -> Conversion:
    try:
        return convert.convert(name, random_weights=random_weights)
    except DownloadFailed as error:
        if not or_random:
            raise
        say.note(f"{error}\n{name}: its weights cannot be had, measuring with random ones instead")
        return convert.convert(name, random_weights=True)


def _target_of(host: str, target_name: str) -> str:
    if emulator.is_emulated(host):
        return host.removeprefix(emulator.PREFIX)
    with board.open_board(host, target_name) as (found, _session, _facts):
        return found.target_name

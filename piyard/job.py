"""A Job: what to do on a board, decided before anything is done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal, get_args

import msgspec

from piyard import model, target
from piyard.emulator import is_emulated
from piyard.errors import WrongInput, unknown
from piyard.target import Precision, Target

PRECISIONS: tuple[str, ...] = get_args(Precision)
INTERVAL = 0.01
EMULATED_LOOPS, EMULATED_WARMUP = 3, 1
"""A time on an emulated board means nothing; a few inferences show that all of it works."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure."""

    loops: int = 0
    """Timed inferences; 0 measures until the median is known, within ``budget_s``."""
    budget_s: float = 30.0
    interval: float = INTERVAL
    """Known is a median whose 95 % interval is this fraction of it to either side."""
    min_loops: int = 20
    min_s: float = 6.0
    """Long enough for telemetry to see it."""
    warmup: int | Literal["auto"] = "auto"
    """Inferences before timing; ``auto`` goes on until their times are stable."""
    cold: bool = True
    """Whether loading and the first inference are timed too, from files not in memory."""
    seed: int = 1
    """Of the input (see stimulus.py)."""

    @property
    def arguments(self) -> list[str]:
        """nnrun's flags for it."""
        how_long = ["--loops", str(self.loops)] if self.loops else self._until_known
        rest = ["--warmup", str(self.warmup), "--seed", str(self.seed)]
        return [*how_long, *rest, *(["--cold"] if self.cold else [])]

    @property
    def _until_known(self) -> list[str]:
        least = ["--min-loops", str(self.min_loops), "--min-seconds", f"{self.min_s:g}"]
        return ["--budget", f"{self.budget_s:g}", *least, "--interval", f"{self.interval:g}"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: a model in one precision on some threads of one board."""

    host: str
    target: str
    model: str
    precision: str
    threads: int
    bench: Bench

    @property
    def slug(self) -> str:
        """A name for files, made of what the user chose."""
        return f"{self.model}-{self.precision}-t{self.threads}"


def plan(
    hosts: Mapping[str, str],
    models: Sequence[str],
    *,
    precisions: Sequence[str] = (),
    threads: Sequence[int] = (),
    **bench: Any,
) -> list[Job]:
    """The jobs for every host, model, precision and number of threads, in that order.

    ``hosts`` maps each host to its target; what is not given comes from the target.
    """
    check_names(models, precisions)
    jobs = []
    for host, target_name in hosts.items():
        kind = target.load(target_name)
        how = _bench_of(host, bench)
        chosen = product(models, precisions or kind.precisions, threads or [_all_cores(host, kind)])
        jobs += [
            Job(host=host, target=target_name, model=m, precision=p, threads=_threads(t), bench=how)
            for m, p, t in chosen
        ]
    return jobs


def check_names(models: Sequence[str], precisions: Sequence[str] = ()) -> None:
    """Raise for a model or precision there is not, with the nearest one there is."""
    for kind, given, known in (
        ("model", models, model.names()),
        ("precision", precisions, PRECISIONS),
    ):
        for name in given:
            if name not in known:
                raise unknown(kind, name, known)


def _bench_of(host: str, asked: Mapping[str, Any]) -> Bench:
    """What the user asked for, over what is usual for that host; ``None`` is not asked."""
    few = Bench(loops=EMULATED_LOOPS, warmup=EMULATED_WARMUP, cold=False)
    usual = few if is_emulated(host) else Bench()
    given = {name: value for name, value in asked.items() if value is not None}
    return msgspec.structs.replace(usual, **given)


def _all_cores(host: str, kind: Target) -> int:
    """An emulated board has no more cores than this machine."""
    here = os.cpu_count() or 1
    return min(kind.cores, here) if is_emulated(host) else kind.cores


def _threads(number: int) -> int:
    if number < 1:
        raise WrongInput(f"{number} threads", remedy="--threads takes 1 or more")
    return number

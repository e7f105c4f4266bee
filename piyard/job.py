"""A Job: what to do on a board, decided before anything is done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal, get_args

import msgspec

from piyard import model, target
from piyard.errors import WrongInput, unknown
from piyard.target import Precision, Target

PRECISIONS: tuple[str, ...] = get_args(Precision)
INTERVAL = 0.01
EMULATED_LOOPS, EMULATED_WARMUP = 3, 1
"""Times on an emulated board are not meaningful; a few inferences show that everything works."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """How long, and on which input, a benchmark measures."""

    loops: int = 0
    """Timed inferences; 0 measures until the median is known, within ``budget_s``."""
    budget_s: float = 30.0
    interval: float = INTERVAL
    """The median is known when its 95 % interval is this fraction of it to either side."""
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
        duration = ["--loops", str(self.loops)] if self.loops else self._until_known
        rest = ["--warmup", str(self.warmup), "--seed", str(self.seed)]
        return [*duration, *rest, *(["--cold"] if self.cold else [])]

    @property
    def _until_known(self) -> list[str]:
        least = ["--min-loops", str(self.min_loops), "--min-seconds", f"{self.min_s:g}"]
        return ["--budget", f"{self.budget_s:g}", *least, "--interval", f"{self.interval:g}"]


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A board as planning sees it."""

    target: str
    emulated: bool = False
    cores: int | None = None
    """As the board itself counts them; None where it was not asked yet."""

    @property
    def kind(self) -> Target:
        """What kind of board it is."""
        return target.load(self.target)

    @property
    def most_threads(self) -> int | None:
        """The cores it has; None where that is not known.

        A kind of board that names itself has its own number; emulated, no more than the machine
        that emulates it. Any other has as many as it says.
        """
        target_cores = [self.kind.cores] if self.kind.device_tree_models else []
        machine_cores = [self.cores or os.cpu_count() or 1] if self.emulated else []
        board_cores = [self.cores] if self.cores and not target_cores else []
        return min([*target_cores, *machine_cores, *board_cores], default=None)

    @property
    def usual_threads(self) -> int:
        """All cores, up to as many as that kind of board has."""
        return min(self.kind.cores, self.most_threads or self.kind.cores)


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

    @property
    def title(self) -> str:
        """A name for people, with the board."""
        threads = f"{self.threads} {'thread' if self.threads == 1 else 'threads'}"
        return f"{self.model} {self.precision}, {threads} on {self.host}"


def plan(
    hosts: Mapping[str, Host],
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
        host_bench = _bench_of(host, bench)
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
        ("model", models, model.names()),
        ("precision", precisions, PRECISIONS),
    ):
        for name in names:
            if name not in legal:
                raise unknown(kind, name, legal)


def _bench_of(host: Host, options: Mapping[str, Any]) -> Bench:
    """The user's options over the defaults of that host; ``None`` leaves the default."""
    emulated = Bench(loops=EMULATED_LOOPS, warmup=EMULATED_WARMUP, cold=False)
    defaults = emulated if host.emulated else Bench()
    explicit = {name: value for name, value in options.items() if value is not None}
    return msgspec.structs.replace(defaults, **explicit)


def _check_threads(name: str, host: Host, threads: Sequence[int]) -> None:
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

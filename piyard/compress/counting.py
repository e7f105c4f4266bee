"""What models would take on a Pi 5, counted while an emulated one computes them.

A count is kept in ``artifacts/counts/``: the same network, program and way of counting give the
same, and a family of variants is compared anew with each one that joins it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache

from piyard.build.builder import Build, build_nnrun
from piyard.compress.counted_cost import COUNTED_TARGET, THREADS, count_conversion
from piyard.compress.judging import Speed, board_precision
from piyard.convert import converter
from piyard.convert.conversions import Conversion
from piyard.core import console
from piyard.core.errors import BuildFailed, JobsFailed, NotSetUp
from piyard.core.store import Manifest, get_or_make, key_of, read_manifest
from piyard.core.target import Target
from piyard.measure.counted.layers import Cost, Machine, can_count, identify_counting, open_machine
from piyard.models.definition import Model

COUNTS_SHELF = "counts"


class CountManifest(Manifest, frozen=True, kw_only=True):
    """A count and what it is of."""

    model: str
    """The first that was counted with this network."""
    conversion: str
    build: str
    precision: str
    counting: str
    """What counted, as ``identify_counting`` has it."""
    cost: Cost


def count_speeds(models: Sequence[Model], target: Target) -> dict[str, Speed]:
    """Estimates by the models' names; none where nothing can be counted, which is said."""
    if target.name != COUNTED_TARGET or not can_count():
        console.info(f"no emulator here counts what a {target.name} does")
        return {}
    try:
        build = build_nnrun(target)
        with _open_late(build) as machine:
            return {model.name: _read_speed(machine, build, model, target) for model in models}
    except (BuildFailed, JobsFailed, NotSetUp) as error:
        console.info(f"nothing is counted: {error.what}")
        return {}


@contextmanager
def _open_late(build: Build) -> Iterator[Callable[[], Machine]]:
    """A machine that is there from when it is asked for first."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(open_machine(build.nnrun)))


def _read_speed(
    machine: Callable[[], Machine], build: Build, model: Model, target: Target
) -> Speed:
    conversion = converter.convert_model(model, force=True)
    precision = board_precision(model, target.precisions)
    counting = identify_counting()
    key = key_of([conversion.key, build.key, precision, counting])

    def count() -> CountManifest:
        return CountManifest(
            model=model.name,
            conversion=conversion.key,
            build=build.key,
            precision=precision,
            counting=counting,
            cost=_count(machine(), conversion, precision),
        )

    folder, _ = get_or_make(COUNTS_SHELF, key, lambda _: count())
    cost = read_manifest(folder, CountManifest).cost
    return Speed(
        time_ms=cost.estimate_ms(THREADS), source="counted", instructions=cost.instructions
    )


def _count(machine: Machine, conversion: Conversion, precision: str) -> Cost:
    with console.step(f"count {conversion.name} in {precision}"):
        return count_conversion(machine, conversion, precision)

"""What models would take on a Pi 5, counted while an emulated one computes them."""

from __future__ import annotations

from collections.abc import Sequence

from piyard.build.builder import build_nnrun
from piyard.compress.counted_cost import COUNTED_TARGET, THREADS, count_conversion
from piyard.compress.judging import Speed, board_precision
from piyard.convert import converter
from piyard.core import console
from piyard.core.errors import BuildFailed, JobsFailed, NotSetUp
from piyard.core.target import Target
from piyard.measure.counted.layers import Machine, can_count, open_machine
from piyard.models.definition import Model


def count_speeds(models: Sequence[Model], target: Target) -> dict[str, Speed]:
    """Estimates by the models' names; none where nothing can be counted, which is said."""
    if target.name != COUNTED_TARGET or not can_count():
        console.info(f"no emulator here counts what a {target.name} does")
        return {}
    try:
        with open_machine(build_nnrun(target).nnrun) as machine:
            return {model.name: _count(machine, model, target) for model in models}
    except (BuildFailed, JobsFailed, NotSetUp) as error:
        console.info(f"nothing is counted: {error.what}")
        return {}


def _count(machine: Machine, model: Model, target: Target) -> Speed:
    conversion = converter.convert_model(model, force=True)
    precision = board_precision(model, target.precisions)
    with console.step(f"count {model.name} in {precision}"):
        cost = count_conversion(machine, conversion, precision)
    return Speed(
        time_ms=cost.estimate_ms(THREADS), source="counted", instructions=cost.instructions
    )

"""What a network would take on a Pi 5, counted before it is trained: weights do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from piyard.build.builder import build_nnrun
from piyard.convert.conversions import Conversion
from piyard.convert.lowering import BIN_FILE, PARAM_FILE, ROUTE_WRITERS
from piyard.convert.reference import TorchReference
from piyard.core.errors import NotSetUp, WrongInput
from piyard.core.files import scratch_folder
from piyard.core.target import Target
from piyard.measure.counted.layers import (
    EMULATOR,
    Cost,
    Machine,
    add_costs,
    can_count,
    open_machine,
)
from piyard.models.networks import inference

if TYPE_CHECKING:
    from torch import nn


COUNTED_TARGET = "rpi5"
"""Whose cycles and memory the counts are of."""
THREADS = 4


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """An emulated board that counts."""

    machine: Machine
    precision: str
    """In which networks of floats are computed there."""

    def count_network(self, network: nn.Module, shape: tuple[int, ...]) -> float:
        """Estimated milliseconds of one input (channels, rows, columns), with four threads."""
        reference = TorchReference(
            network=network.eval(), shapes=[shape], write=ROUTE_WRITERS["trace"]
        )
        with scratch_folder("piyard-count-") as folder, inference():
            reference.lower(folder, half=True)
            layers = self.machine.count_layers(
                folder / PARAM_FILE, folder / BIN_FILE, [shape], self.precision
            )
        return add_costs(layers.values()).estimate_ms(THREADS)

    def count_conversion(self, conversion: Conversion) -> float:
        """The same of a converted model."""
        return count_conversion(self.machine, conversion, self.precision).estimate_ms(THREADS)


def count_conversion(machine: Machine, conversion: Conversion, precision: str) -> Cost:
    """Of one inference."""
    files = conversion.board_files(precision)
    return add_costs(
        machine.count_layers(
            conversion.folder / files[PARAM_FILE],
            conversion.folder / files[BIN_FILE],
            conversion.input_shapes,
            precision,
        ).values()
    )


def require_counting(target: str) -> None:
    """Raise ``WrongInput`` or ``NotSetUp`` where nothing counts what that kind of board does."""
    if target != COUNTED_TARGET:
        raise WrongInput(
            f"--counted: nothing counts what a {target} does",
            remedy=f"known: {COUNTED_TARGET}; or leave out --counted",
        )
    if not can_count():
        raise NotSetUp(
            f"--counted: {EMULATOR} is missing, which counts what a {target} does",
            remedy="install qemu-user of Debian bookworm; or leave out --counted",
        )


@contextmanager
def open_counter(target: Target) -> Iterator[Counter]:
    """A counter for that kind of board. Raises what building nnrun raises, and ``NotSetUp``."""
    precision = "fp16" if "fp16" in target.precisions else "fp32"
    with open_machine(build_nnrun(target).nnrun) as machine:
        yield Counter(machine=machine, precision=precision)

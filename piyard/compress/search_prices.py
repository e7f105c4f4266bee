"""What the candidates of a search cost: multiply-accumulates, or time as it is counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from piyard.compress.counted_cost import Counter, open_counter
from piyard.compress.search import count_macs
from piyard.convert.converter import convert_model
from piyard.core.target import load_target
from piyard.models.definition import Model

if TYPE_CHECKING:
    from torch import nn


class Prices(Protocol):
    """What candidates cost, before they are trained."""

    def of_network(self, network: nn.Module, shape: tuple[int, ...]) -> float:
        """Of one input (channels, rows, columns)."""

    def of_model(self, model: Model) -> float:
        """The same of a model; infinite where nothing tells it."""

    def describe(self, cost: float) -> str:
        """For people."""


class MacPrices:
    """Multiply-accumulates."""

    def of_network(self, network: nn.Module, shape: tuple[int, ...]) -> float:
        """See ``Prices``."""
        return count_macs(network, shape)

    def of_model(self, model: Model) -> float:
        """See ``Prices``."""
        return convert_model(model).manifest.macs or math.inf

    def describe(self, cost: float) -> str:
        """See ``Prices``."""
        return f"{cost / 1e6:.2f} M multiply-accumulates"


class CountedPrices:
    """Milliseconds as an emulated board counts them."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def of_network(self, network: nn.Module, shape: tuple[int, ...]) -> float:
        """See ``Prices``."""
        return self._counter.count_network(network, shape)

    def of_model(self, model: Model) -> float:
        """See ``Prices``."""
        return self._counter.count_conversion(convert_model(model, force=True))

    def describe(self, cost: float) -> str:
        """See ``Prices``."""
        return f"{cost:.4f} ms, counted"


@contextmanager
def open_prices(target: str, *, counted: bool) -> Iterator[Prices]:
    """By counts for that kind of board, or not. Raises ``NotSetUp`` where nothing counts."""
    if not counted:
        yield MacPrices()
        return
    with open_counter(load_target(target)) as counter:
        yield CountedPrices(counter)

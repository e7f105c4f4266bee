"""What candidates of a search cost: counted where that is said, and only where something counts."""

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from piyard.compress import counted_cost
from piyard.compress.counted_cost import Counter, require_counting
from piyard.compress.search_prices import CountedPrices, MacPrices, open_prices
from piyard.core.errors import NotSetUp, WrongInput
from piyard.measure.counted.layers import Cost


class Machine:
    """Counts a cycle a byte of the weights, and notes what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, str]] = []

    def count_layers(
        self, param: Path, weights: Path, shapes: Any, precision: str
    ) -> dict[str, Cost]:
        assert param.read_text().startswith("7767517")
        self.calls.append((shapes, precision))
        size = weights.stat().st_size
        return {"a": Cost(cycles=4 * 2.4e6 * size), "b": Cost(bytes=10_700_000)}


def test_a_network_is_counted_as_a_board_computes_it() -> None:
    machine: Any = Machine()
    prices = CountedPrices(Counter(machine=machine, precision="fp16"))
    small, large = (
        prices.of_network(nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU()).eval(), (1, 8, 8))
        for width in (8, 16)
    )
    assert machine.calls == [([(1, 8, 8)], "fp16")] * 2
    # A millisecond is the second layer's, of bytes that four threads read.
    assert large - 1 > 1.5 * (small - 1) > 0
    assert prices.describe(0.02014) == "0.0201 ms, counted"


def test_multiply_accumulates_are_the_price_where_nothing_else_is_said() -> None:
    with open_prices("rpi5", counted=False) as prices:
        assert isinstance(prices, MacPrices)
        assert prices.of_network(nn.Conv2d(1, 8, 3).eval(), (1, 8, 8)) == 36 * 9 * 8
        assert prices.describe(2.5e6) == "2.50 M multiply-accumulates"


def test_what_is_not_counted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted_cost, "can_count", lambda: False)
    with pytest.raises(WrongInput, match="nothing counts what a rpi4 does"):
        require_counting("rpi4")
    with pytest.raises(NotSetUp, match="qemu-aarch64 is missing"):
        require_counting("rpi5")
    monkeypatch.setattr(counted_cost, "can_count", lambda: True)
    require_counting("rpi5")

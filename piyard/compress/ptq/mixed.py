"""Which layers should be int8: where it costs no accuracy, and wins time by count.

Layers that hand on int8 to each other are decided on together: a single one of them that keeps
floats makes its neighbours convert. What int8 costs the layers around it counts too, as those turn
its results into halves. A choice is counted as a whole before it is believed, and compared with the
network in fp16.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from piyard.compress.ptq.layers import find_chains, find_sources
from piyard.compress.ptq.table import Table
from piyard.convert.param import Layer
from piyard.measure.counted.layers import Cost, add_costs

ROUNDS = 3
"""So often the choice is counted and chosen anew at most."""
THREADS = 4

Costs = Mapping[str, Cost]
"""Layer → what it takes."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Layers in int8, and what the network then takes."""

    layers: list[str]
    """None where int8 does not pay."""
    fp16: Cost
    """Of the network in fp16."""
    all_int8: Cost
    """With every layer in int8 that accuracy allows."""
    mixed: Cost
    """Of this choice; that of fp16 where there are none."""

    @property
    def verdict(self) -> Literal["int8", "int8+fp16", "fp16"]:
        """What is fastest by count."""
        if not self.layers:
            return "fp16"
        return "int8" if self.mixed == self.all_int8 else "int8+fp16"

    @property
    def text(self) -> str:
        """For people: one sentence."""
        before, after = self.fp16.estimate_ms(THREADS), self.mixed.estimate_ms(THREADS)
        whole = self.all_int8.estimate_ms(THREADS)
        if not self.layers:
            return (
                f"fp16 is faster: by count {before:.2f} ms on a Pi 5, "
                f"with int8 {whole:.2f} ms (estimated, no time)"
            )
        return (
            f"{self.verdict} is {before / after:.2f} x as fast as fp16 by count: {after:.2f} ms "
            f"on a Pi 5 against {before:.2f} ms, {len(self.layers)} layers (estimated, no time)"
        )


def choose_layers(
    lines: Sequence[Layer],
    table: Table,
    allowed: Iterable[str],
    count: Callable[[Sequence[str]], Costs],
) -> Choice:
    """The layers that make the network fastest, of those whose accuracy allows it.

    ``count`` says what each layer takes when these are int8 and all others fp16.
    """
    candidates = list(allowed)
    fp16 = count([])
    whole = count(candidates)
    best, best_costs, tried = list[str](), fp16, {frozenset(candidates)}
    chosen, costs = candidates, whole
    for _ in range(ROUNDS):
        if _estimate(costs) < _estimate(best_costs):
            best, best_costs = chosen, costs
        chosen = _worth_it(lines, table.only(chosen), costs, fp16)
        if not chosen or frozenset(chosen) in tried:
            break
        tried.add(frozenset(chosen))
        costs = count(chosen)
    if _estimate(costs) < _estimate(best_costs):
        best, best_costs = chosen, costs
    return Choice(
        layers=best,
        fp16=add_costs(fp16.values()),
        all_int8=add_costs(whole.values()),
        mixed=add_costs(best_costs.values()),
    )


def _estimate(costs: Costs) -> float:
    return add_costs(costs.values()).estimate_ms(THREADS)


def _worth_it(lines: Sequence[Layer], table: Table, int8: Costs, fp16: Costs) -> list[str]:
    """The layers of those units that take less in int8, with what they make others take.

    A layer that reads several units' results is a part of each of them.
    """
    around, units = _readers(lines), find_units(lines, table)
    touched = [
        {name for each in unit for name in around[each] if name not in table.inputs}
        for unit in units
    ]
    shares = Counter(name for names in touched for name in names)
    saved = {
        name: fp16[name].estimate_ms(THREADS) - int8[name].estimate_ms(THREADS) for name in fp16
    }
    kept = {
        name
        for unit, names in zip(units, touched, strict=True)
        if sum(saved[each] for each in unit) + sum(saved[each] / shares[each] for each in names) > 0
        for name in unit
    }
    return [name for name in table.layers if name in kept]


def find_units(lines: Sequence[Layer], table: Table) -> list[set[str]]:
    """Layers that hand on int8 to each other, together; all others of the table alone."""
    handed_on, around = find_chains(lines, table), _readers(lines)
    units = {name: {name} for name in table.layers}
    for name in handed_on:
        for reader in set(around[name]) & units.keys():
            units[reader] |= units[name]
            for member in units[reader]:
                units[member] = units[reader]
    return list({id(unit): unit for unit in units.values()}.values())


def _readers(lines: Sequence[Layer]) -> dict[str, list[str]]:
    """Layer → those that read what it writes, or a copy of it."""
    source = find_sources(lines)
    writer = {name: layer.name for layer in lines for name in layer.tops if layer.type != "Split"}
    readers: dict[str, list[str]] = {layer.name: [] for layer in lines}
    for layer in lines:
        for name in layer.bottoms:
            readers[writer[source[name]]].append(layer.name)
    return readers

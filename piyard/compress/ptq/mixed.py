"""Which layers should be int8: where it costs no accuracy, and wins time by count.

Layers that hand on int8 to each other are decided on together: a single one of them that keeps
floats makes its neighbours convert. Those that win time by themselves are tried without the rest of
their chain, too. What int8 costs the layers around it counts, as those turn its results into
halves. A choice is counted and judged as a whole before it is believed: where it is not right,
those units keep floats first that cost the outputs most for the time that they win.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from piyard.compress.ptq.layers import find_chains, find_sources
from piyard.compress.ptq.table import Table
from piyard.compress.recommendation import FASTER
from piyard.convert.mask_search import SearchLimit, fewest_layers
from piyard.convert.param import Layer
from piyard.measure.counted.layers import Cost, add_costs

ROUNDS = 3
"""So often the choice is counted and chosen anew at most."""
THREADS = 4
LEAST_GAIN_MS = 1e-4
"""Of a unit that wins nothing, so that it is the first to keep floats."""

Costs = Mapping[str, Cost]
"""Layer → what it takes."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Layers in int8, and what the network then takes."""

    layers: list[str]
    """None where int8 does not pay."""
    inaccurate: list[str] = []
    """Layers that would win time, and keep floats for accuracy."""
    fp16: Cost
    """Of the network in fp16."""
    all_int8: Cost
    """With every layer in int8."""
    mixed: Cost
    """Of the fastest choice that is right, be it worth it or not; that of fp16 without any."""

    @property
    def verdict(self) -> Literal["int8", "int8+fp16", "fp16"]:
        """What to take."""
        if not self.layers:
            return "fp16"
        return "int8" if self.mixed == self.all_int8 else "int8+fp16"

    @property
    def text(self) -> str:
        """For people: one sentence."""
        before, after = self.fp16.estimate_ms(THREADS), self.mixed.estimate_ms(THREADS)
        whole = self.all_int8.estimate_ms(THREADS)
        if not self.layers:
            best = "" if self.mixed == self.fp16 else f", the best of both {after:.2f} ms"
            return (
                f"int8 does not pay: by count fp16 takes {before:.2f} ms on a Pi 5, "
                f"int8 {whole:.2f} ms{best} (estimated, no time)"
            )
        return (
            f"{self.verdict} is {before / after:.2f} x as fast as fp16 by count: {after:.2f} ms "
            f"on a Pi 5 against {before:.2f} ms, and {whole:.2f} ms with all in int8; "
            f"{len(self.layers)} layers (estimated, no time)"
        )


class Choosing(msgspec.Struct, frozen=True, kw_only=True):
    """A network whose layers are to be chosen."""

    lines: Sequence[Layer]
    table: Table
    losses: Mapping[str, float]
    """Of the layers that may be int8: what each alone costs the outputs."""
    fp16: Costs
    count: Callable[[Sequence[str]], Costs]
    """What each layer takes when these are int8 and all others fp16."""
    is_good: Callable[[Sequence[str]], bool]
    """Whether the network is right enough with these in int8."""


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """Layers in int8, with what each layer of the network then takes."""

    layers: list[str]
    costs: Costs

    @property
    def ms(self) -> float:
        """Of the network."""
        return _ms(self.costs)


def choose_layers(
    lines: Sequence[Layer],
    table: Table,
    losses: Mapping[str, float],
    count: Callable[[Sequence[str]], Costs],
    is_good: Callable[[Sequence[str]], bool],
) -> Choice:
    """The layers of ``losses`` that make the network fastest, of those that leave it right."""
    work = Choosing(
        lines=lines, table=table, losses=losses, fp16=count([]), count=count, is_good=is_good
    )
    candidates = [name for name in table.layers if name in losses]
    whole = Timed(layers=candidates, costs=count(candidates))
    alone = _find_paying_alone(work, whole)
    starts = [whole, Timed(layers=alone, costs=count(alone))] if alone else [whole]
    best = min((_find_fastest(work, start) for start in starts), key=lambda timed: timed.ms)
    inaccurate: list[str] = []
    while best.layers and (wrong := _find_wrong(work, best)):
        inaccurate += [name for name in best.layers if name in wrong]
        rest = [name for name in best.layers if name not in wrong]
        best = _find_fastest(work, Timed(layers=rest, costs=count(rest) if rest else work.fp16))
    is_worth_it = _ms(work.fp16) >= FASTER * best.ms
    return Choice(
        layers=best.layers if is_worth_it else [],
        inaccurate=inaccurate,
        fp16=add_costs(work.fp16.values()),
        all_int8=add_costs(whole.costs.values()),
        mixed=add_costs(best.costs.values()),
    )


def _find_paying_alone(work: Choosing, whole: Timed) -> list[str]:
    """Layers that take less in int8, be the chain that they are part of worth it or not.

    None where these are all there are.
    """
    names = [
        name
        for name in whole.layers
        if whole.costs[name].estimate_ms(THREADS) < work.fp16[name].estimate_ms(THREADS)
    ]
    return names if names != whole.layers else []


def _find_fastest(work: Choosing, start: Timed) -> Timed:
    """Of these layers the fastest ones; no layers where fp16 is."""
    best, chosen = Timed(layers=[], costs=work.fp16), start
    tried = {frozenset[str](), frozenset(start.layers)}
    for _ in range(ROUNDS):
        if chosen.ms < best.ms:
            best = chosen
        gains = _count_gains(work, chosen)
        paying = {name for unit, gain in gains if gain > 0 for name in unit}
        names = [name for name in chosen.layers if name in paying]
        if frozenset(names) in tried:
            break
        tried.add(frozenset(names))
        chosen = Timed(layers=names, costs=work.count(names))
    return chosen if chosen.ms < best.ms else best


def _find_wrong(work: Choosing, chosen: Timed) -> set[str]:
    """As few layers as must keep floats for the rest to be right; none where all are."""
    if work.is_good(chosen.layers):
        return set()
    gains = _count_gains(work, chosen)
    units = {min(unit): unit for unit, _ in gains}
    price = {
        min(unit): sum(work.losses[name] for name in unit) / max(gain, LEAST_GAIN_MS)
        for unit, gain in gains
    }
    order = sorted(units, key=lambda key: -price[key])

    def is_right_without(kept: set[str]) -> bool:
        wrong = {name for key in kept for name in units[key]}
        rest = [name for name in chosen.layers if name not in wrong]
        return not rest or work.is_good(rest)

    # However long it takes: the same network has to become the same bytes.
    kept = fewest_layers(order, is_right_without, SearchLimit(float("inf")), 1.0)
    return {name for key in kept for name in units[key]}


def _ms(costs: Costs) -> float:
    return add_costs(costs.values()).estimate_ms(THREADS)


def _count_gains(work: Choosing, chosen: Timed) -> list[tuple[set[str], float]]:
    """Each unit with the milliseconds that it wins, less what it makes others take.

    A layer that reads several units' results is a part of each of them.
    """
    table = work.table.only(chosen.layers)
    around, units = _readers(work.lines), find_units(work.lines, table)
    touched = [
        {name for each in unit for name in around[each] if name not in table.weights}
        for unit in units
    ]
    shares = Counter(name for names in touched for name in names)
    saved = {
        name: cost.estimate_ms(THREADS) - chosen.costs[name].estimate_ms(THREADS)
        for name, cost in work.fp16.items()
    }
    return [
        (
            unit,
            sum(saved[each] for each in unit) + sum(saved[each] / shares[each] for each in names),
        )
        for unit, names in zip(units, touched, strict=True)
    ]


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

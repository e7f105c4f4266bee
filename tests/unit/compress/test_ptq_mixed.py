"""Which layers become int8: what they cost the outputs, and what they take by count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from piyard.compress.ptq.mixed import Choice, choose_layers, find_units
from piyard.compress.ptq.quantise import quantise_pair
from piyard.compress.ptq.sensitivity import by_loss, measure_losses, spare_costly
from piyard.compress.ptq.settings import PtqSettings
from piyard.compress.ptq.table import Table
from piyard.measure.counted.layers import Cost, add_costs
from tests.support.small_nets import mobile_block, pictures, write_pair

LAYERS = ("stem", "expand", "depth", "project", "classes")
TABLE = Table(weights={name: {} for name in LAYERS}, inputs=dict.fromkeys(LAYERS, 1.0))


def cycles(millions: float) -> Cost:
    return Cost(instructions=1, cycles=millions * 1e6, bytes=0)


class Counter:
    """Costs of the block: each layer has one in fp16, and one in int8."""

    def __init__(self, fp16: dict[str, float], int8: dict[str, float]) -> None:
        self.fp16, self.int8 = fp16, int8
        self.counted: list[list[str]] = []

    def __call__(self, names: Sequence[str]) -> dict[str, Cost]:
        self.counted.append(list(names))
        lines = [each.name for each in mobile_block() if each.type != "Input"]
        by_name = self.fp16 | {name: self.int8[name] for name in names}
        costs = {name: cycles(by_name.get(name, 0)) for name in lines}
        if "project" in names:  # its floats are cast by who reads them
            costs["add"] = cycles(1.4)
        for before, after in pairwise(("expand", "depth", "project")):
            if after in names and before not in names:  # it makes int8 of what it reads
                costs[after] += cycles(1.5)
        return costs


def test_layers_that_hand_on_int8_are_a_unit() -> None:
    units = find_units(mobile_block(), TABLE)
    assert sorted(map(sorted, units)) == [["classes"], ["depth", "expand", "project"], ["stem"]]


LOSSES = {"stem": 4e-3, "expand": 1e-3, "depth": 2e-3, "project": 1e-3, "classes": 1e-4}


def always(_names: Sequence[str]) -> bool:
    return True


def choose(count: Counter, is_good: Callable[[Sequence[str]], bool] = always) -> Choice:
    return choose_layers(mobile_block(), TABLE, LOSSES, count, is_good)


def test_what_is_slower_in_int8_stays_in_halves() -> None:
    """The unit gains though one of its layers loses; the stem loses."""
    fp16 = {"stem": 2.0, "expand": 4.0, "depth": 1.0, "project": 4.0, "classes": 1.0}
    int8 = {"stem": 3.0, "expand": 2.0, "depth": 2.0, "project": 1.0, "classes": 0.5}
    choice = choose(Counter(fp16, int8))
    assert choice.layers == ["expand", "depth", "project", "classes"]
    assert (choice.fp16.cycles, choice.mixed.cycles) == (12e6, 8.9e6)
    assert (choice.verdict, choice.inaccurate) == ("int8+fp16", [])
    assert "1.35 x as fast as fp16 by count" in choice.text


def test_what_int8_makes_others_take_counts() -> None:
    """The addition's casts are more than the unit wins."""
    fp16 = {"stem": 2.0, "expand": 1.0, "depth": 1.0, "project": 1.0, "classes": 1.0}
    int8 = {"stem": 1.0, "expand": 0.8, "depth": 0.9, "project": 0.8, "classes": 0.5}
    assert choose(Counter(fp16, int8)).layers == ["stem", "classes"]


def test_a_layer_that_wins_alone_leaves_a_chain_that_loses() -> None:
    fp16 = {"stem": 1.0, "expand": 4.0, "depth": 1.0, "project": 1.0, "classes": 1.0}
    int8 = {"stem": 2.0, "expand": 2.0, "depth": 4.0, "project": 2.0, "classes": 2.0}
    choice = choose(Counter(fp16, int8))
    assert choice.layers == ["expand"]
    assert (choice.fp16.cycles, choice.mixed.cycles) == (8e6, 6e6)


def test_fp16_that_is_faster_is_said_to_be_and_nothing_is_judged() -> None:
    def never(_names: Sequence[str]) -> bool:
        raise AssertionError("what does not pay is judged")

    choice = choose(Counter(dict.fromkeys(LAYERS, 1.0), dict.fromkeys(LAYERS, 2.0)), never)
    assert (choice.layers, choice.verdict) == ([], "fp16")
    assert choice.mixed == choice.fp16
    assert choice.text.startswith("int8 does not pay: by count fp16 takes 0.52 ms")
    assert "best of both" not in choice.text


def test_what_wins_next_to_nothing_does_not_pay() -> None:
    halves = dict.fromkeys(LAYERS, 10.0)
    choice = choose(Counter(halves, halves | {"classes": 9.0}))
    assert (choice.layers, choice.verdict) == ([], "fp16")
    assert choice.mixed.cycles == 49e6
    assert "the best of both 5.10 ms" in choice.text


def test_all_int8_is_taken_where_nothing_loses() -> None:
    faster = Counter(dict.fromkeys(LAYERS, 4.0), dict.fromkeys(LAYERS, 1.0))
    choice = choose(faster)
    assert (choice.layers, choice.verdict) == (list(LAYERS), "int8")
    assert faster.counted == [[], list(LAYERS)]


def test_what_costs_most_for_its_gain_keeps_floats_until_the_whole_is_right() -> None:
    """The unit costs as much as the stem, but wins three times as much."""
    faster = Counter(dict.fromkeys(LAYERS, 4.0), dict.fromkeys(LAYERS, 1.0))
    judged: list[list[str]] = []

    def bears_two_units(names: Sequence[str]) -> bool:
        judged.append(list(names))
        return len(find_units(mobile_block(), TABLE.only(names))) <= 2

    choice = choose(faster, bears_two_units)
    assert choice.inaccurate == ["stem"]
    assert choice.layers == ["expand", "depth", "project", "classes"]
    assert choice.mixed == add_costs(faster(choice.layers).values())
    assert judged[0] == list(LAYERS)
    assert judged[-1] == choice.layers


def test_int8_that_is_never_right_leaves_fp16() -> None:
    faster = Counter(dict.fromkeys(LAYERS, 4.0), dict.fromkeys(LAYERS, 1.0))
    choice = choose(faster, lambda _names: False)
    assert (choice.layers, choice.inaccurate) == ([], list(LAYERS))
    assert choice.mixed == choice.fp16


def test_the_estimate_is_of_cycles_and_memory() -> None:
    cost = Cost(instructions=0, cycles=9.6e6, bytes=10_700_000)
    assert cost.estimate_ms(threads=4) == pytest.approx(2)
    assert cost.estimate_ms(threads=1) == pytest.approx(4 + 10.7 / 13.8)


def test_the_layer_that_costs_most_is_found(tmp_path: Path) -> None:
    """One layer's scales are too small by far: it costs most, and costs nothing when right."""
    write_pair(tmp_path, mobile_block())
    inputs = pictures(4)
    pair = (tmp_path / "model.ncnn.param", tmp_path / "model.ncnn.bin")
    ours = quantise_pair(*pair, lambda: iter(inputs), 4, PtqSettings(correct_bias=False))
    losses = measure_losses(ours, inputs[:2])
    assert set(losses) == set(LAYERS)
    assert max(losses.values()) < 0.02
    table = ours.table
    spoilt = Table(
        weights={
            **table.weights,
            "depth": {0: [scale / 60 for scale in table.weights["depth"][0]]},
        },
        inputs=table.inputs,
    )
    again = measure_losses(msgspec.structs.replace(ours, table=spoilt), inputs[:2])
    assert by_loss(again)[0] == "depth"
    assert again["depth"] > 10 * losses["depth"]
    assert again["stem"] == losses["stem"]


def test_costly_layers_are_spared_as_far_as_there_is_room() -> None:
    losses = {"first": 0.01, "large": 0.5, "small": 0.005, "harmless": 1e-6}
    sizes = {"first": 60, "large": 1000, "small": 50, "harmless": 1}
    assert spare_costly(losses, sizes, 100) == {"first"}
    assert spare_costly(losses, sizes, 120) == {"first", "small"}
    assert spare_costly(losses, sizes, 10) == set()

"""A converted network and inputs → the same network with int8 layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.ptq.bias import correct_biases
from piyard.compress.ptq.calibration import Observed, observe
from piyard.compress.ptq.cosine_search import SEARCH_INPUTS, move_scales
from piyard.compress.ptq.equalise import equalise_channels
from piyard.compress.ptq.layers import (
    STATIC_TYPES,
    find_weight_scales,
    quantisable_layers,
    quantise_layers,
)
from piyard.compress.ptq.pair import WeightedLayer, read_weighted_layers, write_weighted_layers
from piyard.compress.ptq.rounding import LARGEST
from piyard.compress.ptq.settings import PtqSettings
from piyard.compress.ptq.table import Table, format_table
from piyard.compress.ptq.thresholds import find_threshold
from piyard.convert.ncnn_net import NET_STEM, load_net
from piyard.core.errors import WrongInput
from piyard.core.files import scratch_folder

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

    Inputs = Callable[[], Iterable[tuple[Floats, ...]]]
    """Every input of the calibration, from the first one each time."""

EQUALISING_INPUTS = 8
"""So many show how far the channels reach: the scales are found by all."""
TABLE_FILE = f"{NET_STEM}.table"


class Quantised(msgspec.Struct, frozen=True, kw_only=True):
    """A network before and after, with its scales."""

    exact: list[WeightedLayer]
    """In fp32, equalised: it computes what the original computes."""
    corrected: list[WeightedLayer]
    """The same with the biases that the int8 layers have."""
    table: Table
    """The scales of all layers that can be int8."""

    def layers(self, names: Iterable[str], *, chains: bool = True) -> list[WeightedLayer]:
        """The network with these layers in int8; see ``quantise_layers``."""
        chosen = frozenset(names)
        mixed = [
            ours if ours.name in chosen else exact
            for ours, exact in zip(self.corrected, self.exact, strict=True)
        ]
        return quantise_layers(mixed, self.table.only(chosen), chains=chains)

    def write(self, at: Path, names: Iterable[str], stem: str = NET_STEM) -> None:
        """Write the pair with these layers in int8, and their table, into the folder."""
        chosen = frozenset(names)
        write_weighted_layers(self.layers(chosen), at, stem)
        (at / f"{stem}.table").write_text(format_table(self.table.only(chosen)))


def quantise_pair(
    param: Path, weights: Path, inputs: Inputs, count: int, settings: PtqSettings
) -> Quantised:
    """Raises ``WrongInput`` for a network without a layer to quantise, or one that is quantised."""
    original = read_weighted_layers(param, weights)
    _require_quantisable(original, param.name)
    exact = original
    if settings.equalise:
        seen = _observe_layers(original, inputs, min(count, EQUALISING_INPUTS))
        exact, _ = equalise_channels(original, seen)
    seen = _observe_layers(exact, inputs, count)
    table = make_table(exact, seen, settings)
    if settings.calibration == "cosine":
        table = move_scales(exact, table, _first(inputs, SEARCH_INPUTS))
    corrected = correct_biases(exact, table, seen) if settings.correct_bias else exact
    return Quantised(exact=exact, corrected=corrected, table=table)


def _require_quantisable(layers: Sequence[WeightedLayer], name: str) -> None:
    if not quantisable_layers(layers):
        raise WrongInput(
            f"{name} has no layer that ncnn has in int8",
            remedy="ncnn quantises convolutions, inner products, Gemm, attention and Embed",
        )


def _observe_layers(layers: Sequence[WeightedLayer], inputs: Inputs, count: int) -> Observed:
    with scratch_folder("piyard-calibrate-") as folder:
        write_weighted_layers(layers, folder, NET_STEM)
        net: Any = load_net(folder)
        lines = [each.layer for each in layers]
        return observe(net, lines, _first(inputs, count), count)


def _first(inputs: Inputs, count: int) -> Iterable[tuple[Floats, ...]]:
    return (values for values, _ in zip(inputs(), range(count), strict=False))


def make_table(layers: Sequence[WeightedLayer], seen: Observed, settings: PtqSettings) -> Table:
    """The scales of all layers that can be int8."""
    chosen = quantisable_layers(layers)
    thresholds: dict[str, float] = {}
    for blob, gathering in seen.blobs.items():
        thresholds[blob] = find_threshold(gathering.spread(), settings.calibration)
    return Table(
        weights={each.name: find_weight_scales(each) for each in chosen},
        inputs={
            each.name: _scale(thresholds[seen.source[each.layer.bottoms[0]]])
            for each in chosen
            if each.layer.type in STATIC_TYPES
        },
    )


def _scale(threshold: float) -> float:
    """1 for what is always zero."""
    return LARGEST / threshold if threshold else 1.0

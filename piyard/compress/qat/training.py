"""From a converted network to its int8 files, by training with int8 in the loop.

torch and torchao are imported with this module, so whoever needs it imports it late.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from piyard.compress.ptq.layers import quantise_layers
from piyard.compress.ptq.pair import read_weighted_layers, write_weighted_layers
from piyard.compress.ptq.quantise import TABLE_FILE, Quantised, quantise_pair
from piyard.compress.ptq.settings import PtqSettings
from piyard.compress.ptq.table import format_table
from piyard.compress.qat.carry import begin_with, match_layers, take_layers
from piyard.compress.qat.network import Int8Network
from piyard.compress.training.batches import TrainingData
from piyard.compress.training.loop import History, train
from piyard.compress.training.objective import Objective
from piyard.compress.training.settings import TrainingSettings
from piyard.convert.ncnn_net import NET_STEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from piyard.vision.schema import Floats


class PairFiles(NamedTuple):
    """A converted network in fp32."""

    param: Path
    weights: Path


class Int8Training(msgspec.Struct, frozen=True, kw_only=True):
    """What a training with int8 needs beside the network."""

    pair: PairFiles
    data: TrainingData
    objective: Objective
    settings: TrainingSettings
    calibration: int
    """How many of the pictures that are learnt from PTQ looks at."""
    ptq: PtqSettings = PtqSettings()
    """How the scales are found that training begins with."""


def train_int8(
    network: torch.nn.Module, training: Int8Training, checkpoints: Path, at: Path, *, title: str
) -> History:
    """Write the .param, .bin and table of the int8 network into the folder ``at``.

    The network itself stays as it is. Raises ``WrongInput`` and ``ConversionFailed``.
    """
    shape = training.data.pictures.take(training.data.learnt[:1]).inputs.shape[1:]
    quantised = calibrate(training)
    learning = Int8Network(network, tuple(shape))
    names = match_layers(learning, read_weighted_layers(*training.pair))
    begin_with(learning, names, quantised)
    history = train(
        learning, training.data, training.objective, training.settings, checkpoints, title=title
    )
    layers, table = take_layers(learning, names, quantised)
    write_weighted_layers(quantise_layers(layers, table), at, NET_STEM)
    (at / TABLE_FILE).write_text(format_table(table))
    return history


def calibrate(training: Int8Training) -> Quantised:
    """What PTQ makes of the network with pictures that are learnt from."""
    learnt = training.data.learnt[: training.calibration]

    def inputs() -> Iterator[tuple[Floats, ...]]:
        for number in learnt:
            yield (training.data.pictures.take([number]).inputs[0].numpy(),)

    return quantise_pair(*training.pair, inputs, len(learnt), training.ptq)

"""What was trained with int8 in floats is what stock ncnn computes with integers."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from piyard.compress.distill import Distillation, DistillationSettings
from piyard.compress.ptq.pair import read_weighted_layers
from piyard.compress.ptq.table import read_table
from piyard.compress.qat.carry import begin_with, match_layers
from piyard.compress.qat.network import Int8Network
from piyard.compress.qat.training import Int8Training, PairFiles, calibrate, train_int8
from piyard.compress.training.batches import hold_out
from piyard.compress.training.loop import digest_state
from piyard.convert.lowering import ROUTE_WRITERS
from piyard.convert.ncnn_net import net_function
from piyard.convert.param import count_quantised, read_param
from piyard.convert.reference import TorchReference
from piyard.core.errors import ConversionFailed
from piyard.models.networks import build_network, inference
from tests.support.training import SETTINGS, pictures

SHAPE = (1, 12, 12)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(4)
    result = build_network("small_cnn/w8-d1-k3", 3)
    for module in result.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.uniform_(-0.3, 1)
    return result


@pytest.fixture(scope="module")
def training(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Int8Training:
    folder = tmp_path_factory.mktemp("pair")
    with inference():
        TorchReference(network=network, shapes=[SHAPE], write=ROUTE_WRITERS["trace"]).lower(
            folder, half=False
        )
    shown = pictures(count=48, labelled=False, shape=SHAPE)
    settings = msgspec.structs.replace(SETTINGS, epochs=2, learning_rate=1e-3, weight_decay=0.0)
    return Int8Training(
        pair=PairFiles(folder / "model.ncnn.param", folder / "model.ncnn.bin"),
        data=hold_out(shown, settings),
        objective=Distillation(network, DistillationSettings(scores=True)),
        settings=settings,
        calibration=16,
    )


def test_the_int8_file_computes_what_was_trained(
    network: nn.Module, training: Int8Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: list[Int8Network] = []

    def keep(net: Int8Network, *arguments: object) -> None:
        learnt.append(net)
        begin_with(net, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("piyard.compress.qat.training.begin_with", keep)
    before = digest_state(network)
    history = train_int8(network, training, tmp_path / "checkpoints", tmp_path, title="toy")
    assert digest_state(network) == before
    first, last = history.epochs[0].validation_loss, history.epochs[-1].validation_loss
    assert last < first
    assert count_quantised(read_param(tmp_path / "model.ncnn.param")) == 8
    assert len(read_table(tmp_path / "model.table").layers) == 8
    _require_same(learnt[0], tmp_path, training)


def _require_same(net: Int8Network, folder: Path, training: Int8Training) -> None:
    shown = training.data.pictures.take(training.data.validation).inputs
    compute = net_function(folder)
    with inference():
        expected = net(shown).numpy()
        computed = np.stack([compute(values.numpy())[0] for values in shown])
    step = np.abs(expected).max() / 127
    apart = np.abs(computed - expected).max(axis=1)
    # Floats added in another order put a value at the border of two integers into the other one.
    assert np.count_nonzero(apart >= step) <= 1
    assert np.median(apart) < step / 100
    assert apart.max() < 4 * step
    assert float(np.corrcoef(computed.ravel(), expected.ravel())[0, 1]) > 0.999


def test_it_begins_where_ptq_ends(
    network: nn.Module, training: Int8Training, tmp_path: Path
) -> None:
    quantised = calibrate(training)
    net = Int8Network(network, SHAPE)
    names = match_layers(net, read_weighted_layers(*training.pair))
    begin_with(net, names, quantised)
    quantised.write(tmp_path, names)
    _require_same(net, tmp_path, training)


def test_a_pair_of_another_network_is_refused(training: Int8Training) -> None:
    torch.manual_seed(5)
    other = Int8Network(build_network("small_cnn/w8-d1-k3", 3), SHAPE)
    with pytest.raises(ConversionFailed, match=r"layer 1 of 8 with int8 .* 8 x 1 x 3 x 3"):
        match_layers(other, read_weighted_layers(*training.pair))

"""A network of one's own for which halves are too little."""

import pytest
import torch
from torch import nn

from piyard.convert import mask_search
from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import read_layers
from piyard.convert.param import FP32_MASK, MASK_KEY
from piyard.core.errors import ConversionFailed
from piyard.models.definition import load_model
from tests.conversion.own.adding import CLASSES, add, ask

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Overflowing(nn.Module):
    """Its product leaves the range of halves for a moment."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(12))
        self.first = nn.Conv2d(3, 4, 3)
        self.out = nn.Linear(4, CLASSES)

    def forward(self, x):
        x = torch.relu(self.first(x)) + 1
        for layer in self.layers:
            x = torch.relu(layer(x)) + 0.5
        large = x * 400
        return self.out(torch.sqrt(large * large).mean(dim=(2, 3)) * 0.01)


@pytest.fixture
def overflowing(tmp_path):
    torch.manual_seed(13)
    file = tmp_path / "over.pt"
    torch.jit.trace(Overflowing().eval(), torch.zeros(1, 3, 32, 32)).save(str(file))
    return file


def test_layers_that_need_fp32_get_it_and_that_is_noted(overflowing, names, capsys):
    add(ask(overflowing, names))
    conversion = convert_model(load_model("mine"))
    spared = conversion.manifest.no_fp16_storage
    assert spared
    layers = read_layers(conversion.folder)
    result = {layer.name: layer.number(MASK_KEY) for layer in layers if layer.number(MASK_KEY)}
    assert result == dict.fromkeys(spared, FP32_MASK)
    assert len(spared) < len(layers) / 4
    said = capsys.readouterr().err
    assert "stays in fp32" in said
    assert spared[0] in said


def test_a_net_that_cannot_be_helped_says_where_it_begins(overflowing, names, monkeypatch, capsys):
    """It is kept all the same: fp32 is right."""
    monkeypatch.setattr(mask_search, "MAX_FP32_SHARE", 0.0)
    add(ask(overflowing, names))
    assert "proved in fp32 only (--precision fp32): fp16" in capsys.readouterr().err
    conversion = convert_model(load_model("mine"), force=True)
    assert conversion.proved_in == ["fp32"]
    assert conversion.require_proved(["fp32"]) is conversion
    with pytest.raises(ConversionFailed) as caught:
        conversion.require_proved(["fp16"])
    (first,) = [line for line in caught.value.evidence.splitlines() if "first diverging" in line]
    assert "BinaryOp" in first
    assert "not finite" in caught.value.evidence

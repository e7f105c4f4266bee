"""What pnnx gets wrong in silence is refused by name, or converted in another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from piyard.convert.lowering import trace_network
from piyard.convert.misreadings import find_misreadings, read_complaints, require_read_right
from piyard.convert.ncnn_net import net_function
from piyard.convert.param import read_param
from piyard.convert.reference import TorchReference
from piyard.core.errors import ConversionFailed
from piyard.models.networks import inference
from piyard.models.synthetic import random_tensor

SHAPE = (3, 16, 16)
TOKENS, WIDTH = 16, 8


class Patches(nn.Module):
    """A picture as 16 tokens (1, 16, 8)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 4, stride=4)

    def forward(self, x):
        return self.stem(x).flatten(2).transpose(1, 2)


class MaskedAttention(Patches):
    """Its mask allows everything, which pnnx makes a constant of bytes."""

    def forward(self, x):
        tokens = super().forward(x)[:, None]
        mask = torch.ones(1, 1, TOKENS, TOKENS, dtype=torch.bool)
        return functional.scaled_dot_product_attention(tokens, tokens, tokens, attn_mask=mask)


class TruthValues(Patches):
    """Features that are switched off by a buffer of truth values."""

    def __init__(self):
        super().__init__()
        self.register_buffer("kept", torch.arange(WIDTH) % 2 == 0)

    def forward(self, x):
        return super().forward(x) * self.kept


class TokensInFront(nn.Module):
    """As OpenAI's CLIP on tokens (1, 16, 8): (tokens, batch, features) within, then the first."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(WIDTH))
        self.places = nn.Parameter(torch.randn(TOKENS + 1, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2)
        self.last = nn.Parameter(torch.randn(WIDTH, 5))

    def forward(self, x):
        first = self.first + torch.zeros(x.shape[0], 1, WIDTH)
        tokens = (torch.cat([first, x], dim=1) + self.places).permute(1, 0, 2)
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return self.norm(tokens.permute(1, 0, 2)[:, 0]) @ self.last


SHAPES = {MaskedAttention: SHAPE, TruthValues: SHAPE, TokensInFront: (TOKENS, WIDTH)}


def lower(network, at, *chosen):
    """By that way only, or by whichever computes the same."""
    torch.manual_seed(1)
    reference = TorchReference(
        network=network().eval(),
        shapes=[SHAPES[network]],
        write=trace_network,
        chosen=list(chosen),
    )
    with inference():
        reference.lower(at, half=False)
    return reference


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (MaskedAttention, "21=3: a constant of truth values"),
        (TruthValues, "21=3: a constant of truth values"),
        (TokensInFront, "along batch axis|across batch axis"),
    ],
)
def test_it_is_refused_by_name(network, named, tmp_path):
    with pytest.raises(ConversionFailed, match="pnnx misread the network") as caught:
        lower(network, tmp_path, trace_network)
    assert np.any([part in caught.value.evidence for part in named.split("|")])
    assert "batch_first=True" in caught.value.remedy


def test_where_no_other_way_is_left_the_misreading_is_said(tmp_path):
    with pytest.raises(ConversionFailed, match="pnnx misread the network"):
        lower(MaskedAttention, tmp_path)


@pytest.mark.parametrize("network", [TruthValues, TokensInFront])
def test_what_another_way_converts_computes_the_same(network, tmp_path):
    reference = lower(network, tmp_path)
    assert reference.chosen != [trace_network]
    picture = random_tensor(SHAPES[network], 5)
    with inference():
        (expected,) = reference.run(picture)
    (computed,) = net_function(tmp_path)(picture)
    assert np.allclose(computed.ravel(), expected.ravel(), atol=1e-5)


def write_net(folder, *lines):
    text = "\n".join(["7767517", f"{len(lines) + 1} 9", "Input in0 0 1 in0", *lines])
    (folder / "model.ncnn.param").write_text(text + "\n")
    return read_param(folder / "model.ncnn.param")


@pytest.mark.parametrize(
    "line",
    [
        "MemoryData mask 0 1 a 0=4 1=4 21=3",
        "MemoryData mask 0 1 a 0=4 21=8",
        "Crop select_0 1 1 in0 a -23310=1,-233 -23311=1,0 -23309=1,0",
        "Crop select_0 1 1 in0 a",
        "InnerProduct tied 2 1 in0 table a 0=20 1=0 2=320",
    ],
)
def test_a_layer_that_cannot_be_meant_is_named_with_its_line(line, tmp_path):
    ((number, why),) = find_misreadings(write_net(tmp_path, "ReLU r 1 1 in0 b", line))
    assert number == 5
    assert why
    with pytest.raises(ConversionFailed) as caught:
        require_read_right(tmp_path, "model")
    assert caught.value.evidence.startswith(f"model.ncnn.param:5: {line}")


@pytest.mark.parametrize(
    "line",
    [
        "MemoryData table 0 1 a 0=4 1=4",
        "MemoryData table 0 1 a 0=4 21=1",
        "MemoryData table 0 1 a 0=4 21=0",
        "Crop select_0 1 1 in0 a -23310=1,3 -23311=1,1 -23309=1,2",
        "Crop slice_0 1 1 in0 a -23310=1,-233 -23311=1,1 -23309=1,-1",
        "Crop like 2 1 in0 b a",
        "InnerProduct matrix 1 1 in0 a 0=20 1=0 2=320",
    ],
)
def test_layers_that_are_right_pass(line, tmp_path):
    write_net(tmp_path, "ReLU r 1 1 in0 b", line)
    require_read_right(tmp_path, "model")


def test_what_pnnx_says_in_passing_is_heard(tmp_path):
    said = [
        "select along batch axis 1 is not supported",
        "binaryop broadcast across batch axis 0 and 1 is not supported",
        "softmax axis around batch axis 0 is unknown",
        "expand tensor with unknown input shape is not supported yet, fallback to repeat 1",
        "permute 6-rank tensor is not supported yet!",
    ]
    passing = [
        "############# pass_ncnn",
        "get inputshape from traced inputs",
        "[W:onnxruntime:pnnx, cpuid_info.cc:99] Unknown CPU vendor. cpuinfo_vendor value: 0",
    ]
    log = tmp_path / "model.pnnx.log"
    log.write_text("\n".join([*passing, *said, said[0]]))
    assert read_complaints(log) == said
    assert read_complaints(tmp_path / "none") == []

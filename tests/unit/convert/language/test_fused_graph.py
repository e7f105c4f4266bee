"""A decoder's .param and .bin of nnrun's own layers, computed by their definition in numpy."""

import numpy as np
import pytest
import torch

from piyard.convert.language.formats import FORMATS
from piyard.convert.language.fused_graph import fused_layers, linear_parts, write_decoder
from piyard.convert.language.panels import ALIGNMENT, MARK, LinearWeights
from piyard.convert.language.quantise import quantise_matrix
from piyard.convert.param import read_param
from piyard.models.transformer_files import load_decoder, open_tensors
from tests.support.language_models import TINY, variant, write_folder
from tests.support.own_layers import AttentionShape, attention, linear

IDS = [(7 * place + 3) % 96 for place in range(24)]
CONFIGS = {
    "tied": TINY,
    "untied": variant(tied=False),
    "qwen2": variant(family="qwen2", qkv_bias=True),
    "qwen3": variant(family="qwen3", qk_norm=True, head_dim=16),
}


class Net:
    """The layers of a .param, computed from a model's tensors."""

    def __init__(self, source, formats):
        self.source, self.config = source, source.config
        self.parts = linear_parts(source.config, formats)
        self.layers = fused_layers(source.config, formats)

    def linear(self, name, x, residual=None):
        part, read = self.parts[name], self.source.read
        matrix = np.concatenate([read(f"{tensor}.weight") for tensor in part.tensors])
        integers = part.format.is_integer
        biases = [read(f"{tensor}.bias") for tensor in part.tensors if part.bias]
        weights = LinearWeights(
            matrix=quantise_matrix(matrix, part.format) if integers else matrix,
            norm_weight=read(part.norm) if part.norm else None,
            bias=np.concatenate(biases) if biases else None,
        )
        return linear(part.shape, weights, x, residual)

    def attend(self, layer, qkv):
        config = self.config
        settings = [float(value) for value in layer.settings.values()]
        shape = AttentionShape(
            heads=int(settings[0]),
            kv_heads=int(settings[1]),
            size=int(settings[2]),
            scale=settings[3],
            rotary=int(settings[4]),
            qk_norm=bool(settings[5]),
            eps=settings[6],
        )
        norms = None
        if config.qk_norm:
            prefix = f"model.layers.{layer.name.rpartition('_')[2]}.self_attn."
            norms = tuple(self.source.read(f"{prefix}{part}_norm.weight") for part in "qk")
        return attention(shape, qkv, np.array(config.rope_frequencies()), norms)

    def logits(self, ids):
        blobs = {"in0": self.source.read("model.embed_tokens.weight")[ids]}
        for layer in self.layers:
            if "embed" in layer.name or layer.type == "Input":
                continue
            inputs = [blobs[name] for name in layer.bottoms]
            if layer.type == "Split":
                blobs |= dict.fromkeys(layer.tops, inputs[0])
            elif layer.type == "Attention":
                blobs[layer.tops[0]] = self.attend(layer, *inputs)
            else:
                blobs[layer.tops[0]] = self.linear(layer.name, *inputs)
        return blobs["logits"]


@pytest.fixture(params=list(CONFIGS))
def source(request, tmp_path):
    return open_tensors(write_folder(tmp_path / "model", CONFIGS[request.param]))


def test_the_layers_compute_the_decoder(source):
    with torch.no_grad():
        expected = load_decoder(source)(torch.tensor(IDS)).numpy()
    assert np.allclose(Net(source, FORMATS["fp32"]).logits(IDS), expected, atol=2e-5)


def test_integers_compute_nearly_the_same(source):
    with torch.no_grad():
        expected = load_decoder(source)(torch.tensor(IDS)).numpy()
    for precision, cosine in (("int8", 0.999), ("int4", 0.95)):
        logits = Net(source, FORMATS[precision]).logits(IDS)
        alike = np.vdot(logits, expected) / np.linalg.norm(logits) / np.linalg.norm(expected)
        assert alike > cosine


@pytest.mark.parametrize("precision", FORMATS)
def test_both_files_belong_together(source, precision, tmp_path):
    param, bin_ = tmp_path / "a.param", tmp_path / "a.bin"
    errors = write_decoder(source, FORMATS[precision], param, bin_)
    layers = read_param(param)
    assert layers == fused_layers(source.config, FORMATS[precision])
    content = bin_.read_bytes()
    assert content.startswith(MARK)
    assert len(content) % ALIGNMENT == 0
    matrices = [layer.name for layer in layers if layer.type == "LinearQ"]
    assert [error.layer for error in errors] == (matrices if "int" in precision else [])
    assert all(0 < error.error < 0.2 for error in errors)
    assert content.count(MARK) >= len(matrices) + source.config.layers


def test_a_blob_is_made_once_and_read_once(source):
    layers = fused_layers(source.config, FORMATS["fp16"])
    result = [name for layer in layers for name in layer.tops]
    read = [name for layer in layers for name in layer.bottoms]
    assert len(set(result)) == len(result)
    assert len(set(read)) == len(read)
    assert set(result) - set(read) <= {"logits", "embeddings"}

"""A decoder block by pnnx: computed by ncnn as by torch, and recognised as nnrun's own."""

import msgspec
import pytest
import torch

from piyard.convert.language.block_graph import describe_block, prove_block, require_block
from piyard.convert.param import read_param
from piyard.core.errors import ConversionFailed
from piyard.models.synthetic import random_tensor
from piyard.models.transformer_files import block_shapes
from tests.support.language_models import tiny_weights, variant

CONFIGS = {
    "llama": variant(head_dim=16),
    "qwen2": variant(family="qwen2", qkv_bias=True),
    "qwen3": variant(family="qwen3", qk_norm=True, head_dim=16),
}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def proved(config, at):
    weights = tiny_weights(config)
    names = block_shapes(config)
    block = {name: torch.from_numpy(weights[f"model.layers.0.{name}"]) for name in names}
    return prove_block(config, block, torch.from_numpy(random_tensor((40, config.hidden))), at)


@pytest.fixture(scope="module")
def llama_layers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    with torch.no_grad():
        proved(CONFIGS["llama"], folder)
    return read_param(folder / "block.ncnn.param")


@pytest.mark.parametrize("family", CONFIGS)
def test_a_block_of_each_family_is_proved_and_recognised(family, tmp_path):
    proof = proved(CONFIGS[family], tmp_path)
    assert proof.figures.count == 4
    assert proof.figures.cosine > 0.999999
    assert proof.figures.max_abs is not None
    assert proof.figures.max_abs < 1e-4


def test_a_block_that_computes_something_else_is_refused(llama_layers):
    config, layers = CONFIGS["llama"], llama_layers
    require_block(config, layers)
    for changed in (
        {"norm_eps": 1e-6},
        {"kv_heads": 4},
        {"qkv_bias": True},
        {"qk_norm": True},
        {"head_dim": 8},
    ):
        with pytest.raises(ConversionFailed, match="none of nnrun's"):
            require_block(msgspec.structs.replace(config, **changed), layers)


@pytest.mark.parametrize(
    ("type_", "settings"),
    [
        ("Swish", {"0": "1"}),
        ("SDPA", {"5": "1", "6": "0.5"}),
        ("Gemm", {"0": "2.0", "10": "-1", "2": "0", "3": "1", "4": "0", "5": "1", "6": "1"}),
        ("BinaryOp", {"0": "1"}),
        ("Permute", {"0": "3"}),
    ],
)
def test_another_setting_of_a_layer_is_noticed(type_, settings, llama_layers):
    config, layers = CONFIGS["llama"], list(llama_layers)
    at = next(number for number, layer in enumerate(layers) if layer.type == type_)
    layers[at] = msgspec.structs.replace(layers[at], settings=settings)
    with pytest.raises(ConversionFailed, match="none of nnrun's"):
        require_block(config, layers)


def test_the_expression_says_what_a_block_is():
    text = describe_block(CONFIGS["qwen3"])
    assert text.startswith("add(add(in0,linear[64>32](reshape[64,0c](permute[2](attention(add(mul(")
    assert "norm[16,1e-05](reshape[16,4,0h](linear[32>64](norm[32,1e-05](in0))))" in text

"""Hugging Face's config.json as a decoder's sizes."""

import math

import pytest

from piyard.core.errors import WrongInput
from piyard.language.config import huggingface_config, llama3_factors, read_huggingface_config
from tests.support.language_models import TINY, huggingface_json, variant, write_folder


def test_a_folder_says_what_its_decoder_is(tmp_path):
    assert read_huggingface_config(write_folder(tmp_path, TINY)) == TINY


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_families_differ_in_biases_and_norms_of_heads(family, tmp_path):
    config = huggingface_config(huggingface_json(variant(family=family)), tmp_path)
    assert (config.qkv_bias, config.qk_norm) == (family == "qwen2", family == "qwen3")


def test_parameters_are_counted_as_published(tmp_path):
    """Of Qwen2.5-0.5B, whose card says 0.49 B and 0.36 B without the embedding."""
    published = huggingface_json() | {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "head_dim": None,
    }
    config = huggingface_config(published, tmp_path)
    assert config.head_dim == 64
    assert config.params == 494_032_768
    assert config.layers * config.block_params == 357_897_216


def test_llama3_stretches_only_long_waves():
    """Values of transformers 5.24 for Llama 3.1: theta 500,000, heads of 128, factor 8."""
    factors = llama3_factors(500_000.0, 64, factor=8, low=1, high=4, original=8192)
    assert factors[0] == 1
    assert factors[28] == 1
    assert factors[63] == 8
    assert all(1 < factor < 8 for factor in factors[29:35])


def test_rotary_settings_are_read_in_both_spellings(tmp_path):
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    old = huggingface_json(rope_theta=5e5, rope_scaling=scaling)
    new = huggingface_json(rope_parameters=scaling | {"rope_theta": 5e5})
    assert huggingface_config(old, tmp_path) == huggingface_config(new, tmp_path)
    assert math.isclose(huggingface_config(old, tmp_path).rope_frequencies()[0], 1.0)


def test_linear_scaling_divides_each_frequency(tmp_path):
    scaled = huggingface_json(rope_scaling={"type": "linear", "factor": 4.0})
    frequencies = huggingface_config(scaled, tmp_path).rope_frequencies()
    assert frequencies == [frequency / 4 for frequency in TINY.rope_frequencies()]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "gemma3_text"}, "'gemma3_text' is none that piyard builds: its blocks"),
        ({"model_type": "gemma3_text"}, "norms of 1 + w"),
        ({"model_type": "gemma3_text"}, "sliding windows"),
        ({"model_type": "lama"}, "did you mean 'llama'"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"num_local_experts": 8}, "mixtures of experts"),
        ({"use_sliding_window": True}, "sliding window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding window"),
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised by others"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "yarn"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 4.0}}, "not whole"),
        ({"rope_scaling": [4.0]}, "not an object"),
        ({"num_key_value_heads": 3}, "share 3 keys"),
        ({"head_dim": 7}, "in pairs"),
        ({"vocab_size": "many"}, "vocabulary"),
        ({"hidden_size": None, "head_dim": None}, "hidden"),
        ({"num_hidden_layers": 10**9}, "layers"),
    ],
)
def test_what_piyard_does_not_compute_is_refused_by_name(change, named, tmp_path):
    with pytest.raises(WrongInput) as raised:
        huggingface_config(huggingface_json() | change, tmp_path / "config.json")
    assert named in raised.value.what
    assert "\n" not in raised.value.what


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe{}", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(WrongInput, match="no JSON object"):
        read_huggingface_config(tmp_path)


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(WrongInput, match="cannot be read"):
        read_huggingface_config(tmp_path)

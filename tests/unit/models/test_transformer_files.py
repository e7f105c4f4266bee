"""Files of language models that are as they should be, and others."""

import json

import numpy as np
import pytest

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.llama2c import Llama2cFile
from piyard.models.transformer_files import load_decoder, open_tensors, read_block
from tests.support.language_models import (
    TINY,
    gguf_bytes,
    gguf_metadata,
    gguf_tensors,
    tiny_weights,
    variant,
    write_folder,
    write_gguf,
    write_llama2c,
    write_safetensors,
)


def require_equal(source, weights):
    for name, values in weights.items():
        assert np.array_equal(source.read(name), values), name


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_of_hugging_face_is_read(shards, tmp_path):
    source = open_tensors(write_folder(tmp_path, shards=shards))
    assert source.config == TINY
    require_equal(source, tiny_weights())


@pytest.mark.parametrize("changes", [{}, {"family": "qwen2", "qkv_bias": True}])
def test_a_gguf_file_is_read(changes, tmp_path):
    config = variant(**changes)
    source = open_tensors(write_gguf(tmp_path / "a.gguf", config))
    assert source.config == config
    require_equal(source, tiny_weights(config))


def test_norms_of_heads_of_a_gguf_file_are_seen(tmp_path):
    config = variant(family="qwen3", qk_norm=True, head_dim=16, tied=False)
    source = open_tensors(write_gguf(tmp_path / "a.gguf", config))
    assert source.config == config
    require_equal(source, tiny_weights(config))


@pytest.mark.parametrize("tied", [True, False])
def test_a_file_of_llama2c_is_read(tied, tmp_path):
    config = variant(tied=tied, eos=(1, 2))
    source = open_tensors(write_llama2c(tmp_path / "a.bin", config))
    assert source.config == config
    require_equal(source, tiny_weights(config))


def test_a_tied_table_may_have_either_name(tmp_path):
    weights = tiny_weights()
    weights["lm_head.weight"] = weights.pop("model.embed_tokens.weight")
    source = open_tensors(write_folder(tmp_path, TINY, weights))
    assert np.array_equal(source.read("model.embed_tokens.weight"), weights["lm_head.weight"])


def test_a_block_is_read_alone(tmp_path):
    block = read_block(open_tensors(write_folder(tmp_path)), 1)
    assert block["mlp.up_proj.weight"].shape == (64, 32)
    assert len(block) == 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("model.layers.1.mlp.up_proj.weight"), "mlp.up_proj.weight' is missing"),
        (lambda w: w.update({"model.norm.weight": np.ones(31)}), "is 31 and not 32"),
        (lambda w: w.update({"model.layers.0.mlp.up_proj.bias": np.ones(64)}), "belongs to no"),
        (lambda w: w.update({"model.layers.2.x": np.ones(1)}), "belongs to no"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, said, tmp_path):
    weights = tiny_weights()
    change(weights)
    with pytest.raises(ConversionFailed, match="do not fit") as raised:
        open_tensors(write_folder(tmp_path, TINY, weights))
    assert said in raised.value.evidence


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_weights_are_refused(value, tmp_path):
    weights = tiny_weights()
    weights["model.layers.1.self_attn.o_proj.weight"][3, 4] = value
    source = open_tensors(write_folder(tmp_path, TINY, weights))
    with pytest.raises(ConversionFailed, match=r"o_proj\.weight' holds NaN or infinity"):
        load_decoder(source)


def test_a_cut_shard_is_refused(tmp_path):
    folder = write_folder(tmp_path, shards=2)
    file = folder / "model-1.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ConversionFailed, match="no room for its values"):
        open_tensors(folder)


@pytest.mark.parametrize("name", ["../secret.safetensors", "gone.safetensors", "/etc/passwd", ""])
def test_an_index_names_files_of_its_folder_only(name, tmp_path):
    folder = write_folder(tmp_path / "model", shards=2)
    write_safetensors(tmp_path / "secret.safetensors", tiny_weights())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(WrongInput, match="not in the folder"):
        open_tensors(folder)


def test_pickles_are_no_weights(tmp_path):
    folder = write_folder(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WrongInput, match=r"has no model\.safetensors"):
        open_tensors(folder)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("Once upon a time")
    with pytest.raises(WrongInput, match="no language model"):
        open_tensors(tmp_path / "a.txt")
    with pytest.raises(WrongInput, match="there is no file"):
        open_tensors(tmp_path / "b")


@pytest.mark.parametrize("cut", [1, 1000, 50_000])
def test_a_cut_file_of_llama2c_is_refused(cut, tmp_path):
    path = write_llama2c(tmp_path / "a.bin")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ConversionFailed, match="it is cut"):
        Llama2cFile(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"general.architecture": "gemma3"}, "gemma3"),
        ({"llama.expert_count": 8}, "mixtures of experts"),
        ({"llama.attention.sliding_window": 4096}, "a sliding window"),
        ({"llama.rope.dimension_count": 4}, "turned in part"),
        ({"llama.rope.scaling.type": "yarn"}, "yarn"),
        ({"llama.block_count": 0}, "layers"),
        ({"llama.attention.head_count": 0}, "heads"),
        ({"llama.embedding_length": "wide"}, "hidden"),
    ],
)
def test_metadata_that_piyard_does_not_compute_is_refused(change, said, tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(gguf_metadata() | change, gguf_tensors()))
    with pytest.raises(WrongInput) as raised:
        open_tensors(path)
    assert said in raised.value.what


def test_rotary_factors_of_a_gguf_file_are_read(tmp_path):
    factors = np.array([1, 1.5, 4, 8], np.float32)
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(gguf_metadata(), gguf_tensors() | {"rope_freqs.weight": factors}))
    assert open_tensors(path).config.rope_factors == (1, 1.5, 4, 8)

"""Language models that ship, and weights that need no file."""

import msgspec
import numpy as np
import pytest

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import load_model, model_names
from piyard.models.language_models import (
    LanguageModel,
    language_model_names,
    load_language_model,
    open_weights,
)
from piyard.models.random_decoder import RandomSource
from piyard.models.transformer_files import require_tensors
from tests.support.language_models import (
    TINY,
    tiny_weights,
    variant,
    write_gguf,
    write_llama2c,
    write_safetensors,
)

# As their cards and papers count them.
PARAMS = {
    "smollm2_135m_instruct": 134_515_008,
    "smollm2_360m_instruct": 361_821_120,
    "qwen2_5_0_5b_instruct": 494_032_768,
    "qwen3_0_6b": 596_049_920,
    "smolvlm_256m": 256_484_928,
    "tinystories_656k": 656_000,
    "stories260k": 260_032,
}


def test_those_that_ship_have_the_published_sizes():
    assert {
        name: load_language_model(name).language.params for name in language_model_names()
    } == PARAMS


def test_no_name_is_taken_twice():
    assert not set(language_model_names()) & set(model_names())


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(WrongInput, match="did you mean 'qwen3_0_6b'"):
        load_language_model("qwen3_0.6b")


def test_what_sees_no_pictures_is_refused_as_that():
    with pytest.raises(WrongInput, match="is a language model"):
        load_model("qwen3_0_6b")


def described(config):
    weights = [{"source": "me", "licence": "", "dataset": "", "sha256": "0" * 64}]
    keys = {"title": "Tiny", "task": "generate", "network": "transformer", "weights": weights}
    language = msgspec.to_builtins(config)
    return msgspec.convert({**keys, "language": language, "name": "tiny"}, LanguageModel)


def test_every_kind_of_file_is_opened(tmp_path):
    weights = tiny_weights()
    files = [
        write_safetensors(tmp_path / "a.safetensors", weights),
        write_gguf(tmp_path / "a.gguf"),
        write_llama2c(tmp_path / "a.bin"),
    ]
    for file in files:
        source = open_weights(described(TINY), file)
        name = "model.layers.1.self_attn.q_proj.weight"
        assert np.array_equal(source.read(name), weights[name])


def test_a_file_of_another_decoder_is_refused(tmp_path):
    file = write_gguf(tmp_path / "a.gguf", variant(rope_theta=500_000.0))
    with pytest.raises(ConversionFailed, match="holds another decoder") as raised:
        open_weights(described(TINY), file)
    assert raised.value.evidence == "rope_theta: 500000.0 in the file, 10000.0 there"


def test_random_weights_fit_and_are_the_same_each_time():
    config = variant(family="qwen2", qkv_bias=True, vocabulary=5000)
    first, second = RandomSource(config), RandomSource(config)
    require_tensors(first)
    for name, shape in first.shapes.items():
        values = first.read(name)
        assert values.shape == shape
        assert values.dtype == np.float32
        assert np.array_equal(values, second.read(name))
    table = first.read("model.embed_tokens.weight")
    assert table.std() == pytest.approx(32**-0.5, rel=0.02)
    assert len(np.unique(table[:, 0])) > 4990
    assert not np.array_equal(
        first.read("model.layers.0.mlp.up_proj.weight"),
        first.read("model.layers.1.mlp.up_proj.weight"),
    )

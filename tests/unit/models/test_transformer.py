"""The decoder computes what transformers computes."""

import pytest
import torch

from piyard.language.config import llama3_factors
from piyard.models.architectures.classifiers import torchvision_models
from piyard.models.transformer_files import load_decoder, open_tensors
from tests.support.language_models import (
    huggingface_json,
    tiny_weights,
    variant,
    write_folder,
    write_gguf,
    write_llama2c,
)

IDS = [(7 * place + 3) % 96 for place in range(24)]
CONFIGS = {
    "llama": variant(
        tied=False, rope_factors=llama3_factors(1e4, 4, factor=8, low=1, high=4, original=64)
    ),
    "qwen2": variant(family="qwen2", qkv_bias=True),
    "qwen3": variant(family="qwen3", qk_norm=True, head_dim=16),
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
OTHER_KEYS = {"llama": {"rope_scaling": LLAMA3}, "qwen2": {}, "qwen3": {}}

# What transformers 5.24 with torch 2.13 computes from these weights for IDS: the last place's
# first logits, the likeliest token of each place, and the deviation of all logits.
LAST = {
    "llama": [-1.67539, 1.12265, -2.06822, -2.10312, 1.19588],
    "qwen2": [0.13936, -0.60249, 0.66781, -0.23136, 1.17798],
    "qwen3": [-1.63047, 0.72452, -0.06939, -0.27061, -1.08463],
}
LIKELIEST = {
    "llama": "33 46 91 74 82 91 1 8 11 23 35 39 74 15 68 35 68 78 68 35 76 46 23 11",
    "qwen2": "41 69 41 41 4 4 41 36 89 89 43 80 16 94 55 33 84 79 64 16 68 38 29 11",
    "qwen3": "20 75 20 20 82 76 82 54 38 5 5 59 59 44 20 5 54 67 53 5 28 5 52 20",
}
DEVIATION = {"llama": 1.15174, "qwen2": 1.13702, "qwen3": 1.14059}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(params=list(CONFIGS))
def family(request):
    return request.param


@pytest.fixture
def decoder(family, tmp_path):
    folder = write_folder(tmp_path, CONFIGS[family], **OTHER_KEYS[family])
    return load_decoder(open_tensors(folder))


def test_logits_are_those_of_transformers(family, decoder):
    logits = decoder(torch.tensor(IDS))
    assert logits.shape == (24, 96)
    assert logits[-1, :5].tolist() == pytest.approx(LAST[family], abs=2e-5)
    assert logits.argmax(-1).tolist() == [int(word) for word in LIKELIEST[family].split()]
    assert float(logits.double().std()) == pytest.approx(DEVIATION[family], abs=2e-5)


def test_steps_with_a_cache_equal_the_whole(decoder):
    caches = decoder.new_caches()
    ids = torch.tensor(IDS)
    parts = [decoder(ids[first:last], caches) for first, last in [(0, 9), (9, 10), (10, 24)]]
    torch.testing.assert_close(torch.cat(parts), decoder(ids), atol=1e-5, rtol=0)
    assert caches[1].length == 24


def test_transformers_agrees_where_it_is_installed(family, decoder, tmp_path):
    torchvision_models()  # transformers imports torchvision, which must go with this torch
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    keys = huggingface_json(CONFIGS[family], **OTHER_KEYS[family])
    config = transformers.AutoConfig.for_model(**keys)
    original = transformers.AutoModelForCausalLM.from_config(config).eval()
    original.load_state_dict(decoder.state_dict())
    ids = torch.tensor(IDS)
    torch.testing.assert_close(decoder(ids), original(ids[None]).logits[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("write", [write_gguf, write_llama2c])
def test_pairs_become_halves(write, tmp_path):
    config = variant(tied=False)
    weights = tiny_weights(config)
    expected = load_decoder(open_tensors(write_folder(tmp_path / "a", config, weights)))
    read = load_decoder(open_tensors(write(tmp_path / "file.bin", config, weights)))
    ids = torch.tensor(IDS)
    torch.testing.assert_close(read(ids), expected(ids), atol=0, rtol=0)

"""nnrun computes a converted decoder as torch computes the original."""

import numpy as np
import pytest
import torch

from piyard.convert.language.formats import FORMATS
from piyard.convert.language.fused_graph import write_decoder
from piyard.models.transformer_files import load_decoder, open_tensors
from tests.support.language_models import TINY, variant, write_folder

pytestmark = pytest.mark.docker

IDS = np.array([(7 * place + 3) % 96 for place in range(100)], "<i4")
CONFIGS = {
    "tied": TINY,
    "untied": variant(tied=False, rope_factors=(2.0,) * 4),
    "qwen2": variant(family="qwen2", qkv_bias=True),
    "qwen3": variant(family="qwen3", qk_norm=True, head_dim=16),
}


@pytest.fixture(params=list(CONFIGS))
def source(request, tmp_path):
    config = CONFIGS[request.param]
    scaling = {"rope_type": "linear", "factor": 2.0} if config.rope_factors else None
    return open_tensors(write_folder(tmp_path / "model", config, rope_scaling=scaling))


def logits(nnrun, folder, *flags):
    np.save(folder / "ids.npy", IDS)
    files = ["--param", folder / "a.param", "--bin", folder / "a.bin"]
    saved = folder / "logits.npy"
    more = ["--tokens", folder / "ids.npy", "--cache", "fp32", "--quiet", "--save-logits", saved]
    nnrun("score", *files, *more, *flags).line("summary")
    return np.load(saved)


def expected_logits(source):
    with torch.no_grad():
        return load_decoder(source)(torch.from_numpy(IDS).long()).numpy()


@pytest.mark.parametrize("steps", ["1", "100"])
def test_steps_and_the_whole_are_the_originals(nnrun, source, steps, tmp_path):
    write_decoder(source, FORMATS["fp32"], tmp_path / "a.param", tmp_path / "a.bin")
    computed = logits(nnrun, tmp_path, "--steps", steps)
    assert np.allclose(computed, expected_logits(source), atol=1e-4)


def test_half_weights_are_near(nnrun, source, tmp_path):
    write_decoder(source, FORMATS["fp16"], tmp_path / "a.param", tmp_path / "a.bin")
    computed, expected = logits(nnrun, tmp_path), expected_logits(source)
    alike = np.vdot(computed, expected) / np.linalg.norm(computed) / np.linalg.norm(expected)
    assert alike > 0.9999

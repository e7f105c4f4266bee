"""128 tokens that nnrun chooses one after the other are those that torch chooses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.language import greedy
from benchmarks.language.desktop import TINY_MODELS, Subject, generate
from benchmarks.language.own import Net
from piyard.convert.language.formats import FORMATS
from piyard.convert.language.fused_graph import write_decoder
from piyard.core.errors import DownloadFailed
from piyard.models.transformer_files import load_decoder, open_tensors
from tests.support.language_models import variant, write_folder

pytestmark = pytest.mark.docker

COUNT = 128
CONFIGS = {
    "llama": variant(context=256),
    "qwen2": variant(context=256, family="qwen2", qkv_bias=True, tied=False),
    "qwen3": variant(context=256, family="qwen3", qk_norm=True, head_dim=16),
}
BEGINNINGS = {
    "stories260k": ("", "Once upon a time, there was a little girl named Lily. She loved to play"),
    "tinystories_656k": ("Once upon a time", ", a little girl named Lily lived in a small house"),
}
"""Prompts, and what other programs continue them with."""


@pytest.fixture(autouse=True)
def _one_thread():
    """Rows alone are too little work to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_tiny_decoder_goes_on_as_the_original(nnrun_path: Path, name: str, tmp_path: Path):
    source = open_tensors(write_folder(tmp_path / "model", CONFIGS[name]))
    net = Net(tmp_path / "net.param", tmp_path / "net.bin", 96)
    write_decoder(source, FORMATS["fp32"], net.param, net.bin)
    decoder, prompt = load_decoder(source), [3, 10, 17, 24]
    expected, margin = greedy.continue_greedily(decoder, prompt, COUNT)
    tokens, summary = generate(nnrun_path, net, prompt, COUNT, tmp_path)
    assert tokens == expected
    assert len(expected) == summary["tokens"] == COUNT
    assert margin > 0
    with torch.no_grad():
        logits = decoder(torch.tensor([*prompt, *expected]))[len(prompt) - 1 : -1]
    assert logits.argmax(-1).tolist() == expected


@pytest.mark.parametrize("name", TINY_MODELS)
def test_real_weights_go_on_as_the_original(nnrun_path: Path, name: str):
    subject, (prompt, beginning) = Subject(name), BEGINNINGS[name]
    try:
        _ = subject.plan
    except DownloadFailed as error:
        pytest.skip(f"its weights are not here: {error}")
    (row,) = greedy.compare(subject, nnrun_path, [prompt], COUNT, with_witness=False)
    assert (len(row.tokens), row.nnrun) == (COUNT, COUNT)
    assert beginning in row.text


def test_the_first_token_that_differs_is_named():
    assert greedy.shared_start([1, 2, 3], [1, 2, 3]) == 3
    assert greedy.shared_start([1, 2, 3], [1, 9, 3]) == 1
    row = greedy.Row("A", "", [1, 2, 3], 0.5, nnrun=1, transformers=None, text="")
    assert not row.well
    assert row.cells == ["A", "(none)", "3", "differs at 2", "N/A", "0.5"]

"""A language model's conversion: files, proof, and what is refused."""

import json

import msgspec
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from piyard.convert.language import conversions, converter
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.formats import FORMATS, Format
from piyard.convert.language.fused_graph import write_decoder
from piyard.convert.language.plan import keep_rounding, plan_language
from piyard.convert.language.proof_tokens import PROOF_TEXT, choose_tokens
from piyard.convert.language.tokenizer_files import TokenizerFiles, make_byte_tokenizer
from piyard.convert.language.twin_pass import TwinPass
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.language_models import LanguageModel
from piyard.models.transformer_files import load_decoder, open_tensors
from tests.support.language_models import (
    TINY,
    gguf_bytes,
    gguf_metadata,
    gguf_tensors,
    variant,
    write_folder,
)

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;\"'?-Ġ"


@pytest.fixture(autouse=True)
def _own_artifacts(tmp_path, monkeypatch):
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))


@pytest.fixture
def tokenizer():
    """Letters of ASCII as tokens."""
    vocabulary = {letter: number for number, letter in enumerate(dict.fromkeys(LETTERS))}
    spelled = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    spelled.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return spelled.to_str().encode()


def tiny(config=TINY, **keys):
    weights = [{"source": "me", "licence": "", "dataset": "", "sha256": "0" * 64}]
    fixed = {"title": "Tiny", "task": "generate", "network": "transformer", "name": "tiny"}
    language = msgspec.to_builtins(config)
    return msgspec.convert(
        {**fixed, "weights": weights, "language": language} | keys, LanguageModel
    )


def test_random_weights_are_converted_and_proved_in_each_precision():
    keys = set()
    for precision in FORMATS:
        plan = plan_language(tiny(), precision, random_weights=True)
        conversion = convert_language_model(plan)
        assert conversion.fresh
        assert conversion.files == ["model.ncnn.param", "model.ncnn.bin"]
        manifest = conversion.manifest
        assert manifest.params == TINY.params
        assert manifest.weight_bytes == (conversion.folder / "model.ncnn.bin").stat().st_size
        assert manifest.block.figures.cosine > 0.99999
        assert manifest.agreement.tokens == 512
        assert bool(manifest.errors) == precision.startswith("int")
        assert not convert_language_model(plan).fresh
        keys.add(conversion.key)
    assert len(keys) == 4


def test_a_tokenizer_that_nnrun_cannot_read_is_named_first(tokenizer, tmp_path, monkeypatch):
    broken = json.loads(tokenizer) | {"pre_tokenizer": {"type": "FooSplit"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(broken))
    files = TokenizerFiles(file=tmp_path / "tokenizer.json", name="tokenizer.json")
    plan = plan_language(tiny(), "int4", random_weights=True)
    monkeypatch.setattr(converter, "write_decoder", None)
    with pytest.raises(ConversionFailed, match="pre_tokenizer is 'FooSplit', which piyard does"):
        convert_language_model(msgspec.structs.replace(plan, tokenizer=files))
    assert not list((tmp_path / "artifacts" / "conversions").glob("*/manifest.json"))


def test_a_proof_that_fails_is_kept_and_refused(monkeypatch):
    monkeypatch.setattr(conversions, "MAX_DIVERGENCE", 1e-9)
    plan = plan_language(tiny(), "int4", random_weights=True)
    with pytest.raises(ConversionFailed, match="in int4 is too far") as raised:
        convert_language_model(plan)
    assert "KL" in raised.value.evidence
    assert convert_language_model(plan, force=True).manifest.failed


def agreement(source, formats, tokens):
    with torch.no_grad():
        twin = TwinPass(source, formats, tokens.proof, tokens.calibration)
        folder = source.path.parent
        errors = write_decoder(source, formats, folder / "a.param", folder / "a.bin", twin)
        return twin.result(tokens.text, is_text=tokens.is_text), errors


@pytest.fixture(params=["tied", "qwen3"])
def source(request, tmp_path):
    configs = {"tied": TINY, "qwen3": variant(family="qwen3", qk_norm=True, tied=False)}
    return open_tensors(write_folder(tmp_path / "model", configs[request.param]))


def test_the_originals_perplexity_is_that_of_the_whole_decoder(source, tokenizer):
    tokens = choose_tokens(source.config, tokenizer)
    agreed, errors = agreement(source, FORMATS["fp32"], tokens)
    assert errors == []
    assert (agreed.divergence, agreed.top1, agreed.rise) == (0, 1, 0)
    with torch.no_grad():
        decoder = load_decoder(source)
        losses = [
            torch.nn.functional.cross_entropy(decoder(ids)[:-1], ids[1:], reduction="none")
            for ids in map(torch.tensor, tokens.proof)
        ]
    expected = float(torch.cat(losses).double().mean().exp())
    assert agreed.original_perplexity == pytest.approx(expected, rel=1e-5)


def test_fewer_bits_lose_more_and_calibration_loses_less(source, tokenizer):
    tokens = choose_tokens(source.config, tokenizer)
    by_precision = {each: agreement(source, FORMATS[each], tokens)[0] for each in FORMATS}
    lost = [by_precision[each].divergence for each in ("fp32", "fp16", "int8", "int4")]
    assert lost == sorted(lost)
    assert lost[1] < 1e-5 < lost[3]
    calibrated = msgspec.structs.replace(tokens, calibration=tokens.proof * 4)
    assert agreement(source, FORMATS["int4"], calibrated)[0].divergence < lost[3]


def test_matrices_that_a_gguf_file_holds_rounded_stay_so(tmp_path):
    """Q4_1 is int4 by 32 with minima: d and m of fp16, halves of a byte."""
    rng = np.random.default_rng(5)
    tensors = gguf_tensors(variant(head_dim=8))
    for name, values in tensors.items():
        if values.ndim == 2 and "embd" not in name:
            count = values.size // 32
            heads = np.stack([rng.uniform(0.01, 0.02, count), rng.uniform(-0.2, -0.1, count)], 1)
            halves = rng.integers(0, 256, (count, 16), dtype=np.uint8)
            halves[:, 0] = 0xF0  # the least and the largest are in each block, as writers have it
            stored = np.concatenate([heads.astype("<f2").view(np.uint8), halves], axis=1)
            tensors[name] = (3, values.shape, stored.tobytes())
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(gguf_metadata(), tensors))
    source = open_tensors(path)
    formats = keep_rounding(source, FORMATS["int4"])
    assert formats.blocks == Format(4, 32, affine=True)
    assert keep_rounding(source, FORMATS["int8"]) == FORMATS["int8"]
    errors = write_decoder(source, formats, tmp_path / "a.param", tmp_path / "a.bin")
    assert all(error.error < 2e-3 for error in errors if error.layer != "lm_head")


def test_the_text_of_the_proof_has_enough_tokens():
    text = PROOF_TEXT.read_text(encoding="utf-8")
    assert len(text.split()) > 350
    assert text.isascii()


def test_windows_fit_the_context(tokenizer):
    tokens = choose_tokens(variant(context=100), tokenizer)
    assert {len(window) for window in tokens.proof} <= {100, 12}
    assert sum(map(len, tokens.proof)) == 512
    assert tokens.is_text


def test_texts_to_calibrate_on_are_checked(tokenizer, tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("Once upon a time.")
    with pytest.raises(WrongInput, match="too few to calibrate"):
        choose_tokens(TINY, tokenizer, text)
    with pytest.raises(WrongInput, match=r"no tokenizer\.json"):
        choose_tokens(TINY, b"", text)
    text.write_text("Once upon a time. " * 200)
    assert sum(map(len, choose_tokens(TINY, tokenizer, text).calibration)) == 3600


def test_a_foreign_or_broken_tokenizer_is_refused(tokenizer):
    with pytest.raises(ConversionFailed, match="is of another model"):
        choose_tokens(variant(vocabulary=40), tokenizer)
    with pytest.raises(ConversionFailed, match=r"tokenizer\.json is none"):
        choose_tokens(TINY, json.dumps({"model": 3}).encode())


def test_random_weights_read_bytes():
    config = variant(vocabulary=300)
    conversion = convert_language_model(plan_language(tiny(config), "fp32", random_weights=True))
    assert conversion.manifest.tokenizer == "bytes"
    assert not conversion.manifest.agreement.is_text
    assert conversion.files[2:] == ["model.tokenizer"]
    tokenizer = make_byte_tokenizer(config)
    assert tokenizer is not None
    tokens = Tokenizer.from_buffer(tokenizer.read_json())
    assert tokens.encode("é 1").ids == [*"é 1".encode()]
    assert tokens.decode([72, 256, 299]) == "H<256><299>"
    assert make_byte_tokenizer(TINY) is None

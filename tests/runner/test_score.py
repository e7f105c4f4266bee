"""How likely a language model thinks a text is: nnrun's score against the same net in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runner.outcome import Run, assert_refused
from tests.support.tiny_language import Decoder, log_probabilities

pytestmark = pytest.mark.docker

TOKENS = np.random.default_rng(1).integers(0, 96, 40)


def save(folder: Path, tokens: np.ndarray, kind: str = "<i4") -> Path:
    """The tokens as a file."""
    np.save(folder / "tokens.npy", tokens.astype(kind))
    return folder / "tokens.npy"


@pytest.mark.parametrize("kind", ["<i4", "<i8"])
@pytest.mark.parametrize("decoder", [Decoder(), Decoder(tied=False, kv_heads=1), Decoder(bits=16)])
def test_scores_are_those_of_the_net(nnrun: Run, tmp_path: Path, decoder: Decoder, kind: str):
    flags = [*decoder.write(tmp_path), "--tokens", save(tmp_path, TOKENS, kind), "--cache", "fp32"]
    done = nnrun("score", *flags, "--save-logits", tmp_path / "logits.npy")
    expected = decoder.logits(TOKENS)
    probabilities = log_probabilities(expected)
    assert np.allclose(np.load(tmp_path / "logits.npy"), expected, atol=2e-4)
    scores = done.of("score")
    assert [line["index"] for line in scores] == list(range(1, 40))
    assert [line["id"] for line in scores] == list(TOKENS[1:])
    assert [line["top"] for line in scores] == list(expected.argmax(1)[:-1])
    values = [line["log_probability"] for line in scores]
    right = probabilities[np.arange(39), TOKENS[1:]]
    assert np.allclose(values, right, atol=2e-4)
    summary = done.line("summary")
    assert (summary["tokens"], summary["scored"]) == (40, 39)
    assert summary["perplexity"] == pytest.approx(np.exp(-right.mean()), rel=1e-3)
    assert done.line("header")["input"]["vocabulary"] == 96


@pytest.mark.parametrize("steps", ["1", "7"])
def test_steps_with_the_cache_equal_the_whole(nnrun: Run, tmp_path: Path, steps: str):
    flags = [*Decoder().write(tmp_path), "--tokens", save(tmp_path, TOKENS), "--cache", "fp32"]
    logits = []
    for count in ("40", steps):
        path = tmp_path / f"{count}.npy"
        nnrun("score", *flags, "--steps", count, "--save-logits", path).line("summary")
        logits.append(np.load(path))
    assert np.allclose(logits[0], logits[1], atol=1e-4)


def test_windows_know_nothing_of_each_other(nnrun: Run, tmp_path: Path):
    decoder = Decoder()
    flags = [*decoder.write(tmp_path), "--tokens", save(tmp_path, TOKENS), "--cache", "fp32"]
    done = nnrun("score", *flags, "--window", 15, "--save-logits", tmp_path / "logits.npy")
    expected = [decoder.logits(TOKENS[i : i + 15]) for i in (0, 15, 30)]
    assert np.allclose(np.load(tmp_path / "logits.npy"), np.concatenate(expected), atol=2e-4)
    assert done.line("summary")["scored"] == 37
    assert not nnrun("score", *flags, "--quiet").of("score")


def test_a_half_cache_is_close(nnrun: Run, tmp_path: Path):
    flags = [*Decoder().write(tmp_path), "--tokens", save(tmp_path, TOKENS)]
    nnrun("score", *flags, "--save-logits", tmp_path / "logits.npy").line("summary")
    result = np.load(tmp_path / "logits.npy")
    assert np.abs(result - Decoder().logits(TOKENS)).max() < 0.05


BAD_TOKENS = {
    "outside": (np.array([1, 96]), "<i4", "token 96 is not in the model's vocabulary of 96"),
    "negative": (np.array([1, -1]), "<i8", "element 1 is not a token id"),
    "floats": (np.ones(3), "<f4", "not int32 or int64"),
    "two axes": (np.ones((2, 3)), "<i4", "must hold one row of tokens"),
    "nothing": (np.ones(0), "<i4", "one to three sizes"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_tokens_are_refused(nnrun: Run, tmp_path: Path, name: str):
    tokens, kind, problem = BAD_TOKENS[name]
    path = save(tmp_path, tokens, kind)
    assert_refused(nnrun("score", *Decoder().write(tmp_path), "--tokens", path), 4, problem)


def test_more_tokens_than_context_are_refused(nnrun: Run, tmp_path: Path):
    flags = [*Decoder().write(tmp_path), "--tokens", save(tmp_path, TOKENS), "--context", 39]
    assert_refused(nnrun("score", *flags), 4, "40 tokens and a context of 39", "--window")


def test_other_nets_are_no_language_models(nnrun: Run, tmp_path: Path):
    decoder = Decoder()
    tokens = ["--tokens", save(tmp_path, TOKENS)]
    flags = decoder.write(tmp_path)
    param = tmp_path / "net.param"
    param.write_text(decoder.param().replace("lm_head", "head"))
    assert_refused(nnrun("score", *flags, *tokens), 3, "not a language model", "lm_head")
    param.write_text(decoder.param().replace("7=1\n", "7=0\n"))
    assert_refused(nnrun("score", *flags, *tokens), 3, "attends to later tokens")
    decoder.write(tmp_path)
    (tmp_path / "net.bin").write_bytes(decoder.weights()[:-1000])
    assert_refused(nnrun("score", *flags, *tokens), 3, "net.bin", "truncated")


def test_weights_that_are_no_numbers_are_refused(nnrun: Run, tmp_path: Path):
    decoder = Decoder()
    flags = decoder.write(tmp_path)
    weights = bytearray(decoder.weights())
    weights[64 : 64 + 4] = np.float32(np.nan).tobytes()
    (tmp_path / "net.bin").write_bytes(bytes(weights))
    outcome = nnrun("score", *flags, "--tokens", save(tmp_path, TOKENS))
    assert_refused(outcome, 3, "NaN or infinity")

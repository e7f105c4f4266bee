"""nnrun clip: pictures and texts as embeddings, and which labels suit a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from piyard.convert.language.encoders import fuse_picture_encoder, fuse_text_encoder
from piyard.convert.ranking import normalise
from piyard.convert.text_encoder import write_table
from piyard.language.clip_vocabulary import make_tokenizer_json
from piyard.language.tokenizer.compiling import compile_tokenizer
from piyard.models.architectures.clip import ClipNetwork
from piyard.models.networks import inference
from piyard.models.synthetic import randomise
from piyard.vision.flags import preprocess_flags
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Stretch
from tests.runner.outcome import Run, assert_refused
from tests.runner.pictures import noise
from tests.support.tiny_clip import SIDE, tiny_config

FIT = Stretch(order="rgb", mean=(127.5,) * 3, norm=(1 / 127.5,) * 3, resample="bicubic")
PICTURE_FLAGS = preprocess_flags(FIT, (SIDE, SIDE))
SCALE, BIAS = 12.5, -1.5


@pytest.fixture(scope="module")
def network() -> ClipNetwork:
    """A SigLIP: its net needs none of ncnn's layers that the tests' ncnn lacks."""
    with inference():
        result = ClipNetwork(tiny_config("siglip")).eval()
        randomise(result)
        return result


@pytest.fixture(scope="module")
def folder(network: ClipNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a board gets."""
    at = tmp_path_factory.mktemp("clip")
    fuse_picture_encoder(network.visual, bits=32).write(at, "model")
    fuse_text_encoder(network.text_encoder, causal=False, bits=32).write(at, "text")
    rows = network.token_embedding.weight, network.positional_embedding
    for values in rows:  # as the table rounds them
        values.data = values.data.half().float()
    tokens, positions = (values.detach().numpy() for values in rows)
    write_table(at / "text.tokens", tokens, positions)
    description = make_tokenizer_json([("c", "a"), ("ca", "t</w>")]).encode()
    (at / "tokenizer.bin").write_bytes(compile_tokenizer(description))
    for seed in (1, 2, 3):
        noise(40, 30, seed).save(at / f"{seed}.png")
    return at


def picture_net(folder: Path) -> list[str]:
    files = [folder / "model.fused.param", folder / "model.fused.bin"]
    return ["--param", str(files[0]), "--bin", str(files[1]), "--precision", "fp32"]


def text_net(folder: Path) -> list[str]:
    return [
        *("--text-param", str(folder / "text.fused.param")),
        *("--text-bin", str(folder / "text.fused.bin")),
        *("--tokens", str(folder / "text.tokens")),
        *("--tokenizer", str(folder / "tokenizer.bin"), "--end", "1", "--filled"),
    ]


def ids_of(text: str) -> list[int]:
    """By hand: a letter is its byte, the last one of a word the same 256 further on."""
    words = {"cat": [513], "hi": [ord("h") - 33, ord("i") - 33 + 256], "a": [ord("a") - 33 + 256]}
    tokens = [token for word in text.split() for token in words[word]]
    return tokens + [1] * (8 - len(tokens))


def expected_text(network: ClipNetwork, text: str) -> np.ndarray:
    with torch.no_grad():
        return network.encode_text(ids_of(text)).numpy()


def expected_picture(network: ClipNetwork, file: Path) -> np.ndarray:
    values = prepare_picture(Image.open(file), FIT, (SIDE, SIDE))
    with torch.no_grad():
        embedding: np.ndarray = network(torch.from_numpy(values)[None])[0].numpy()
    return embedding


def test_texts_alone_become_embeddings(nnrun: Run, folder: Path, network: ClipNetwork):
    flags = [*picture_net(folder), *text_net(folder)]
    outcome = nnrun("clip", *flags, "--label", "cat", "--prompt", "a {}", "--text", "hi")
    lines = outcome.of("text")
    assert outcome.code == 0
    assert [(line["label"], line["text"], line["tokens"]) for line in lines] == [
        ("cat", "a cat", 8),
        ("hi", "hi", 8),
    ]
    for line in lines:
        np.testing.assert_allclose(line["values"], expected_text(network, line["text"]), atol=1e-4)


def test_labels_are_ranked_by_how_they_suit_a_picture(
    nnrun: Run, folder: Path, network: ClipNetwork
):
    labels = ["cat", "hi", "hi cat"]
    files = [folder / f"{number}.png" for number in (1, 2, 3)]
    flags = [word for label in labels for word in ("--label", label)]
    flags += [*picture_net(folder), *text_net(folder), *PICTURE_FLAGS]
    flags += ["--scale", str(SCALE), "--bias", str(BIAS)]
    pictures = normalise([expected_picture(network, file) for file in files])
    texts = normalise([expected_text(network, label) for label in labels])
    logits = SCALE * (pictures @ texts.T).astype(np.float64) + BIAS
    expected = {
        "softmax": np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
        "sigmoid": 1 / (1 + np.exp(-logits)),
    }
    for activation, scores in expected.items():
        outcome = nnrun("clip", *flags, "--activation", activation, "--topk", 2, *files)
        assert outcome.code == 0
        for line, row in zip(outcome.of("classification"), scores, strict=True):
            best = np.argsort(-row)[:2]
            assert [each["label"] for each in line["top"]] == [labels[at] for at in best]
            np.testing.assert_allclose(
                [each["score"] for each in line["top"]], row[best], atol=2e-4
            )


def test_embeddings_are_rows_that_numpy_reads(
    nnrun: Run, folder: Path, network: ClipNetwork, tmp_path: Path
):
    rows, files = tmp_path / "rows.npy", [folder / "1.png", folder / "2.png"]
    bad = tmp_path / "broken.png"
    bad.write_bytes(b"no picture")
    flags = [*picture_net(folder), *PICTURE_FLAGS, "--embeddings", rows]
    outcome = nnrun("clip", *flags, files[0], bad, files[1])
    assert outcome.code != 0
    assert [line["row"] for line in outcome.of("classification")] == [0, 1]
    assert len(outcome.of("error")) == 1
    kept = np.load(rows)
    assert kept.dtype == np.float32
    expected = [expected_picture(network, file) for file in files]
    np.testing.assert_allclose(kept, expected, atol=1e-4)


def test_a_text_that_does_not_fit_is_refused(nnrun: Run, folder: Path):
    flags = [*picture_net(folder), *text_net(folder)]
    outcome = nnrun("clip", *flags, "--text", "hi " * 5)
    assert_refused(outcome, 4, "has 11 tokens with those at its ends, and the limit is 8")


def test_what_is_missing_is_said(nnrun: Run, folder: Path):
    outcome = nnrun("clip", *picture_net(folder), "--label", "cat")
    assert_refused(outcome, 2, "--label and --text need --text-param")
    flags = [*picture_net(folder), *text_net(folder), "--prompt", "a photo"]
    assert_refused(nnrun("clip", *flags, "--label", "cat"), 2, "--prompt needs a {}")


@pytest.mark.parametrize("content", [b"", b"piyardEm", b"\0" * 200])
def test_a_damaged_table_is_refused(nnrun: Run, folder: Path, tmp_path: Path, content: bytes):
    table = tmp_path / "text.tokens"
    table.write_bytes(content)
    flags = [*picture_net(folder), *text_net(folder), "--text", "hi"]
    flags[flags.index("--tokens") + 1] = str(table)
    assert_refused(nnrun("clip", *flags), 3, "text.tokens")


def test_a_table_that_was_cut_is_refused(nnrun: Run, folder: Path, tmp_path: Path):
    table = tmp_path / "text.tokens"
    table.write_bytes((folder / "text.tokens").read_bytes()[:-64])
    flags = [*picture_net(folder), *text_net(folder), "--text", "hi"]
    flags[flags.index("--tokens") + 1] = str(table)
    assert_refused(nnrun("clip", *flags), 3, "its size is not what its header says")

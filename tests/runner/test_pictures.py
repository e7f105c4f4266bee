"""Pictures that a language model is asked about: rows, logits, answers, what is remembered."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from piyard.convert.language.encoder_twin import load_twin
from piyard.convert.language.formats import FORMATS, Bits
from piyard.convert.language.fused_graph import write_decoder
from piyard.convert.language.picture_tower import fuse_tower
from piyard.language.tokenizer.chat import Message, read_chat
from piyard.language.tokenizer.compiling import compile_tokenizer
from piyard.models.smolvlm import load_picture_tower
from piyard.models.transformer_files import load_decoder, open_tensors
from piyard.vision.flags import preprocess_flags
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture
from tests.runner.outcome import Outcome, Run, assert_refused
from tests.runner.pictures import smooth
from tests.support import chat_templates, tokenizers
from tests.support.language_models import TINY_PICTURES, tiny_weights, variant, write_folder

pytestmark = pytest.mark.docker

TOKENIZER = Tokenizer.from_buffer(tokenizers.pictured_json())
TOKEN = TOKENIZER.token_to_id("<image>")
PICTURES = msgspec.structs.replace(TINY_PICTURES, token=TOKEN)
CONFIG = variant(pictures=PICTURES, tied=False, vocabulary=TOKENIZER.get_vocab_size(), context=512)
SEGMENTS = read_chat(chat_templates.PARTS, {}, "chat", PICTURES.text)
ASKED = "What is it? 猫"
IDS = TOKENIZER.encode(PICTURES.text + ASKED).ids

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a board gets, in fp32, and two pictures."""
    at = tmp_path_factory.mktemp("pictures")
    source = open_tensors(write_folder(at / "model", CONFIG, tiny_weights(CONFIG)))
    write_decoder(source, FORMATS["fp32"], at / "a.param", at / "a.bin")
    fuse_tower(load_picture_tower(source), bits=32).write(at, "picture")
    data = tokenizers.pictured_json()
    flat = compile_tokenizer(data, "gpt2", chat=SEGMENTS, pictures=PICTURES)
    (at / "tokenizer.bin").write_bytes(flat)
    (at / "blind.bin").write_bytes(compile_tokenizer(data, "gpt2"))
    smooth(90, 61).save(at / "a.png")
    smooth(90, 61).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(at / "b.png")
    np.save(at / "ids.npy", np.array(IDS, "<i4"))
    return at


def text_flags(folder: Path) -> list[Any]:
    return ["--param", folder / "a.param", "--bin", folder / "a.bin", "--cache", "fp32"]


def net_flags(folder: Path, name: str = "a.png") -> list[Any]:
    net = ["--picture-param", folder / "picture.fused.param"]
    net += ["--picture-bin", folder / "picture.fused.bin"]
    fit = preprocess_flags(PICTURES.preprocess, PICTURES.input[1:])
    return [*net, "--picture", folder / name, *fit]


def flags(folder: Path, name: str = "a.png") -> list[Any]:
    words = [*text_flags(folder), *net_flags(folder, name), "--decode-threads", 1]
    return [*words, "--tokenizer", folder / "tokenizer.bin", "--max-tokens", 12]


def shown_input(folder: Path) -> Floats:
    """The first picture as the desktop makes it the encoder's input."""
    picture = read_picture(folder / "a.png")
    return prepare_picture(picture, PICTURES.preprocess, PICTURES.input[1:])


def logits_of(folder: Path, ids: list[int], rows: Floats) -> Floats:
    """Of the original, with these rows for the picture."""
    decoder = load_decoder(open_tensors(folder / "model"))
    with torch.no_grad():
        embedded = decoder.model.embed_tokens(torch.tensor(ids))
        embedded[torch.tensor(ids) == TOKEN] = torch.from_numpy(rows)
        logits: Floats = decoder.run_rows(embedded).numpy()
    return logits


def expected_logits(folder: Path, ids: list[int]) -> Floats:
    """Of the original throughout."""
    tower = load_picture_tower(open_tensors(folder / "model"))
    with torch.no_grad():
        rows = tower(torch.from_numpy(shown_input(folder))[None])[0].numpy()
    return logits_of(folder, ids, rows)


def scored(nnrun: Run, folder: Path, line: list[Any], *flags: object) -> Floats:
    """nnrun's logits of the prompt."""
    tokens = ["--picture-token", TOKEN, "--tokens", folder / "ids.npy", "--quiet"]
    saved = ["--save-logits", folder / "logits.npy"]
    done = nnrun("score", *text_flags(folder), *line, *tokens, *saved, *flags)
    assert done.line("picture")["rows"] == PICTURES.rows
    logits: Floats = np.load(folder / "logits.npy")
    return logits


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_logits_behind_a_picture_are_the_originals(nnrun: Run, folder: Path, steps: int) -> None:
    logits = scored(nnrun, folder, net_flags(folder), "--steps", steps)
    assert np.allclose(logits, expected_logits(folder, IDS), atol=2e-4)


@pytest.mark.parametrize(("bits", "near"), [(16, 2e-3), (8, 2e-2)])
def test_an_encoder_of_any_bits_is_as_its_twin(
    nnrun: Run, folder: Path, tmp_path: Path, bits: Bits, near: float
) -> None:
    tower = load_picture_tower(open_tensors(folder / "model"))
    fuse_tower(tower, bits).write(tmp_path, "picture")
    line = net_flags(folder)
    for place in (1, 3):
        line[place] = tmp_path / line[place].name
    rows = load_twin(tmp_path, "picture")(shown_input(folder))["out0"]
    expected = logits_of(folder, IDS, rows)
    logits = scored(nnrun, folder, line)
    assert np.abs(logits - expected).max() < near * np.abs(expected).max()


def test_an_answer_is_the_originals(nnrun: Run, folder: Path) -> None:
    done = nnrun("generate", *flags(folder), "--prompt", ASKED)
    said = [line["id"] for line in done.of("token")]
    ids = list(IDS)
    for token in said[:4]:
        assert token == expected_logits(folder, ids)[-1].argmax()
        ids.append(token)
    summary = done.line("summary")
    assert summary["prompt_tokens"] == len(IDS)
    assert 0 < summary["picture_ms"] < summary["first_token_ms"]
    assert done.line("header")["input"]["picture"]["longest"] == PICTURES.preprocess.longest
    other = nnrun("generate", *flags(folder, "b.png"), "--prompt", ASKED)
    assert [line["id"] for line in other.of("token")] != said


def test_a_chats_picture_stands_as_in_its_template(nnrun: Run, folder: Path) -> None:
    for system in ("", "Be brief."):
        more = ["--chat", *(["--system", system] if system else [])]
        done = nnrun("generate", *flags(folder), *more, "--prompt", ASKED)
        messages = [Message("system", system)] if system else []
        text = SEGMENTS.render([*messages, Message("user", ASKED)], picture=True)
        assert done.line("summary")["prompt_tokens"] == len(
            TOKENIZER.encode(text, add_special_tokens=False).ids
        )


def converse(path: Path, line: list[Any], *turns: object) -> Outcome:
    said = "".join(f"{json.dumps(turn)}\n" for turn in turns).encode()
    words = [str(word) for word in [path, "chat", *line]]
    done = subprocess.run(words, input=said, capture_output=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_picture_is_seen_once_in_a_conversation(
    nnrun: Run, nnrun_path: Path, folder: Path
) -> None:
    turns = [{"text": ASKED}, {"text": "And?"}, {"reset": True}, {"text": ASKED}]
    done = converse(nnrun_path, flags(folder), *turns)
    first, second, third = done.of("answer")
    alone = nnrun("generate", *flags(folder), "--chat", "--prompt", ASKED).line("summary")
    assert first["text"] == alone["text"] == third["text"]
    assert second["reused"] >= first["prompt_tokens"]
    assert len(done.of("picture")) == 1
    assert first["picture_ms"] > 0
    assert second["picture_ms"] == third["picture_ms"] == 0


def test_a_kept_prompt_is_that_of_the_same_picture_only(
    nnrun: Run, folder: Path, tmp_path: Path
) -> None:
    kept = ["--prompt", ASKED, "--prefix-cache", tmp_path]
    first = nnrun("generate", *flags(folder), *kept)
    again = nnrun("generate", *flags(folder), *kept)
    assert again.line("summary")["restored"] == len(IDS) - 1
    assert not again.of("picture")
    assert again.line("summary")["text"] == first.line("summary")["text"]
    other = nnrun("generate", *flags(folder, "b.png"), *kept)
    assert other.line("summary")["restored"] == 0
    plain = nnrun("generate", *flags(folder, "b.png"), "--prompt", ASKED)
    assert other.line("summary")["text"] == plain.line("summary")["text"]


def test_what_repeats_a_prompt_drafts_no_picture(nnrun: Run, folder: Path) -> None:
    said = [nnrun("generate", *flags(folder), "--prompt", ASKED * 3, "--lookup", n) for n in (0, 9)]
    plain, drafted = (each.line("summary") for each in said)
    assert plain["text"] == drafted["text"]
    penalty = ["--repetition-penalty", 1.3, "--prompt", ASKED]
    assert nnrun("generate", *flags(folder), *penalty).line("summary")["tokens"] == 12


def test_what_is_wrong_with_a_picture_is_said(nnrun: Run, folder: Path, tmp_path: Path) -> None:
    ask = ["--prompt", ASKED]
    line = flags(folder)
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:900])
    assert_refused(nnrun("generate", *flags(folder, "broken.png"), *ask), 4, "broken.png")
    assert_refused(nnrun("generate", *flags(folder, "none.png"), *ask), 4, "none.png")
    bare = [*text_flags(folder), "--tokenizer", folder / "tokenizer.bin", *ask]
    assert_refused(
        nnrun("generate", *bare, "--picture", folder / "a.png"), 2, "needs --picture-param"
    )
    assert_refused(nnrun("generate", *bare, "--size", 48), 2, "--size needs --picture")
    blind = [*line, *ask]
    blind[blind.index(folder / "tokenizer.bin")] = folder / "blind.bin"
    assert_refused(nnrun("generate", *blind), 3, "cannot see pictures")
    twice = nnrun("generate", *line, "--prompt", "<image> again")
    assert_refused(twice, 4, "10 times, and a picture takes it 9 times")
    small = nnrun("generate", *line, *ask, "--context", 10)
    assert_refused(small, 4, "the picture is 9 of them", "--context")
    tokens = [*text_flags(folder), *net_flags(folder), "--tokens", folder / "ids.npy"]
    assert_refused(nnrun("score", *tokens), 2, "needs --picture-token")
    assert_refused(nnrun("score", *tokens, "--picture-token", 9999), 4, "no token 9999")
    (tmp_path / "half.bin").write_bytes((folder / "picture.fused.bin").read_bytes()[:-64])
    half = [*line, *ask]
    half[half.index(folder / "picture.fused.bin")] = tmp_path / "half.bin"
    assert_refused(nnrun("generate", *half), 3, "half.bin")

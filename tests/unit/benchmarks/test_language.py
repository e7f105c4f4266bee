"""benchmarks/language: what llama.cpp's programs print, seeded files, and the table of both."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from math import prod
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.counted.machine import Machine, Output
from benchmarks.language import beside, kernels, llama_cpp, own, rows, shapes, whole_token
from benchmarks.language.llama_cpp import PAST, PROMPT, CountedRival, Rival
from benchmarks.language.rows import Row
from benchmarks.language.shapes import SHAPES
from piyard.build.engine import Engine
from piyard.core.errors import PiyardError, UnreadableLog, WrongInput
from piyard.language.config import TransformerConfig
from piyard.language.gguf_config import gguf_config, huggingface_name
from piyard.language.gguf_file import GgufFile

SIZES = {"vocabulary": 64, "hidden": 32, "feed_forward": 96, "layers": 2}
HEADS = {"heads": 4, "kv_heads": 2, "head_dim": 16}
ENGINE = Engine(title="llama.cpp", version="0", key="k", folder=Path("/engine"), march="")
THEIRS = Row(
    model="Tiny",
    engine="llama.cpp",
    weights="Q4_0",
    block_weights=900,
    head_weights=6400,
    read=4500,
    prompt=64,
    past=256,
    prefill=200.0,
    decode=2190.0,
    perplexity=20.0,
)
OURS = dataclasses.replace(
    THEIRS,
    engine="nnrun",
    weights="int4",
    read=3600,
    prefill=100.0,
    decode=1460.0,
    perplexity=19.0,
)


def test_tokens_are_a_list() -> None:
    assert llama_cpp.parse_tokens("[446, 6356, 0]\n") == [446, 6356, 0]
    for text in ("", "[1, -2]", "error: no file"):
        with pytest.raises(UnreadableLog, match="no list of tokens"):
            llama_cpp.parse_tokens(text)


def test_the_perplexity_is_the_last_estimate() -> None:
    text = "[1]17.9,[2]18.2,\nFinal estimate: PPL = 18.1953 +/- 0.35\n"
    assert llama_cpp.parse_perplexity(text) == 18.1953


def test_a_text_too_short_for_perplexity_is_named() -> None:
    text = "perplexity: you need at least 1024 tokens to evaluate perplexity\n"
    with pytest.raises(WrongInput, match="you need at least 1024 tokens"):
        llama_cpp.parse_perplexity(text)


def test_what_a_run_does_once_drops_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(_: Machine, argv: Sequence[str]) -> tuple[int, Output]:
        prompt, tokens, depth, runs = (
            int(argv[argv.index(flag) + 1]) for flag in ("-p", "-n", "-d", "-r")
        )
        line = {"n_prompt": prompt, "n_gen": tokens, "n_depth": depth, "samples_ns": [1] * runs}
        out = json.dumps(line)
        once = 5_000_000 + 70 * depth
        return once + runs * (11 * prompt + 300 * tokens), Output(out=out, err="")

    monkeypatch.setattr(Machine, "count", count)
    counts = CountedRival(ENGINE, Machine(Path("/nowhere"))).count(Path("a.gguf"))
    assert (counts.prefill, counts.decode) == (11, 300)


def test_a_quantized_file_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Sequence[str]] = []

    def run(_: Machine, argv: Sequence[str]) -> Output:
        calls.append(argv)
        Path(argv[-3]).write_bytes(b"GGUF")
        return Output(out="", err="")

    monkeypatch.setattr(Machine, "run", run)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a.gguf").write_bytes(b"weights")
    rival = Rival(ENGINE, Machine(tmp_path))
    first, second = (rival.quantize(tmp_path / "a.gguf", "Q4_0") for _ in range(2))
    assert first == second
    assert first.read_bytes() == b"GGUF"
    assert len(calls) == 1
    assert rival.quantize(tmp_path / "a.gguf", "Q8_0") != first


def test_a_run_of_nnrun_gives_what_it_was_to_give() -> None:
    line = {"type": "summary", "prompt_tokens": 64, "tokens": 3, "step_tokens": [1, 1]}
    text = json.dumps(line | {"weight_bytes": 7, "ending": "max_tokens"}, separators=(",", ":"))
    assert own.parse_generate(f'{{"type":"token"}}\n{text}\n', 64, 3).weight_bytes == 7
    for prompt, answer in ((63, 3), (64, 2)):
        with pytest.raises(UnreadableLog, match="was to read"):
            own.parse_generate(text, prompt, answer)
    with pytest.raises(UnreadableLog, match="no summary"):
        own.parse_generate("", 64, 3)


def test_perplexity_is_of_the_second_half_of_each_chunk() -> None:
    """The first half, and the first token of each chunk, do not count."""
    lines = [
        json.dumps(
            {"type": "score", "index": i, "log_probability": -2.0 if i % 512 > 256 else -9.0},
            separators=(",", ":"),
        )
        for i in range(1024)
        if i % 512
    ]
    assert own.parse_score("\n".join(lines), 1024) == pytest.approx(math.exp(2))
    with pytest.raises(UnreadableLog, match="scored 509 tokens of 1024"):
        own.parse_score("\n".join(lines[:-1]), 1024)
    with pytest.raises(UnreadableLog, match="something else"):
        own.parse_score('{"type":"score"}', 512)


def test_each_chunk_begins_with_the_begin_token_of_the_model() -> None:
    assert llama_cpp.begin_chunks([1, *range(5, 5 + 1023)], 1)[510:514] == [514, 515, 1, 517]
    without = [7, *range(5, 5 + 1023)]
    assert llama_cpp.begin_chunks(without, 1) == without
    assert llama_cpp.begin_chunks(without, None) == without


def test_sizes_of_shapes_are_those_of_their_models() -> None:
    """Parameters as each one's model card at Hugging Face has them."""
    assert {name: shape.params for name, shape in SHAPES.items()} == {
        "smollm2-135m": 134_515_008,
        "smollm2-360m": 361_821_120,
        "qwen2.5-0.5b": 494_032_768,
        "qwen3-0.6b": 596_049_920,
    }


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
def test_a_seeded_file_is_read_as_the_shape_it_is(tmp_path: Path, name: str, tied: bool) -> None:
    tiny = msgspec.structs.replace(SHAPES[name], tied=tied, **SIZES, **HEADS)
    file = GgufFile(_written(tiny, tmp_path / "a.gguf"))
    assert gguf_config(file) == tiny
    assert {huggingface_name(each) for each in file.tensors} >= {"model.norm.weight"}
    assert sum(prod(tensor.shape) for tensor in file.tensors.values()) == tiny.params
    assert file.read("output_norm.weight").tolist() == [1.0] * 32
    assert 0.015 < file.read("blk.1.ffn_down.weight").std() < 0.025


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    tiny = msgspec.structs.replace(SHAPES["qwen3-0.6b"], **SIZES, **HEADS)
    contents = [_written(tiny, tmp_path / "a.gguf", seed).read_bytes() for seed in (1, 1, 2)]
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize(("tied", "tables"), [(True, 1), (False, 1)])
def test_a_token_reads_all_weights_but_rows_of_an_embedding(
    tmp_path: Path, tied: bool, tables: int
) -> None:
    tiny = msgspec.structs.replace(SHAPES["smollm2-135m"], tied=tied, **SIZES, **HEADS)
    weights = beside.block_weights(tiny) + tables * 64 * 32
    norms = 32 * (1 + 2 * 2)
    assert beside.read_bytes(_written(tiny, tmp_path / "a.gguf")) == 2 * weights + 4 * norms


def _written(shape: TransformerConfig, file: Path, seed: int = 1) -> Path:
    with file.open("wb") as stream:
        shapes.write(shape, "tiny", stream, seed)
    return file


def test_figures_a_weight() -> None:
    assert THEIRS.prefill_a_mac == pytest.approx(200 / (900 + 6400 / 64))
    assert THEIRS.decode_a_weight == pytest.approx(2190 / 7300)


def test_ratios_are_of_the_same_model_and_as_many_bits() -> None:
    other = dataclasses.replace(THEIRS, weights="Q8_0")
    (ratio,) = rows.ratios([THEIRS, other, OURS])
    assert (ratio.weights, ratio.prefill, ratio.read) == ("int4 ÷ Q4_0", 0.5, 0.8)
    assert ratio.decode == pytest.approx(2 / 3)
    assert ratio.perplexity == pytest.approx(0.95)
    assert rows.ratios([other, OURS]) == []


def test_what_is_above_the_bar_is_named() -> None:
    assert rows.slower([THEIRS, OURS], 1.0) == []
    assert rows.slower([THEIRS, OURS], 0.6) == ["Tiny int4 ÷ Q4_0: decode 0.667"]


def test_the_table_has_both_and_their_ratio() -> None:
    table, notes = rows.shown([THEIRS, OURS], "plain").split("\n\n")
    assert [word in table for word in ("Q4_0", "int4", "nnrun ÷ llama.cpp", "0.9500")] == [True] * 4
    assert "prompt of 64 tokens and with 256 in the cache" in notes.replace("\n", " ")


def test_json_has_every_figure() -> None:
    figures = json.loads(rows.shown([THEIRS, OURS], "json"))
    assert [row["decode_a_weight"] for row in figures["rows"]] == pytest.approx([0.3, 0.2])
    assert figures["ratios"][0]["prefill"] == 0.5


def test_a_perplexity_that_is_not_known_has_no_ratio() -> None:
    unknown = dataclasses.replace(THEIRS, perplexity=None)
    assert rows.ratios([unknown, OURS])[0].perplexity is None
    assert json.loads(rows.shown([unknown], "json"))["rows"][0]["perplexity"] is None


def test_a_model_is_a_file_or_a_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = msgspec.structs.replace(SHAPES["qwen2.5-0.5b"], **SIZES, **HEADS)
    monkeypatch.setitem(SHAPES, "qwen2.5-0.5b", tiny)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seeded = beside.parse_subject("qwen2.5-0.5b")
    assert (seeded.title, seeded.shape) == ("qwen2.5-0.5b, seeded", tiny)
    again = beside.parse_subject(str(seeded.gguf))
    assert (again.title, again.shape) == ("qwen2.5-0.5b-seed1-f16", tiny)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"smollm2-135m"):
        beside.parse_subject("smollm2-135")
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    with pytest.raises(PiyardError, match="cut"):
        beside.parse_subject(str(tmp_path / "a.gguf"))


def test_the_prefill_of_nnrun_has_one_row_of_the_output_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As llama-bench's prompt has: blocks cost 10 a token here, the output layer 1000 a row."""

    def count(_: Machine, argv: Sequence[str]) -> tuple[int, Output]:
        answer = int(argv[argv.index("--max-tokens") + 1])
        prompt = len(np.load(argv[argv.index("--tokens") + 1]))
        line = {"type": "summary", "prompt_tokens": prompt, "tokens": answer, "weight_bytes": 7}
        out = json.dumps(line | {"step_tokens": [1] * (answer - 1)}, separators=(",", ":"))
        return 5_000 + 10 * (prompt + answer - 1) + 1000 * answer, Output(out=out, err="")

    monkeypatch.setattr(Machine, "count", count)
    net = own.Net(Path("a.param"), Path("a.bin"), vocabulary=64)
    counts, read = own.Own(Path("nnrun"), Machine(tmp_path)).count(net)
    assert counts.prefill * PROMPT == 10 * PROMPT + 1000
    assert (counts.decode, read) == (1010, 7)


def test_the_products_of_a_token_are_those_of_all_matrices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a product costs one instruction a weight: gate and up count both, the table once."""

    def round_(_: kernels.Counter, rows: int, kind: str, *shape: int) -> int:
        assert (rows, kind) == (1, "linear")
        return shape[0] * shape[1]

    monkeypatch.setattr(kernels.Counter, "round", round_)
    config = msgspec.structs.replace(SHAPES["smollm2-135m"], tied=False, **SIZES, **HEADS)
    subject = beside.Subject("Tiny", _written(config, tmp_path / "tiny.gguf"))
    counter = kernels.Counter(Machine(tmp_path), Path("kernels"))
    products = whole_token.products(counter, subject, "int4")
    assert products == beside.block_weights(config) + config.vocabulary * config.hidden


def test_a_token_is_set_beside_its_products() -> None:
    row = whole_token.Row("Tiny", "int4", token=33.6e6, products=28e6)
    assert row.cells() == ["Tiny", "int4", "33.60", "28.00", "1.200"]


def test_counts_are_taken_as_far_in_as_they_say() -> None:
    assert (PROMPT, PAST) == (64, 256)

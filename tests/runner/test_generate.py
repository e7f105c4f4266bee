"""How nnrun continues a text: against the same net in numpy, with and without its short cuts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runner.outcome import Outcome, Run, assert_refused
from tests.support import file_systems
from tests.support.tiny_language import Decoder, other_seed

pytestmark = pytest.mark.docker

PROMPT = [5, 17, 60, 2, 33]
LONG = [int(i) for i in np.random.default_rng(2).integers(0, 96, 50)]


def save(folder: Path, tokens: list[int]) -> Path:
    """A prompt as a file."""
    np.save(folder / "prompt.npy", np.array(tokens, "<i4"))
    return folder / "prompt.npy"


def flags(folder: Path, prompt: list[int], decoder: Decoder | None = None) -> list[Any]:
    """Of a run whose values numpy computes too."""
    files = (decoder or Decoder()).write(folder)
    return [*files, "--tokens", save(folder, prompt), "--cache", "fp32"]


def ids(done: Outcome) -> list[int]:
    """The answer."""
    return [line["id"] for line in done.of("token")]


@pytest.mark.parametrize("decoder", [Decoder(), Decoder(tied=False), Decoder(seed=9, layers=3)])
def test_the_likeliest_token_comes_each_time(nnrun: Run, tmp_path: Path, decoder: Decoder):
    done = nnrun("generate", *flags(tmp_path, PROMPT, decoder), "--max-tokens", 12)
    assert ids(done) == decoder.greedy(PROMPT, 12)
    summary = done.line("summary")
    assert (summary["ending"], summary["prompt_tokens"], summary["tokens"]) == ("max_tokens", 5, 12)
    assert len(summary["step_ms"]) == 11
    assert sum(summary["step_tokens"]) == 11
    assert summary["first_token_ms"] > 0
    assert done.of("prefill")[-1] == {"type": "prefill", "tokens": 5, "of": 5}


def test_a_prompt_in_chunks_is_the_same_prompt(nnrun: Run, tmp_path: Path):
    line = [*flags(tmp_path, LONG), "--max-tokens", 5]
    whole, parts = (nnrun("generate", *line, "--chunk", chunk) for chunk in (128, 7))
    assert ids(whole) == ids(parts) == Decoder().greedy(LONG, 5)
    assert parts.line("summary")["prefill_tokens"] == [7] * 7 + [1]
    assert [line["tokens"] for line in parts.of("prefill")] == [*range(7, 50, 7), 50]


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(nnrun: Run, tmp_path: Path, threads: int):
    if threads > (os.cpu_count() or 1):
        pytest.skip("this machine has one core")
    inputs = ["--prefill-threads", threads, "--decode-threads", threads]
    done = nnrun("generate", *flags(tmp_path, PROMPT), "--max-tokens", 8, *inputs)
    assert ids(done) == Decoder().greedy(PROMPT, 8)
    assert done.line("summary")["threads"] == {
        "prefill": threads, "decode": threads, "settled": True,
    }  # fmt: skip


def test_an_end_token_ends_and_is_not_said(nnrun: Run, tmp_path: Path):
    expected = Decoder().greedy(PROMPT, 12)
    end = expected[6]
    done = nnrun("generate", *flags(tmp_path, PROMPT), "--max-tokens", 50, "--end-token", end)
    assert ids(done) == expected[: expected.index(end)]
    assert done.line("summary")["ending"] == "end"


def test_the_context_ends_it_and_that_is_said(nnrun: Run, tmp_path: Path):
    done = nnrun("generate", *flags(tmp_path, PROMPT), "--context", 9)
    assert ids(done) == Decoder().greedy(PROMPT, 5)
    assert done.line("summary")["ending"] == "context"


def test_a_prompt_beyond_the_context_is_refused(nnrun: Run, tmp_path: Path):
    outcome = nnrun("generate", *flags(tmp_path, LONG), "--context", 50)
    assert_refused(outcome, 4, "50 tokens long and the context 50", "nothing was cut")


def test_sampling_repeats_with_its_seed(nnrun: Run, tmp_path: Path):
    line = [*flags(tmp_path, PROMPT), "--max-tokens", 20, "--temperature", 1.5, "--top-k", 30]
    first, again, other = (ids(nnrun("generate", *line, "--seed", seed)) for seed in (7, 7, 8))
    assert first == again != other


def test_a_penalty_keeps_it_from_repeating(nnrun: Run, tmp_path: Path):
    done = nnrun(
        "generate", *flags(tmp_path, PROMPT), "--max-tokens", 20, "--repetition-penalty", 100
    )
    assert len(set(ids(done)) | set(PROMPT)) == 20 + len(PROMPT)


REPEATING = Decoder(seed=4, spread=0.35)


@pytest.mark.parametrize("more", [[], ["--temperature", "0.1", "--top-p", "0.9", "--seed", "5"]])
def test_lookup_changes_the_number_of_steps_only(nnrun: Run, tmp_path: Path, more: list[str]):
    prompt = LONG[:8] * 4
    line = [*flags(tmp_path, prompt, REPEATING), "--max-tokens", 60, "--decode-threads", 1, *more]
    plain = nnrun("generate", *line)
    drafted = nnrun("generate", *line, "--lookup", 7)
    assert ids(plain) == ids(drafted)
    assert plain.line("summary")["drafted"] == 0
    summary = drafted.line("summary")
    assert summary["drafted"] >= summary["accepted"] > 0
    assert sum(summary["step_tokens"]) == 59
    assert len(summary["step_ms"]) == 59 - summary["accepted"]


def test_lookup_ends_where_it_must(nnrun: Run, tmp_path: Path):
    prompt = LONG[:8] * 4
    line = [*flags(tmp_path, prompt, REPEATING), "--decode-threads", 1]
    for more in (["--max-tokens", "13"], ["--context", "45"]):
        plain, drafted = (
            nnrun("generate", *line, *more, *lookup) for lookup in ([], ["--lookup", "7"])
        )
        assert ids(plain) == ids(drafted)
        assert plain.line("summary")["ending"] == drafted.line("summary")["ending"]


class TestPrefixCache:
    """What is remembered of prompts across runs."""

    @pytest.fixture
    def line(self, tmp_path: Path) -> list[Any]:
        """A run that keeps its prompt."""
        (tmp_path / "kept").mkdir()
        return [*flags(tmp_path, LONG), "--max-tokens", 6, "--prefix-cache", tmp_path / "kept"]

    def test_the_second_run_reads_only_what_is_new(self, nnrun: Run, line: list[Any], tmp_path):
        first, second = nnrun("generate", *line), nnrun("generate", *line)
        assert first.line("summary")["restored"] == 0
        assert second.line("summary")["restored"] == 49
        assert second.line("summary")["prefill_tokens"] == [1]
        assert ids(first) == ids(second) == Decoder().greedy(LONG, 6)
        other = LONG[:30] + PROMPT
        save(tmp_path, other)
        third = nnrun("generate", *line)
        assert third.line("summary")["restored"] == 30
        assert ids(third) == Decoder().greedy(other, 6)

    def test_a_half_cache_comes_back_as_it_was(self, nnrun: Run, line: list[Any]):
        halves = ["fp16" if word == "fp32" else word for word in line]
        first, second = nnrun("generate", *halves), nnrun("generate", *halves)
        assert second.line("summary")["restored"] == 49
        assert ids(first) == ids(second)
        assert nnrun("generate", *line).line("summary")["restored"] == 0

    def test_another_model_or_a_broken_file_is_passed_over(self, nnrun, line, tmp_path):
        nnrun("generate", *line).line("summary")
        (stored,) = (tmp_path / "kept").iterdir()
        content = bytearray(stored.read_bytes())
        content[-200] ^= 1
        stored.write_bytes(content)
        done = nnrun("generate", *line)
        assert done.line("summary")["restored"] < 50
        assert ids(done) == Decoder().greedy(LONG, 6)
        stored.write_bytes(content[:100])
        assert nnrun("generate", *line).line("summary")["restored"] == 0
        other = other_seed(Decoder())
        other.write(tmp_path)
        done = nnrun("generate", *line)
        assert done.line("summary")["restored"] == 0
        assert ids(done) == other.greedy(LONG, 6)

    def test_the_least_recently_used_go(self, nnrun: Run, line: list[Any], tmp_path: Path):
        rng = np.random.default_rng(3)
        for i in range(4):
            save(tmp_path, [int(token) for token in rng.integers(0, 96, 1200)])
            nnrun("generate", *line, "--prefix-cache-limit", 1).line("summary")
            files = list((tmp_path / "kept").iterdir())
            assert len(files) == min(i + 1, 3)
            assert sum(path.stat().st_size for path in files) <= 1 << 20
        save(tmp_path, LONG * 80)
        done = nnrun("generate", *line, "--prefix-cache-limit", 1, "--context", 5000)
        assert done.line("summary")["ending"] == "max_tokens"
        assert "more than --prefix-cache-limit" in done.stderr

    def test_a_full_disk_costs_one_line_only(self, nnrun: Run, line: list[Any], tmp_path: Path):
        other = LONG[::-1]
        with file_systems.mounted(tmp_path / "disk", "256k") as disk:
            nnrun("generate", *line[:-1], disk).line("summary")
            (kept,) = disk.glob("*.kv")
            room = os.statvfs(disk)
            (disk / "filler").write_bytes(b"\0" * (room.f_bavail - 2) * room.f_frsize)
            save(tmp_path, other)
            done = nnrun("generate", *line[:-1], disk)
            assert done.code == 0
            assert ids(done) == Decoder().greedy(other, 6)
            assert done.stderr == (
                f"nnrun: {disk}: No space left on device; the prompt is not kept for the next run\n"
            )
            assert list(disk.glob("*.kv*")) == [kept]
            save(tmp_path, LONG)
            assert nnrun("generate", *line[:-1], disk).line("summary")["restored"] == 49


def start(path: Path, line: list[Any]) -> subprocess.Popen[str]:
    """A run that goes on until somebody ends it."""
    words = [str(word) for word in [path, "generate", *line, "--max-tokens", 100000]]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True)


def test_an_interrupt_ends_it_with_what_there_is(nnrun_path: Path, tmp_path: Path):
    line = [*flags(tmp_path, PROMPT), "--context", 100006]
    with start(nnrun_path, line) as running:
        assert running.stdout is not None
        seen = [json.loads(running.stdout.readline()) for _ in range(8)]
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        rest, errors = running.stdout.read(), running.stderr.read()
        assert running.wait(timeout=30) == 128 + signal.SIGINT
    lines = [*seen, *map(json.loads, rest.splitlines())]
    assert errors == ""
    assert lines[-1]["type"] == "summary"
    assert lines[-1]["ending"] == "interrupted"
    assert lines[-1]["tokens"] == sum(line["type"] == "token" for line in lines)


def test_a_reader_that_leaves_ends_it(nnrun_path: Path, tmp_path: Path):
    line = [*flags(tmp_path, PROMPT), "--context", 100006]
    with start(nnrun_path, line) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert "cannot write to stdout" in running.stderr.read()
    assert running.returncode == 5


def test_wrong_flags_are_refused(nnrun: Run, tmp_path: Path):
    line = flags(tmp_path, PROMPT)
    assert_refused(nnrun("generate", *line, "--top-p", 0), 2, "--top-p")
    assert_refused(nnrun("generate", *line, "--end-token", "x"), 2, "--end-token")
    assert_refused(nnrun("generate", *line, "--prefix-cache-limit", 3), 2, "needs --prefix-cache")
    assert_refused(
        nnrun("generate", *line, "--prefix-cache", tmp_path / "none"), 5, "make it first"
    )
    wide = Decoder(kv_heads=4, head_size=128, layers=32)
    outcome = nnrun("generate", *flags(tmp_path, PROMPT, wide), "--context", 1 << 20)
    assert_refused(outcome, 4, "of memory", "smaller --context")

"""llama.cpp's own programs on the emulated board: GGUF → instructions a token, and perplexity.

What a run does once, loading and repacking above all, drops out of the difference between two runs
that do more and less of the same thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from benchmarks.counted.machine import Machine
from piyard.build.engine import Engine
from piyard.core import console, paths
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.files import atomic_write, sha256_of_file

PROMPT = 64
"""Tokens of the prompt that prefill is counted over."""
PAST = 256
"""Tokens in the cache before the first one that decode is counted over."""
FEW, MORE = 1, 5
"""Tokens that are decoded: the difference of two runs is that of their tokens."""
CONTEXT = 512
"""Tokens of a chunk of which llama-perplexity scores the second half."""

Positive = Annotated[int, msgspec.Meta(gt=0)]


class BenchLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``llama-bench -o jsonl``, of which only this much is read."""

    model_type: str
    model_size: Positive
    """Bytes of all tensors."""
    model_n_params: Positive
    n_prompt: int
    n_gen: int
    n_depth: int
    n_threads: Positive
    samples_ns: list[int]
    """Of each repetition, all its tokens together."""


@dataclass(frozen=True)
class Counts:
    """Instructions of one token on one thread."""

    prefill: float
    """Of a prompt of ``PROMPT`` tokens; the output layer runs for the last one only."""
    decode: float
    """With ``PAST`` tokens in the cache."""


@dataclass(frozen=True)
class Rival:
    """llama.cpp on an emulated machine."""

    engine: Engine
    machine: Machine

    def quantize(self, gguf: Path, kind: str) -> Path:
        """The file in another format by llama-quantize, kept for the next time."""
        name = f"{sha256_of_file(gguf)[:16]}-{kind}-{self.engine.key}.gguf"
        kept = paths.cache() / "benchmarks" / "language" / name
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            program = str(self.engine.program("llama-quantize"))
            with console.step(f"quantize {gguf.name} to {kind}"), atomic_write(kept) as draft:
                flags = ["--allow-requantize", str(gguf), str(draft), kind, "1"]
                self.machine.run([program, *flags])
        return kept

    def count(self, gguf: Path) -> Counts:
        """Of random tokens: what they are does not change the count."""
        once, twice = (self._bench(gguf, ["-p", str(PROMPT), "-n", "0", "-r", r]) for r in "12")
        few, more = (
            self._bench(gguf, ["-p", "0", "-n", str(n), "-d", str(PAST), "-r", "1"])
            for n in (FEW, MORE)
        )
        return Counts(prefill=(twice - once) / PROMPT, decode=(more - few) / (MORE - FEW))

    def _bench(self, gguf: Path, words: list[str]) -> int:
        return self.machine.count([*self._bench_argv(gguf), *words])

    def describe(self, gguf: Path) -> BenchLine:
        """What llama-bench says of the file."""
        argv = [*self._bench_argv(gguf), "-p", "1", "-n", "0", "-r", "1"]
        (line,) = parse_bench(self.machine.run(argv).out)
        return line

    def _bench_argv(self, gguf: Path) -> list[str]:
        program = str(self.engine.program("llama-bench"))
        return [program, "-m", str(gguf), "-t", "1", "--no-warmup", "-o", "jsonl"]

    def perplexity(self, gguf: Path, text: Path, chunks: int) -> float:
        """Of the second half of each chunk of ``CONTEXT`` tokens, as llama-perplexity has it."""
        program = str(self.engine.program("llama-perplexity"))
        size = ["-c", str(CONTEXT), "-b", str(CONTEXT), "--chunks", str(chunks)]
        done = self.machine.run([program, "-m", str(gguf), "-f", str(text), "-t", "1", *size])
        return parse_perplexity(done.out + done.err)


def parse_bench(text: str) -> list[BenchLine]:
    """The lines of ``llama-bench -o jsonl``; raises ``UnreadableLog``."""
    try:
        return [msgspec.json.decode(line, type=BenchLine) for line in text.splitlines() if line]
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableLog(
            f"llama-bench printed something else than its JSON lines: {error}", evidence=text[:500]
        ) from None


FINAL = re.compile(r"Final estimate: PPL = ([0-9.]+(?:e[+-]?\d+)?)")


def parse_perplexity(text: str) -> float:
    """What llama-perplexity found in the end; raises ``WrongInput`` where it found nothing."""
    if match := FINAL.search(text):
        return float(match[1])
    short = [line for line in text.splitlines() if "you need at least" in line]
    raise WrongInput(
        "llama-perplexity gives no estimate",
        evidence="\n".join(short) or text[-500:],
        remedy="give a longer text" if short else "",
    )

"""llama.cpp's own programs: GGUF → perplexity, and on the emulated board instructions a token.

What a run does once, loading and repacking above all, drops out of the difference between two runs
that do more and less of the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.counted.machine import Machine, Output
from piyard.build.engine import Engine
from piyard.core import console, paths
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.files import atomic_write, sha256_of_file
from piyard.core.parsing import Count
from piyard.measure.llama_bench import Work, parse_bench

PROMPT = 64
"""Tokens of the prompt that prefill is counted over."""
PAST = 256
"""Tokens in the cache before the first one that decode is counted over."""
FEW, MORE = 1, 5
"""Tokens that are decoded: the difference of two runs is that of their tokens."""
CONTEXT = 512
"""Tokens of a chunk of which llama-perplexity scores the second half."""


@dataclass(frozen=True)
class Counts:
    """Instructions of one token on one thread."""

    prefill: float
    """Of a prompt of ``PROMPT`` tokens; the output layer runs for the last one only."""
    decode: float
    """With ``PAST`` tokens in the cache."""


class Runs(Protocol):
    """Where programs run: the emulated machine, or this one."""

    def run(self, argv: Sequence[str]) -> Output:
        """What it printed; raises ``JobsFailed`` when it ends badly."""


@dataclass(frozen=True)
class Rival:
    """llama.cpp's programs, and where they run."""

    engine: Engine
    machine: Runs

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

    def perplexity(self, gguf: Path, text: Path, chunks: int) -> float:
        """Of the second half of each chunk of ``CONTEXT`` tokens, as llama-perplexity has it."""
        program = str(self.engine.program("llama-perplexity"))
        size = ["-c", str(CONTEXT), "-b", str(CONTEXT), "--chunks", str(chunks)]
        done = self.machine.run([program, "-m", str(gguf), "-f", str(text), "-t", "1", *size])
        return parse_perplexity(done.out + done.err)

    def tokenize(self, gguf: Path, text: Path) -> list[int]:
        """The text as llama-perplexity reads it, with its begin token where it has one."""
        program = str(self.engine.program("llama-tokenize"))
        flags = ["-m", str(gguf), "-f", str(text), "--ids", "--log-disable"]
        return parse_tokens(self.machine.run([program, *flags]).out)


@dataclass(frozen=True)
class CountedRival(Rival):
    """llama.cpp on an emulated machine, which counts."""

    machine: Machine

    def count(self, gguf: Path) -> Counts:
        """Of random tokens: what they are does not change the count."""
        once, twice = (self._bench(gguf, Work(prompt=PROMPT, runs=runs)) for runs in (1, 2))
        few, more = (self._bench(gguf, Work(tokens=n, past=PAST)) for n in (FEW, MORE))
        return Counts(prefill=(twice - once) / PROMPT, decode=(more - few) / (MORE - FEW))

    def _bench(self, gguf: Path, work: Work) -> int:
        program = str(self.engine.program("llama-bench"))
        flags = ["-m", str(gguf), "-t", "1", "--no-warmup", "-o", "jsonl", *work.flags]
        count, output = self.machine.count([program, *flags])
        parse_bench(output.out, [work])
        return count


def begin_chunks(tokens: list[int], bos: int | None) -> list[int]:
    """llama-perplexity puts the begin token over the first token of each chunk."""
    if bos is None or not tokens or tokens[0] != bos:
        return tokens
    return [bos if index % CONTEXT == 0 else token for index, token in enumerate(tokens)]


def parse_tokens(text: str) -> list[int]:
    """What ``llama-tokenize --ids`` printed; raises ``UnreadableLog``."""
    try:
        return msgspec.json.decode(text.strip().encode(), type=list[Count])
    except msgspec.DecodeError as error:
        raise UnreadableLog(
            f"llama-tokenize printed no list of tokens: {error}", evidence=text[:500]
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

"""nnrun on the emulated board with the same weights as llama.cpp: instructions a token, perplexity.

The decoder is written straight from the GGUF file's tensors, as ``convert`` writes it, without its
proof: that is ``convert``'s to give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.counted.machine import Machine
from benchmarks.language.llama_cpp import CONTEXT, FEW, MORE, PAST, PROMPT, Counts
from piyard.convert.language.formats import find_formats
from piyard.convert.language.fused_graph import write_decoder
from piyard.core.errors import UnreadableLog
from piyard.core.parsing import Count, Number
from piyard.models.transformer_files import open_tensors

ONE_THREAD = ["--prefill-threads", "1", "--decode-threads", "1"]
SEED = 1
"""Of the tokens that are counted; which they are does not change the count."""


class GenerateSummary(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="summary"):
    """The last line of ``nnrun generate``, of which only this much is read."""

    prompt_tokens: Count
    tokens: Count
    step_tokens: list[Count]
    weight_bytes: Count
    """That a token reads."""


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="score"):
    """A token that ``nnrun score`` has scored."""

    index: Count
    log_probability: Number


@dataclass(frozen=True)
class Net:
    """A decoder's files."""

    param: Path
    bin: Path
    vocabulary: int

    @property
    def flags(self) -> list[str]:
        """That name it."""
        return ["--param", str(self.param), "--bin", str(self.bin)]


def convert(gguf: Path, precision: str, folder: Path) -> Net:
    """The decoder of the file in that precision, in that folder."""
    source = open_tensors(gguf)
    net = Net(folder / "net.param", folder / "net.bin", source.config.vocabulary)
    write_decoder(source, find_formats(precision), net.param, net.bin)
    return net


@dataclass(frozen=True)
class Own:
    """nnrun on an emulated machine."""

    nnrun: Path
    machine: Machine

    def count(self, net: Net) -> tuple[Counts, int]:
        """Instructions, and the bytes that a token reads."""
        (alone, read), (followed, _) = (self._generate(net, 1, tokens) for tokens in (1, 2))
        prompt, _ = self._generate(net, PROMPT, 1)
        # The shortest run has a token of its own too: another one is what that took.
        prefill = prompt - alone + (followed - alone)
        return Counts(prefill=prefill / PROMPT, decode=self.count_decode(net)), read

    def count_decode(self, net: Net) -> float:
        """Instructions of a token with ``PAST`` tokens in the cache."""
        few, more = (self._generate(net, PAST, 1 + tokens)[0] for tokens in (FEW, MORE))
        return (more - few) / (MORE - FEW)

    def _generate(self, net: Net, prompt: int, answer: int) -> tuple[int, int]:
        random = np.random.default_rng(SEED)
        file = self._save(random.integers(0, net.vocabulary, prompt))
        flags = [*net.flags, *ONE_THREAD, "--tokens", str(file), "--max-tokens", str(answer)]
        count, output = self.machine.count([str(self.nnrun), "generate", *flags])
        return count, parse_generate(output.out, prompt, answer).weight_bytes

    def perplexity(self, net: Net, tokens: Sequence[int]) -> float:
        """Of the second half of each chunk of ``CONTEXT`` tokens, as llama-perplexity has it."""
        file = self._save(np.asarray(tokens))
        window = ["--window", str(CONTEXT), "--context", str(CONTEXT)]
        flags = [*net.flags, "--prefill-threads", "1", "--tokens", str(file), *window]
        return parse_score(self.machine.run([str(self.nnrun), "score", *flags]).out, len(tokens))

    def _save(self, tokens: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Path:
        file = self.machine.folder / "tokens.npy"
        np.save(file, tokens.astype("<i4"))
        return file


def parse_generate(text: str, prompt: int, answer: int) -> GenerateSummary:
    """The summary of a run; raises ``UnreadableLog`` for one of other tokens."""
    lines = [line for line in text.splitlines() if '"type":"summary"' in line]
    try:
        (line,) = lines
        summary = msgspec.json.decode(line, type=GenerateSummary)
    except (ValueError, msgspec.DecodeError) as error:
        raise UnreadableLog(f"nnrun generate has no summary: {error}") from None
    done = (summary.prompt_tokens, summary.tokens, sum(summary.step_tokens))
    if done != (prompt, answer, answer - 1):
        raise UnreadableLog(f"nnrun was to read {prompt} tokens and give {answer}; it did {done}")
    return summary


def parse_score(text: str, tokens: int) -> float:
    """The perplexity; raises ``UnreadableLog`` unless every second half was scored whole."""
    # The token after the first half's last one is the first that llama-perplexity scores.
    late = [
        each.log_probability for each in read_scores(text) if each.index % CONTEXT > CONTEXT // 2
    ]
    if len(late) != tokens // CONTEXT * (CONTEXT // 2 - 1):
        raise UnreadableLog(f"nnrun scored {len(late)} tokens of {tokens}")
    return math.exp(-sum(late) / len(late))


def read_scores(text: str) -> list[ScoreLine]:
    """All that ``nnrun score`` has scored; raises ``UnreadableLog``."""
    lines = [line for line in text.splitlines() if '"type":"score"' in line]
    try:
        return [msgspec.json.decode(line, type=ScoreLine) for line in lines]
    except msgspec.DecodeError as error:
        raise UnreadableLog(f"nnrun score printed something else than scores: {error}") from None

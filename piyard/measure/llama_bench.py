"""What ``llama-bench -o jsonl`` prints: a line a test, with the time of each repetition."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.parsing import Count, Text


class BenchLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line, of which only this much is read."""

    model_type: Text = ""
    """Architecture, size and kind of weights: ``qwen2 1B Q4_0``."""
    n_prompt: Count
    n_gen: Count
    n_depth: Count
    samples_ns: list[Count]
    """Of each repetition, all its tokens together."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What llama-bench is to do."""

    prompt: int = 0
    """Tokens that are read at once."""
    tokens: int = 0
    """Tokens that are computed one after the other."""
    past: int = 0
    """Tokens in the cache before that."""
    picture: int = 0
    """Rows of embeddings that a picture is encoded to; nnrun's own."""
    runs: int = 1

    @property
    def name(self) -> str:
        """As llama-bench calls it: ``pp512``, ``tg128``; of a picture ``img64``."""
        if self.picture:
            return f"img{self.picture}"
        return f"pp{self.prompt}" if self.prompt else f"tg{self.tokens}"

    @property
    def flags(self) -> list[str]:
        """Of its command line."""
        numbers = {"-p": self.prompt, "-n": self.tokens, "-d": self.past, "-r": self.runs}
        return [word for flag, number in numbers.items() for word in (flag, str(number))]


def parse_bench(text: str, expected: Sequence[Work]) -> list[BenchLine]:
    """The lines of these tests; raises ``UnreadableLog``, also where it did something else."""
    try:
        lines = [msgspec.json.decode(line, type=BenchLine) for line in text.splitlines() if line]
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableLog(
            f"llama-bench printed something else than its JSON lines: {error}", evidence=text[:500]
        ) from None
    done = [_work_of(line) for line in lines]
    if done != list(expected):
        raise UnreadableLog(f"llama-bench was to do {list(expected)}, and says that it did {done}")
    return lines


def _work_of(line: BenchLine) -> Work:
    return Work(
        prompt=line.n_prompt, tokens=line.n_gen, past=line.n_depth, runs=len(line.samples_ns)
    )

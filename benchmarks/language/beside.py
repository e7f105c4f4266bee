r"""Instructions a token of language models: llama.cpp on the emulated board, and nnrun beside it.

    .venv/bin/python -m benchmarks.language.beside --model SmolLM2-135M-Instruct.Q4_1.gguf
    .venv/bin/python -m benchmarks.language.beside --model qwen2.5-0.5b --format json
    .venv/bin/python -m benchmarks.language.beside --model … --text wiki.test.raw --chunks 10

A model is a GGUF file, or a name in benchmarks/language/shapes.py: the shape with seeded weights.
llama.cpp is built once from the archive that toolchains/engines.yaml pins (some ten minutes of a
processor), its llama-quantize makes Q4_0 and Q8_0 of the same weights, and its llama-bench computes
random tokens on one thread of an emulated Cortex-A76. nnrun's decoder is written from the same file
and computes as many tokens; choosing the likeliest one and writing its line is among its
instructions, llama-bench does neither. A QEMU plugin counts user space to the last instruction;
loading drops out of the difference of two runs. No time is measured.

With --text both tell what the rounding costs, of the same tokens: of chunks of 512, the second half
of each is scored, as llama-perplexity does it. Emulated, a chunk takes a minute or more.

Exit code 1 when nnrun takes more than --bar times llama.cpp's instructions. Needs qemu-aarch64 with
plugins (Debian bookworm's package qemu-user).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.counted import machine
from benchmarks.language import shapes
from benchmarks.language.llama_cpp import (
    CONTEXT,
    PAST,
    PROMPT,
    CountedRival,
    Counts,
    Rival,
    begin_chunks,
)
from benchmarks.language.own import Own, convert
from benchmarks.language.rows import LLAMA_CPP, NNRUN, PAIRS, Row, shown, slower
from benchmarks.language.shapes import SHAPES
from piyard.build.builder import build_nnrun
from piyard.build.engine import build_engine
from piyard.core import console
from piyard.core.errors import PiyardError, unknown_name
from piyard.core.tables import FORMATS
from piyard.core.target import load_target
from piyard.language.config import TransformerConfig
from piyard.language.gguf_config import gguf_config
from piyard.language.gguf_file import GgufFile

PRECISIONS = ("int4", "int8")
CHUNKS = 10


@dataclass(frozen=True)
class Subject:
    """A model: its name for people, and the file with its weights."""

    title: str
    gguf: Path

    @cached_property
    def shape(self) -> TransformerConfig:
        """Its sizes; raises ``PiyardError`` for a file that is broken, or no such decoder."""
        return gguf_config(GgufFile(self.gguf))


@dataclass(frozen=True)
class Text:
    """What perplexity is computed of."""

    file: Path
    chunks: int


def rival_row(rival: CountedRival, subject: Subject, kind: str, text: Text | None) -> Row:
    """llama.cpp's row of a model."""
    gguf = rival.quantize(subject.gguf, kind)
    with console.step(f"{LLAMA_CPP}: count {subject.title} {kind}"):
        counts = rival.count(gguf)
    perplexity = None
    if text:
        with console.step(f"{LLAMA_CPP}: perplexity of {subject.title} {kind}"):
            perplexity = rival.perplexity(gguf, text.file, text.chunks)
    return _row(subject, LLAMA_CPP, kind, counts, read_bytes(gguf), perplexity)


def own_row(own: Own, subject: Subject, precision: str, tokens: Sequence[int]) -> Row:
    """nnrun's row of a model; ``tokens`` are a text's, or none."""
    with tempfile.TemporaryDirectory(prefix="piyard-decoder-") as folder:
        with console.step(f"{NNRUN}: {subject.title} in {precision}"):
            net = convert(subject.gguf, precision, Path(folder))
        with console.step(f"{NNRUN}: count {subject.title} {precision}"):
            counts, read = own.count(net)
        perplexity = None
        if tokens:
            with console.step(f"{NNRUN}: perplexity of {subject.title} {precision}"):
                perplexity = own.perplexity(net, tokens)
    return _row(subject, NNRUN, precision, counts, read, perplexity)


def _row(
    subject: Subject,
    engine: str,
    weights: str,
    counts: Counts,
    read: int,
    perplexity: float | None,
) -> Row:
    return Row(
        model=subject.title,
        engine=engine,
        weights=weights,
        block_weights=block_weights(subject.shape),
        head_weights=subject.shape.vocabulary * subject.shape.hidden,
        read=read,
        prompt=PROMPT,
        past=PAST,
        prefill=counts.prefill,
        decode=counts.decode,
        perplexity=perplexity,
    )


def scored_tokens(rival: Rival, subject: Subject, text: Text | None) -> list[int]:
    """The tokens of whole chunks; each begins with the model's begin token where it has one."""
    if text is None:
        return []
    with console.step(f"tokens of {text.file.name}"):
        tokens = rival.tokenize(subject.gguf, text.file)
    count = min(text.chunks, len(tokens) // CONTEXT) * CONTEXT
    return begin_chunks(tokens[:count], subject.shape.bos)


def block_weights(shape: TransformerConfig) -> int:
    """The weights of all blocks that a token is multiplied by: without norms and biases."""
    attention = 2 * shape.hidden * (shape.query_width + shape.kv_width)
    return shape.layers * (attention + 3 * shape.hidden * shape.feed_forward)


def read_bytes(gguf: Path) -> int:
    """Bytes of all tensors but an embedding of its own, of which a token reads one row."""
    tensors = GgufFile(gguf).tensors
    rows_only = {"token_embd.weight"} if "output.weight" in tensors else set()
    return sum(tensor.size for name, tensor in tensors.items() if name not in rows_only)


def parse_subject(word: str) -> Subject:
    """A GGUF file, or a name in ``SHAPES``; raises ``PiyardError`` for anything else."""
    file = Path(word)
    if not file.is_file() and word not in SHAPES:
        raise unknown_name("GGUF file, nor a shape", word, SHAPES)
    subject = (
        Subject(file.stem, file.resolve())
        if file.is_file()
        else Subject(f"{word}, seeded", shapes.make(word))
    )
    _ = subject.shape
    return subject


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="FILE|NAME",
        help=f"a GGUF file, or with seeded weights {', '.join(SHAPES)}",
    )
    parser.add_argument(
        "--weights",
        action="append",
        choices=PAIRS,
        help=f"nnrun's, each beside llama.cpp's of as many bits (default {', '.join(PRECISIONS)})",
    )
    parser.add_argument(
        "--rival-only", action="store_true", help="count llama.cpp and leave nnrun out"
    )
    parser.add_argument("--text", type=Path, help="a text whose perplexity is computed too")
    parser.add_argument(
        "--chunks", type=int, default=CHUNKS, help=f"of 512 tokens (default {CHUNKS})"
    )
    parser.add_argument("--bar", type=float, default=1.0, help="nnrun ÷ llama.cpp (default 1)")
    parser.add_argument("--format", default="plain", choices=FORMATS)
    return parser.parse_args(line)


def rows(request: argparse.Namespace) -> list[Row]:
    """Of all models asked for."""
    subjects = [parse_subject(word) for word in request.model]
    text = Text(request.text, request.chunks) if request.text else None
    board = load_target("rpi5")
    with tempfile.TemporaryDirectory(prefix="piyard-counted-") as folder:
        there = machine.make(Path(folder))
        rival = CountedRival(build_engine(LLAMA_CPP, board), there)
        own = None if request.rival_only else Own(build_nnrun(board).nnrun, there)
        return [
            row
            for subject in subjects
            for row in _model_rows(rival, own, subject, request.weights or PRECISIONS, text)
        ]


def _model_rows(
    rival: CountedRival,
    own: Own | None,
    subject: Subject,
    precisions: Sequence[str],
    text: Text | None,
) -> Iterator[Row]:
    tokens = scored_tokens(rival, subject, text)
    for precision in precisions:
        yield rival_row(rival, subject, PAIRS[precision], text)
        if own:
            yield own_row(own, subject, precision, tokens)


def main() -> int:
    """Count, print, judge."""
    request = arguments()
    try:
        counted = rows(request)
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(shown(counted, request.format))
    above = slower(counted, request.bar)
    for line in above:
        print(f"above {request.bar:g}: {line}", file=sys.stderr)
    return int(bool(above))


if __name__ == "__main__":
    sys.exit(main())

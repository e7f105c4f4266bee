r"""What memory a language model takes at work, and how often its file is read from the disk.

    .venv/bin/python -m benchmarks.language.memory
    .venv/bin/python -m benchmarks.language.memory --model smollm2_135m_instruct --precision int8

nnrun of this machine reads a prompt and gives an answer. Its peak of resident memory, program and
tokenizer included, is set beside the weights that it maps and what the cache holds in the end. The
file is taken out of the page cache first: what the kernel then reads from the disk for nnrun and
the child process that tries the net is the figure *Read*, in sizes of the file. On a file system
without blocks (tmpfs) there is no such figure.

Exit code 1 when the peak is above --bar times weights and cache, or the file is read more than
once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.language.desktop import Here, find_nnrun, read_summary, save_tokens
from piyard.convert.language.conversions import BIN_FILE, PARAM_FILE
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.formats import FORMATS
from piyard.convert.language.plan import plan_language
from piyard.core import console
from piyard.core.errors import PiyardError
from piyard.core.parsing import Count
from piyard.core.tables import FORMATS as TABLE_FORMATS
from piyard.core.tables import render_table
from piyard.core.text import NOT_KNOWN
from piyard.models.language_models import load_language_model

MODEL = "smollm2_135m_instruct"
PROMPT, ANSWER, CONTEXT = 128, 8, 512
BAR = 1.15
READ_BAR = 1.02
"""The program itself is read too."""
BLOCK = 512
"""Bytes of a block that getrusage counts, whatever the disk's."""
COLUMNS = ("Model", "Weights", "File (MB)", "Cache (MB)", "Peak (MB)", "Peak ÷ both", "Read")


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of ``nnrun generate``, of which only this much is read."""

    cache_bytes: Count
    peak_rss_kb: Count


@dataclass(frozen=True)
class Row:
    """One precision of a model."""

    model: str
    precision: str
    file: int
    cache: int
    peak: int
    read: int
    """Bytes from the disk; 0 where that is not counted."""

    @property
    def ratio(self) -> float:
        """Peak over weights and cache."""
        return self.peak / (self.file + self.cache)

    @property
    def times_read(self) -> float:
        """Sizes of the file that came from the disk."""
        return self.read / self.file

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        sizes = [f"{size / 1e6:.1f}" for size in (self.file, self.cache, self.peak)]
        read = f"{self.times_read:.2f} x" if self.read else NOT_KNOWN
        return [self.model, self.precision, *sizes, f"{self.ratio:.3f}", read]


def measure(name: str, precision: str, nnrun: Path) -> Row:
    """Of one run; raises ``JobsFailed`` or ``UnreadableLog`` when it ends badly."""
    plan = plan_language(load_language_model(name), precision)
    conversion = convert_language_model(plan, force=True)
    weights = conversion.folder / BIN_FILE
    with (
        tempfile.TemporaryDirectory(prefix="piyard-memory-") as folder,
        console.step(f"{conversion.model.title}: {precision}"),
    ):
        drawn = np.random.default_rng(1).integers(0, conversion.model.language.vocabulary, PROMPT)
        prompt = save_tokens(drawn.tolist(), Path(folder))
        words = [str(nnrun), "generate", "--param", str(conversion.folder / PARAM_FILE)]
        words += ["--bin", str(weights), "--tokens", str(prompt), "--max-tokens", str(ANSWER)]
        words += ["--context", str(CONTEXT), "--prefill-threads", "1", "--decode-threads", "1"]
        forget(weights)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock
        summary = read_summary(Here(Path(folder)).run(words).out.splitlines(), Summary)
        blocks = resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock - before
    return Row(
        model=conversion.model.title,
        precision=precision,
        file=weights.stat().st_size,
        cache=summary.cache_bytes,
        peak=summary.peak_rss_kb * 1024,
        read=blocks * BLOCK,
    )


def forget(file: Path) -> None:
    """Take it out of the kernel's page cache."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def shown(rows: Sequence[Row], form: str) -> str:
    """The table, or all figures as JSON."""
    if form == "json":
        return json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=2)
    return render_table(COLUMNS, [row.cells for row in rows], form)


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=MODEL, help=f"default {MODEL}")
    parser.add_argument("--precision", action="append", choices=FORMATS, help="default: all")
    parser.add_argument("--bar", type=float, default=BAR, help=f"default {BAR}")
    parser.add_argument("--nnrun", type=Path, help="the program; default: built for this machine")
    parser.add_argument("--format", default="plain", choices=TABLE_FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Measure, print, judge."""
    request = arguments()
    try:
        nnrun = find_nnrun(request.nnrun)
        precisions = request.precision or FORMATS
        rows = [measure(request.model, precision, nnrun) for precision in precisions]
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(shown(rows, request.format))
    return int(any(row.ratio > request.bar or row.times_read > READ_BAR for row in rows))


if __name__ == "__main__":
    sys.exit(main())

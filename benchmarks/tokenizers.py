"""nnrun's tokenizer beside the package ``tokenizers``: whether ids are equal, and the time.

    .venv/bin/python -m benchmarks.tokenizers --nnrun artifacts/builds/KEY/nnrun FOLDER...

A folder holds a model's ``tokenizer.json`` (or ``tokenizer.json.gz``). The lines are those of the
tests: sentences of many scripts cut anywhere, emoji, control characters, random characters, bytes
that are not UTF-8. Each is compared with and without the ids at its ends, and the text of the ids
with and without special tokens. Times are of the calls that encode, without start and reading.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from piyard.language.tokenizer.sources import compile_folder
from tests.support.texts import random_lines


class Row(NamedTuple):
    """What one tokenizer showed."""

    name: str
    lines: int
    ids: int
    different: int
    """Lines of which ids or text differ."""
    nnrun_ms: float
    package_ms: float


class Nnrun(NamedTuple):
    """The program, and a tokenizer's flat file."""

    program: Path
    file: Path

    def run(self, texts: Sequence[bytes], *flags: str, each: str = "nul") -> list[dict[str, Any]]:
        """The line of each text."""
        line = [str(self.program), "tokenize", "--tokenizer", str(self.file), "--each", each]
        separator = b"\0" if each == "nul" else b"\n"
        content = b"".join(text + separator for text in texts)
        done = subprocess.run([*line, *flags], input=content, capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()[1:-1]]


def measure(folder: Path, program: Path, lines: Sequence[bytes], scratch: Path) -> Row:
    """Compare both ways on all lines."""
    package = Tokenizer.from_buffer(_read(folder))
    nnrun = Nnrun(program, scratch / f"{folder.name}.bin")
    nnrun.file.write_bytes(compile_folder(folder))
    texts = [line.decode(errors="replace") for line in lines]
    different: set[int] = set()
    ids, ms, package_ms = 0, 0.0, 0.0
    for flags in ((), ("--ends",)):
        begin = time.perf_counter()
        reference = [package.encode(text, add_special_tokens=bool(flags)).ids for text in texts]
        package_ms = (time.perf_counter() - begin) * 1000
        shown = nnrun.run(lines, *flags)
        ids, ms = sum(map(len, reference)), sum(line["ms"] for line in shown)
        different |= {at for at, line in enumerate(shown) if line["ids"] != reference[at]}
        different |= _different_texts(nnrun, package, reference)
    return Row(folder.name, len(lines), ids, len(different), ms, package_ms)


def _different_texts(nnrun: Nnrun, package: Tokenizer, reference: Sequence[list[int]]) -> set[int]:
    numbers = [" ".join(map(str, ids)).encode() for ids in reference]
    special = {at for at, token in package.get_added_tokens_decoder().items() if token.special}
    different = set()
    for flags, left_out in (((), set()), (("--skip-special",), special)):
        shown = nnrun.run(numbers, "--decode", *flags, each="line")
        for at, (line, ids) in enumerate(zip(shown, reference, strict=True)):
            kept = [number for number in ids if number not in left_out]
            if line["text"] != package.decode(kept, skip_special_tokens=False):
                different.add(at)
    return different


def _read(folder: Path) -> bytes:
    plain = folder / "tokenizer.json"
    return plain.read_bytes() if plain.exists() else gzip.open(f"{plain}.gz").read()


def main(arguments: Sequence[str]) -> int:
    """Print a row a tokenizer; 1 when any line differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nnrun", type=Path, required=True, help="nnrun, built for this machine")
    parser.add_argument("--lines", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    lines = random_lines(options.lines, seed=options.seed)
    print("tokenizer   lines     ids  different  nnrun ms  tokenizers ms")
    failed = 0
    with TemporaryDirectory(prefix="piyard-tokenizers-") as scratch:
        for folder in options.folders:
            row = measure(folder, options.nnrun, lines, Path(scratch))
            print(
                f"{row.name:10} {row.lines:6} {row.ids:7} {row.different:10}"
                f" {row.nnrun_ms:9.0f} {row.package_ms:14.0f}"
            )
            failed += bool(row.different)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

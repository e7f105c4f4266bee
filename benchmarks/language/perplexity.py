r"""What each precision costs a language model: nnrun's perplexity beside the original's in torch.

    .venv/bin/python -m benchmarks.language.perplexity --text wiki.test.raw
    .venv/bin/python -m benchmarks.language.perplexity --model stories260k --precision int4

Chunks of 512 tokens that know nothing of each other are scored by ``nnrun score`` of this machine,
whose integers are a board's; of fp16 a board sums halves, which is not computed here. Without a
text the model writes its own, sampled at temperature 1 from the original: there the rise is the
divergence of the two, and any model has such a text. The formats are those that ``convert``
chooses, table and wide matrices included. The last column is of the second half of each chunk,
as llama-perplexity has it, to be set beside ``benchmarks.language.beside --text``.

Exit code 1 when a rise is above its bar.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.language.desktop import MODELS, Here, Subject, find_nnrun, generate, save_tokens
from benchmarks.language.llama_cpp import CONTEXT
from benchmarks.language.own import read_scores
from piyard.convert.language.conversion import (
    BIN_FILE,
    PARAM_FILE,
    convert_language_model,
    plan_language,
)
from piyard.convert.language.formats import FORMATS
from piyard.core import console
from piyard.core.errors import PiyardError, UnreadableLog, WrongInput
from piyard.core.parsing import read_text
from piyard.core.tables import FORMATS as TABLE_FORMATS
from piyard.core.tables import render_table
from piyard.models.language_models import load_language_model

CHUNKS = 10
BARS = {"fp32": 0.0005, "fp16": 0.005, "int8": 0.01, "int4": 0.05}
"""By which part the perplexity may rise."""
COLUMNS = ("Model", "Text", "Precision", "Stored", "Tokens", "Perplexity", "Rise", "Bar", "Late")
HALF = CONTEXT // 2


@dataclass(frozen=True)
class Text:
    """Chunks of tokens, and what the original thinks of each but the first."""

    name: str
    chunks: list[list[int]]
    scores: list[list[float]]
    """Log-probabilities."""


@dataclass(frozen=True)
class Row:
    """A precision of a model on a text."""

    model: str
    text: str
    precision: str
    stored: str
    tokens: int
    """That are scored."""
    perplexity: float
    original: float
    late: float
    """Perplexity of the second half of each chunk."""
    late_original: float

    @property
    def rise(self) -> float:
        """By which part it is above the original's."""
        return self.perplexity / self.original - 1

    @property
    def well(self) -> bool:
        """Whether it is within its bar."""
        return self.rise <= BARS[self.precision]

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        return [
            *(self.model, self.text, self.precision, self.stored, str(self.tokens)),
            *(f"{self.perplexity:.4f}", f"{self.rise:+.2%}"),
            f"{BARS[self.precision]:+.2%}{'' if self.well else ' missed'}",
            f"{self.late:.4f} ({self.late / self.late_original - 1:+.2%})",
        ]


def perplexity(scores: Sequence[Sequence[float]], first: int = 0) -> float:
    """Of log-probabilities, those of each chunk from the ``first`` on."""
    kept = [score for chunk in scores for score in chunk[first:]]
    return math.exp(-sum(kept) / len(kept))


def read_chunks(subject: Subject, file: Path, count: int) -> list[list[int]]:
    """Of the text's beginning; raises ``WrongInput`` for one that is too short."""
    ids = subject.encode(read_text(file)[: 8 * count * CONTEXT])
    chunks = [ids[at : at + CONTEXT] for at in range(0, len(ids) - CONTEXT + 1, CONTEXT)]
    if len(chunks) < count:
        raise WrongInput(
            f"{file} has {len(chunks)} chunks of {CONTEXT} tokens",
            remedy=f"give a longer text, or --chunks {len(chunks)}",
        )
    return chunks[:count]


def write_chunks(subject: Subject, nnrun: Path, count: int) -> list[list[int]]:
    """Texts that the model in fp32 writes, each token drawn by its probability."""
    begin = subject.encode("")
    more = ["--temperature", "1", "--context", str(CONTEXT)]
    with tempfile.TemporaryDirectory(prefix="piyard-perplexity-") as scratch:
        folder = Path(scratch)
        net = subject.write(FORMATS["fp32"], folder)
        return [
            begin + generate(nnrun, net, begin, CONTEXT - 1, folder, *more, "--seed", str(seed))[0]
            for seed in range(1, count + 1)
        ]


def read_subject(subject: Subject, nnrun: Path, file: Path | None, count: int) -> Text:
    """A text, and the original's scores."""
    with torch.no_grad(), console.step(f"{subject.title}: the original"):
        chunks = read_chunks(subject, file, count) if file else write_chunks(subject, nnrun, count)
        scores = []
        for chunk in chunks:
            likely = subject.decoder(torch.tensor(chunk)).double().log_softmax(-1)[:-1]
            scores.append(likely.gather(1, torch.tensor(chunk[1:])[:, None])[:, 0].tolist())
    return Text(file.name if file else "its own", chunks, scores)


def score(subject: Subject, precision: str, text: Text, nnrun: Path) -> Row:
    """nnrun's row; raises ``UnreadableLog`` unless each token was scored."""
    plan = plan_language(load_language_model(subject.name), precision)
    made = convert_language_model(plan, force=True)
    files = ["--param", str(made.folder / PARAM_FILE), "--bin", str(made.folder / BIN_FILE)]
    windows = ["--window", str(CONTEXT), "--context", str(CONTEXT), "--prefill-threads", "1"]
    with (
        tempfile.TemporaryDirectory(prefix="piyard-perplexity-") as folder,
        console.step(f"{subject.title}: {precision}"),
    ):
        tokens = save_tokens([token for chunk in text.chunks for token in chunk], Path(folder))
        words = [str(nnrun), "score", *files, *windows, "--tokens", str(tokens)]
        found = read_scores(Here(Path(folder)).run(words).out)
    flat = [each.log_probability for each in found]
    size = CONTEXT - 1
    scores = [flat[at : at + size] for at in range(0, len(flat), size)]
    if [len(chunk) for chunk in scores] != [size] * len(text.chunks):
        raise UnreadableLog(f"nnrun scored {len(flat)} tokens of {len(text.chunks)} chunks")
    row = Row(
        model=subject.title,
        text=text.name,
        precision=precision,
        stored=made.manifest.stored.label,
        tokens=len(flat),
        perplexity=perplexity(scores),
        original=perplexity(text.scores),
        late=perplexity(scores, HALF),
        late_original=perplexity(text.scores, HALF),
    )
    console.info(f"  perplexity {row.perplexity:.4f}, the original's {row.original:.4f}")
    return row


def shown(rows: Sequence[Row], form: str) -> str:
    """The table, or all figures as JSON."""
    if form == "json":
        return json.dumps([asdict(row) | {"rise": row.rise} for row in rows], indent=2)
    return render_table(COLUMNS, [row.cells for row in rows], form)


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help=f"default {', '.join(MODELS)}")
    parser.add_argument("--precision", action="append", choices=FORMATS, help="default: all")
    parser.add_argument("--text", type=Path, help="default: each model writes its own")
    parser.add_argument("--chunks", type=int, default=CHUNKS, help=f"default {CHUNKS}")
    parser.add_argument("--nnrun", type=Path, help="the program; default: built for this machine")
    parser.add_argument("--format", default="plain", choices=TABLE_FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Score, print, judge."""
    request, rows = arguments(), list[Row]()
    try:
        nnrun = find_nnrun(request.nnrun)
        for name in request.model or MODELS:
            subject = Subject(name)
            text = read_subject(subject, nnrun, request.text, request.chunks)
            precisions = request.precision or FORMATS
            rows += [score(subject, precision, text, nnrun) for precision in precisions]
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(shown(rows, request.format))
    return int(not all(row.well for row in rows))


if __name__ == "__main__":
    sys.exit(main())

r"""What each precision costs a language model: nnrun's perplexity beside the original's in torch.

    .venv/bin/python -m benchmarks.language.perplexity --text wiki.test.raw
    .venv/bin/python -m benchmarks.language.perplexity --model stories260k --precision int4

Chunks of 512 tokens that know nothing of each other are scored by ``nnrun score`` of this machine,
whose integers are a board's; of fp16 a board sums halves, which is not computed here. Without a
text the model writes its own, sampled at temperature 1 from the original: there the rise is the
divergence of the two, and any model has such a text. The formats are those that ``convert``
chooses, table and wide matrices included. The last column is of the second half of each chunk,
as llama-perplexity has it.

With --twin torch computes what nnrun does, from the same matrices and with the same rounding, in
place of nnrun: it takes less time and tells the KL divergence too, which varies less than a rise.

With --rival llama.cpp, built for this machine, reads the same tokens with weights of as many bits
that its llama-quantize made of the same GGUF file: Q8_0 beside int8, Q4_0 beside int4.

Exit code 1 when a rise is above its bar.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch

from benchmarks.language.desktop import MODELS, Here, Subject, find_nnrun, generate, save_tokens
from benchmarks.language.llama_cpp import CONTEXT, Rival, begin_chunks
from benchmarks.language.own import read_scores
from benchmarks.language.perplexity_rows import TWIN, Row, perplexity, shown
from benchmarks.language.rows import LLAMA_CPP, PAIRS
from piyard.build.engine import build_engine_here
from piyard.convert.language.conversions import BIN_FILE, PARAM_FILE, TOKENIZER_JSON
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.formats import FORMATS
from piyard.convert.language.fused_graph import write_decoder
from piyard.convert.language.plan import plan_language
from piyard.convert.language.proof_tokens import choose_tokens
from piyard.convert.language.smoothing import smooth_for
from piyard.convert.language.twin_pass import TwinPass
from piyard.core import console
from piyard.core.errors import PiyardError, UnreadableLog, WrongInput
from piyard.core.parsing import read_text
from piyard.core.tables import FORMATS as TABLE_FORMATS
from piyard.models.language_models import load_language_model
from piyard.models.transformer_files import GgufSource

CHUNKS = 10
HALF = CONTEXT // 2
RIVAL_FLAG = "--rival"


@dataclass(frozen=True)
class Text:
    """Chunks of tokens, and what the original thinks of each but the first."""

    name: str
    chunks: list[list[int]]
    scores: list[list[float]]
    """Log-probabilities."""


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
    conversion = convert_language_model(plan, force=True)
    files = [
        "--param",
        str(conversion.folder / PARAM_FILE),
        "--bin",
        str(conversion.folder / BIN_FILE),
    ]
    windows = ["--window", str(CONTEXT), "--context", str(CONTEXT), "--prefill-threads", "1"]
    with (
        tempfile.TemporaryDirectory(prefix="piyard-perplexity-") as folder,
        console.step(f"{subject.title}: {precision}"),
    ):
        tokens = save_tokens([token for chunk in text.chunks for token in chunk], Path(folder))
        words = [str(nnrun), "score", *files, *windows, "--tokens", str(tokens)]
        scored = read_scores(Here(Path(folder)).run(words).out)
    flat = [each.log_probability for each in scored]
    size = CONTEXT - 1
    scores = [flat[at : at + size] for at in range(0, len(flat), size)]
    if [len(chunk) for chunk in scores] != [size] * len(text.chunks):
        raise UnreadableLog(f"nnrun scored {len(flat)} tokens of {len(text.chunks)} chunks")
    row = Row(
        model=subject.title,
        text=text.name,
        precision=precision,
        stored=conversion.manifest.stored.label,
        tokens=len(flat),
        perplexity=perplexity(scores),
        original=perplexity(text.scores),
        late=perplexity(scores, HALF),
        late_original=perplexity(text.scores, HALF),
    )
    console.info(f"  perplexity {row.perplexity:.4f}, the original's {row.original:.4f}")
    return row


def score_twin(subject: Subject, precision: str, text: Text) -> Row:
    """The twin's row: matrices in the conversion's formats, rounded again while the chunks pass."""
    plan = plan_language(load_language_model(subject.name), precision)
    conversion = convert_language_model(plan, force=True)
    stored = conversion.manifest.stored
    with (
        tempfile.TemporaryDirectory(prefix="piyard-perplexity-") as folder,
        console.step(f"{subject.title}: the twin in {precision}"),
        torch.no_grad(),
    ):
        tokens = choose_tokens(
            plan.source.config, (conversion.folder / TOKENIZER_JSON).read_bytes()
        )
        source = smooth_for(plan.source, stored, tokens.proof)
        twin = TwinPass(source, stored, text.chunks)
        write_decoder(source, stored, Path(folder) / PARAM_FILE, Path(folder) / BIN_FILE, twin)
    agreement = twin.result(text.name, is_text=True)
    return Row(
        model=subject.title,
        text=text.name,
        engine=TWIN,
        precision=precision,
        stored=stored.label,
        tokens=len(text.chunks) * (CONTEXT - 1),
        perplexity=agreement.perplexity,
        original=perplexity(text.scores),
        divergence=agreement.divergence,
        late_original=perplexity(text.scores, HALF),
    )


def rival_row(subject: Subject, kind: str, text: Text, file: Path) -> Row:
    """llama.cpp's row; raises ``WrongInput`` where it would not read the same tokens."""
    gguf = find_gguf(subject)
    with tempfile.TemporaryDirectory(prefix="piyard-perplexity-") as folder:
        rival = Rival(build_engine_here(LLAMA_CPP), Here(Path(folder)))
        with console.step(f"{LLAMA_CPP}: perplexity of {subject.title} {kind}"):
            tokens = rival.tokenize(gguf, file)
            require_same(begin_chunks(tokens, subject.source.config.bos), text)
            late = rival.perplexity(rival.quantize(gguf, kind), file, len(text.chunks))
    return Row(
        model=subject.title,
        text=text.name,
        engine=LLAMA_CPP,
        precision=kind,
        stored=kind,
        tokens=len(text.chunks) * (CONTEXT - 1 - HALF),
        perplexity=None,
        original=perplexity(text.scores),
        late=late,
        late_original=perplexity(text.scores, HALF),
    )


def find_gguf(subject: Subject) -> Path:
    """The file with the weights; raises ``WrongInput`` where they are in another format."""
    if not isinstance(subject.source, GgufSource):
        raise WrongInput(
            f"{LLAMA_CPP} reads GGUF files, and the weights of {subject.title} are in another",
            remedy=f"name models with --model, or leave {RIVAL_FLAG} away",
        )
    return subject.source.file.path


def require_same(tokens: Sequence[int], text: Text) -> None:
    """Raise ``WrongInput`` unless llama.cpp's tokens begin with the text's chunks."""
    chunks = [token for chunk in text.chunks for token in chunk]
    pairs = zip_longest(tokens[: len(chunks)], chunks)
    if differing := [at for at, (theirs, ours) in enumerate(pairs) if theirs != ours]:
        raise WrongInput(
            f"{LLAMA_CPP} reads other tokens in {text.name}, from place {differing[0]} on",
            remedy="give a text that both read alike",
        )


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help=f"default {', '.join(MODELS)}")
    parser.add_argument("--precision", action="append", choices=FORMATS, help="default: all")
    parser.add_argument("--text", type=Path, help="default: each model writes its own")
    parser.add_argument("--chunks", type=int, default=CHUNKS, help=f"default {CHUNKS}")
    parser.add_argument(
        RIVAL_FLAG, action="store_true", help="llama.cpp's too, of the same GGUF file; needs --text"
    )
    parser.add_argument(
        "--twin", action="store_true", help="torch in place of nnrun, rounding as that does"
    )
    parser.add_argument("--nnrun", type=Path, help="the program; default: built for this machine")
    parser.add_argument("--format", default="plain", choices=TABLE_FORMATS)
    request = parser.parse_args(line)
    if request.rival and not request.text:
        parser.error(f"{RIVAL_FLAG} needs --text")
    return request


def main() -> int:
    """Score, print, judge."""
    request, rows = arguments(), list[Row]()
    try:
        # The twin needs it for nothing but a text of the model's own.
        unused = request.twin and request.text
        nnrun = Path() if unused else find_nnrun(request.nnrun)
        for name in request.model or MODELS:
            subject = Subject(name)
            text = read_subject(subject, nnrun, request.text, request.chunks)
            for precision in request.precision or FORMATS:
                if request.twin:
                    rows.append(score_twin(subject, precision, text))
                else:
                    rows.append(score(subject, precision, text, nnrun))
                if request.rival and precision in PAIRS:
                    rows.append(rival_row(subject, PAIRS[precision], text, request.text))
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(shown(rows, request.format))
    return int(not all(row.well for row in rows))


if __name__ == "__main__":
    sys.exit(main())

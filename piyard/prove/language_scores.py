"""Runs that score tokens on a board: what they are given, and the logits they give back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.release import Release, release_of_paths
from piyard.build.builder import Build
from piyard.convert.language.conversions import TOKENIZER_JSON, LanguageConversion
from piyard.convert.language.plan import LanguagePlan
from piyard.convert.language.proof_tokens import ProofTokens, choose_tokens
from piyard.core.errors import UnreadableLog
from piyard.core.files import scratch_folder
from piyard.core.parsing import Count, Number
from piyard.predict.command import release_path
from piyard.run.job import RunOptions
from piyard.run.language import start_language_run
from piyard.run.lifecycle import finish_run
from piyard.run.log import read_log, require_measured
from piyard.run.record import Record, TaskInfo
from piyard.run.run_folders import LOG_FILE, run_folder

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


SCORE_TASK = "score"
BOARD_TOKENS = 256
"""Of the text, at least; a token's logits are 200 kB for 50,000 words, and have to be fetched."""
TOKENS_FILE, LOGITS_FILE = "tokens.npy", "logits.npy"


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of nnrun's about a token: how likely the one that follows it was."""

    index: Count
    log_probability: Number
    top: Count
    """The likeliest token."""


class LanguageProofContext(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion, a board, and what runs there."""

    connection: BoardConnection
    build: Build
    plan: LanguagePlan
    """Of the conversion: it has the original's tensors."""
    conversion: LanguageConversion
    threads: int
    options: RunOptions


def board_tokens(context: LanguageProofContext) -> ProofTokens:
    """The first windows of those the conversion was proved on."""
    file = context.conversion.folder / TOKENIZER_JSON
    tokenizer = file.read_bytes() if file.is_file() else b""
    tokens = choose_tokens(context.plan.source.config, tokenizer)
    windows: list[list[int]] = []
    for window in tokens.proof:
        if sum(map(len, windows)) < BOARD_TOKENS:
            windows.append(window)
    return msgspec.structs.replace(tokens, proof=windows)


def score_tokens(context: LanguageProofContext, tokens: ProofTokens, *, step: int) -> Record:
    """A run that scores the tokens, so many at once; the logits of one that reads all at once."""
    is_whole = step > 1
    window = str(len(tokens.proof[0]))
    words = [
        *("--steps", str(step), "--window", window, "--context", window),
        *(["--save-logits", LOGITS_FILE] if is_whole else []),
    ]
    with scratch_folder("piyard-tokens-") as folder:
        release = token_release(tokens.proof, folder)
        return run_score(context, "at once" if is_whole else "token by token", release, words)


def run_score(
    context: LanguageProofContext, what: str, release: Release, words: Sequence[str]
) -> Record:
    """A run of the verb ``score`` on the release's tokens, when it is over."""
    record = start_language_run(
        context.connection,
        context.build,
        context.conversion,
        TaskInfo(task=SCORE_TASK, slug=f"{context.conversion.model.name} {what}"),
        [
            *(SCORE_TASK, "--tokens", f"{release_path(release)}/{TOKENS_FILE}"),
            *("--prefill-threads", str(context.threads)),
            *words,
        ],
        context.options,
        inputs=[release],
    )
    return finish_run(context.connection, record)


def token_release(
    windows: Sequence[Sequence[int]], folder: Path, further: Mapping[str, Path] | None = None
) -> Release:
    import numpy as np

    path = folder / TOKENS_FILE
    np.save(path, np.array([token for window in windows for token in window], "<i4"))
    return release_of_paths({TOKENS_FILE: path, **(further or {})}, label="tokens of a text")


@contextmanager
def fetched_logits(context: LanguageProofContext, run: Record, tokens: int) -> Iterator[Floats]:
    """Those of a run, which are removed once they are compared: they outweigh all other runs."""
    file = run_folder(run.id) / LOGITS_FILE
    yield _read_logits(file, tokens, context.plan.source.config.vocabulary)
    file.unlink()


def _read_logits(file: Path, tokens: int, vocabulary: int) -> Floats:
    """All of them, (tokens, vocabulary). Raises ``UnreadableLog`` for what no nnrun writes."""
    import numpy as np

    expected = (tokens, vocabulary)
    try:
        logits: Floats = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableLog(f"{file} holds no logits: {error}") from None
    if logits.shape != expected or logits.dtype != np.float32:
        raise UnreadableLog(f"{file} has {logits.dtype} {logits.shape}, not float32 {expected}")
    return logits


def read_scores(record: Record) -> list[ScoreLine]:
    path = run_folder(record.id) / LOG_FILE
    try:
        return msgspec.convert(read_log(path).of("score"), list[ScoreLine])
    except msgspec.ValidationError as error:
        raise UnreadableLog(f"{path}: a score is malformed: {error}") from None


def computed_precision(record: Record) -> str:
    path = run_folder(record.id) / LOG_FILE
    header = read_log(path).header
    require_measured(header, str(path))
    return header.precision.label

"""What a language model answers: what is asked of it, nnrun's last line of it, its row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.parsing import Count, JsonObject, Ms
from piyard.core.tables import Cell, number_cell
from piyard.core.text import format_count, format_digits, sanitize_text
from piyard.run.log import read_log
from piyard.run.record import Record
from piyard.run.run_folders import LOG_FILE, run_folder

GENERATE = "generate"
"""The task of a run that answers, and nnrun's verb."""
PREFIXES_FOLDER = "../../prefixes"
"""Of a board, seen from a run's folder; ``board/scripts/start.sh`` makes it."""


class AnswerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants of an answer."""

    prompt: str = ""
    picture: Path | None = None
    """What a model that sees pictures is shown first."""
    chat: bool = False
    """Whether it is put into the model's chat template."""
    system: str = ""
    max_tokens: int = 256
    context: int = 0
    """Tokens; 0 for what nnrun takes by itself."""
    temperature: float = 0
    top_k: int = 0
    top_p: float = 1
    min_p: float = 0
    repetition_penalty: float = 1
    seed: int = 1
    stops: Sequence[str] = ()
    lookup: int = 0
    keeps_prompt: bool = False
    """Whether keys and values of the prompt stay on the board for runs that begin alike."""
    schema: Path | None = None
    thinking: bool = True
    """Whether a model that can think aloud before it answers does so."""
    threads: int = 0
    """0: nnrun measures which number is best."""

    def arguments(self, ends: Sequence[int]) -> list[str]:
        """nnrun's flags, beside those of files; ``ends`` are the tokens that end a text."""
        numbers = {
            "--max-tokens": self.max_tokens,
            "--temperature": self.temperature,
            "--top-k": self.top_k,
            "--top-p": self.top_p,
            "--min-p": self.min_p,
            "--repetition-penalty": self.repetition_penalty,
            "--seed": self.seed,
            "--lookup": self.lookup,
        }
        words = [word for name, value in numbers.items() for word in (name, str(value))]
        words += [word for end in ends for word in ("--end-token", str(end))]
        words += [f"--stop={stop}" for stop in self.stops]
        words += ["--context", str(self.context)] if self.context else []
        words += ["--chat"] if self.chat else []
        words += ["--prefix-cache", PREFIXES_FOLDER] if self.keeps_prompt else []
        words += [] if self.thinking else ["--no-thinking"]
        if self.threads:
            words += [f"--{part}-threads={self.threads}" for part in ("prefill", "decode")]
        return words + ([f"--system={self.system}"] if self.system else [])


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of nnrun's log, and whose it is."""

    host: str
    run: str
    emulated: bool = False
    text: str
    ending: str
    """Why it ended: ``end``, ``stop``, ``max_tokens``, ``context``, ``schema``, ``interrupted``."""
    prompt_tokens: Count
    tokens: Count
    prefill_ms: list[Ms]
    step_ms: list[Ms]
    step_tokens: list[Count]
    first_token_ms: Ms | None = None
    picture_ms: Ms | None = None
    """Of decoding, resizing and encoding the picture; a part of ``first_token_ms``."""
    restored: Count = 0
    """Tokens of the prompt that an earlier run had kept."""
    drafted: Count = 0
    accepted: Count = 0
    weight_bytes: Count = 0
    cache_bytes: Count = 0
    peak_rss_kb: Count = 0
    label: str = ""
    """The precision that was computed."""
    random_weights: bool = False
    """Whether the answer means nothing."""

    @property
    def tokens_per_s(self) -> float | None:
        """Of the answer's own tokens, by the median step."""
        steps = len(self.step_ms)
        if not steps or not sum(self.step_tokens):
            return None
        return 1000 * sum(self.step_tokens) / steps / median(self.step_ms)

    @property
    def bytes_per_token(self) -> float | None:
        """Weights that were read for a token of the answer."""
        token_count = sum(self.step_tokens)
        return self.weight_bytes * len(self.step_ms) / token_count if token_count else None


ENDINGS = {
    "end": "",
    "stop": "",
    "schema": "",
    "max_tokens": "it is cut: --max-tokens",
    "context": "it is cut: the context is full (--context)",
    "interrupted": "it was interrupted",
    "nothing_allowed": "it is cut: the schema allows nothing the model can say",
}


def read_answer(record: Record) -> Answer:
    """The answer of that run; raises ``UnreadableLog``."""
    path = run_folder(record.id) / LOG_FILE
    log = read_log(path)
    last = path.read_text(encoding="utf-8", errors="replace").rstrip("\n").rpartition("\n")[2]
    try:
        fields = msgspec.json.decode(last, type=JsonObject)
        origin = {"host": record.host, "run": record.id, "emulated": record.emulated}
        origin["random_weights"] = record.model.random_seed is not None
        return msgspec.convert({**fields, **origin, "label": log.header.precision.label}, Answer)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        raise UnreadableLog(
            f"{record.host}: nnrun ended without the summary of its answer",
            remedy=f"what it wrote is in {run_folder(record.id)}",
        ) from None


ANSWER_COLUMNS = ("Board", "Prompt tokens", "Tokens", "First token ms", "Tokens/s", "Answer")


def answer_row(answer: Answer) -> list[str]:
    """The row under ``ANSWER_COLUMNS``; an emulated board's times are not meaningful."""
    first = None if answer.emulated else answer.first_token_ms
    rate = None if answer.emulated else answer.tokens_per_s
    return [
        answer.host,
        number_cell(answer.prompt_tokens),
        number_cell(answer.tokens),
        Cell("" if first is None else format_digits(first), first),
        Cell("" if rate is None else format_digits(rate), rate),
        answer.text,
    ]


def summarise_answer(answer: Answer) -> str:
    """One line: how much was said, how fast, in which precision, and whether it is whole."""
    parts = [f"{answer.label}: {format_count(answer.prompt_tokens, 'token')} read"]
    if answer.restored:
        parts.append(f"{answer.restored} of them from the prefix cache")
    parts.append(f"{answer.tokens} said")
    if not answer.emulated and answer.picture_ms:
        parts.append(f"the picture seen in {format_digits(answer.picture_ms)} ms")
    if not answer.emulated and answer.first_token_ms is not None:
        parts.append(f"the first after {format_digits(answer.first_token_ms)} ms")
    if not answer.emulated and answer.tokens_per_s is not None:
        parts.append(f"{format_digits(answer.tokens_per_s)} tokens/s")
    if answer.drafted:
        parts.append(f"{answer.accepted} of {answer.drafted} drafted ones accepted")
    if answer.random_weights:
        parts.append("random weights: it means nothing")
    if note := ENDINGS.get(answer.ending, answer.ending):
        parts.append(note)
    return f"{answer.host}: {', '.join(parts)}"


def is_answer(record: Record) -> bool:
    """Whether that run answered a prompt."""
    return record.what.task == GENERATE


def show_text(text: str) -> str:
    """Text of a model for a terminal: no control characters but line feeds and tabs."""
    return "\t".join(map(sanitize_text, text.split("\t")))
